"""Nothing of what people write, nor what they call themselves, is on the server or on the wire."""

import random
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.async_api import expect

from support.browser import browser_person, chromium
from support.plain_device import seed_two
from support.recording import recording
from support.searching import ENCODINGS, Searcher
from support.server import PASSWORD, ServerProcess
from tidings.sdk import Client
from tidings.server.app import SystemClock

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

SEED = 20_001
ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"


def words(count: int, seed: int = SEED) -> list[str]:
    """Return words that are nowhere unless someone wrote them."""
    print("seed", seed)
    source = random.Random(seed)
    return ["".join(source.choices(ALPHABET, k=24)) for _ in range(count)]


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("offset", range(4))
def test_the_searcher_finds_a_word_in_every_encoding(encoding: str, offset: int) -> None:
    planted, other = words(2)
    noise = random.Random(f"{SEED} {encoding} {offset}").randbytes
    data = noise(5_000 + offset) + b" " + ENCODINGS[encoding](planted) + b" " + noise(5_000)
    searcher = Searcher(planted, other)
    assert searcher.find(data) == {planted}
    assert searcher.find(data.replace(ENCODINGS[encoding](planted), b"")) == set()


def test_the_searcher_finds_a_word_in_a_frame_that_is_compressed_as_a_whole() -> None:
    (planted,) = words(1)
    stream = zlib.compressobj(wbits=-15)
    frame = stream.compress(f"a frame with {planted} in it".encode()) + stream.flush(zlib.Z_SYNC_FLUSH)[:-4]
    assert Searcher(planted).find(frame) == {planted}


def kept_by(server: ServerProcess, temporary: Path) -> Iterator[tuple[str, bytes]]:
    """Yield all that a server has on the disk: its folder, its log and output, temporary files, deleted ones too."""
    for folder in (server.data, temporary):
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                yield path.name, path.read_bytes()
    yield "log", server.log().encode()
    yield "output", server.output.encode()
    descriptors = Path(f"/proc/{server.pid}/fd")
    for descriptor in descriptors.iterdir() if descriptors.exists() else ():
        if "(deleted)" in str(descriptor.readlink()) and descriptor.is_file():
            yield "deleted", descriptor.read_bytes()


async def test_neither_the_disk_nor_the_wire_holds_what_people_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """First what is planted on purpose is found everywhere, in every encoding; then nothing that people wrote is."""
    planted = dict(zip(ENCODINGS, words(len(ENCODINGS), SEED + 1), strict=True))
    (known,) = words(1, SEED + 2)
    secrets = words(12)
    ada_name, bob_name, bob_later, cem_name, *texts = secrets
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ada_bytes, _ = await seed_two(tmp_path / "server")
    with monkeypatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        server = await ServerProcess.start(tmp_path / "server", "--log-level", "debug")
    try:
        async with recording(server.port) as wire, chromium() as browser, browser_person(browser, wire.url) as ada:
            # Devices that do not encrypt, and one of which never comes: the server keeps what it is given.
            await ada_bytes.connect(wire.url, SystemClock().now())
            await ada_bytes.send_all([b" " + ENCODINGS[how](word) + b" " for how, word in planted.items()])
            await ada_bytes.link.close()

            # People. Cem never comes, so that the server keeps what he is sent.
            await ada.register((await server.invite()).replace(server.url, wire.url), "ada.writes", f"Ada {ada_name}")
            for name, display in (("bob.too", f"Bob {bob_name}"), (known, f"Cem {cem_name}")):
                store = tmp_path / f"{name}.db"
                client = await Client.register(store, await ada.invite(), name, PASSWORD, display_name=display)
                client.close()
            async with Client.open(tmp_path / "bob.too.db") as bob:
                await bob.ready()
                await ada.open(f"Bob {bob_name}")
                await ada.write(f"from the browser: {texts[0]}")
                await ada.write(f"a long one: {texts[1] * 500}")
                await ada.sees_tick(texts[1], "delivered")
                await bob.send("@ada.writes", f"from a program: {texts[2]}")
                await bob.send("@ada.writes", f"https://{texts[3]}.example/?{texts[3].upper()}")
                await ada.sees(texts[3])
                bob.set_display_name(f"Robert {bob_later}")
                await expect(ada.row(bob_later)).to_be_visible()
                await bob.send(f"@{known}", f"to somebody who is away: {texts[4]}")
            await ada.open(known)
            await ada.write(f"to somebody who is away: {texts[5]}")
            await ada.sees_tick(texts[5], "sent")
            draft = f"a draft, never sent: {texts[6]}"
            await ada.composer.fill(draft)
            await ada.page.get_by_label("Find a person").fill(texts[7])
            await expect(ada.page.get_by_text("Nobody by that name")).to_be_visible()
            await ada.page.reload()
            await expect(ada.composer).to_have_value(draft)

            kept = dict(kept_by(server, temporary))
        await server.stop()
        kept |= {f"{name}, after the end": data for name, data in kept_by(server, temporary)}
    finally:
        await server.stop()

    controls = {*planted.values(), known}
    searcher = Searcher(*controls, *secrets, PASSWORD)
    found = {name: searcher.find(data) for name, data in kept.items()}
    for name in ("mailboxes.db-wal", "mailboxes.db, after the end"):
        missed = {how for how, word in planted.items() if word not in found[name]}
        assert not missed, (name, missed)
    assert known in found["accounts.db-wal"] | found["accounts.db"]
    in_piece = {f"wire {number}": searcher.find(piece) for number, piece in enumerate(wire.pieces())}
    # Whoever signs in shows the password to the server, which keeps nothing of it.
    on_wire = {word for words in in_piece.values() for word in words}
    assert on_wire - {PASSWORD} == controls

    print(f"{len(kept)} files, {sum(map(len, kept.values()))} bytes; {wire.frames()} frames")
    allowed = dict.fromkeys(found, controls) | {name: {*controls, PASSWORD} for name in in_piece}
    leaks = {name: words - allowed[name] for name, words in (found | in_piece).items()}
    assert not {name: words for name, words in leaks.items() if words}
