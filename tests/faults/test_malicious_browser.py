"""A server that lies to the web client: it is found out, nothing leaks, and the person is told (faults 21 and 22)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest
from playwright.async_api import Browser, expect

from support.browser import BrowserPerson, browser_person, chromium
from support.lying_mailboxes import with_letters
from support.malicious import MaliciousServer, forge, malicious_server, pry, readable, stale
from support.scene import intruder
from support.sdk import Reader, link, online
from support.server import new_person
from tidings.sdk import Client
from tidings.wire.commands import Send
from tidings.wire.content import Chain, Content, Text
from tidings.wire.errors import MemberVersion, StaleEpoch
from tidings.wire.events import Message, Stored
from tidings.wire.frames import AccountKeys
from tidings.wire.ids import Address, new_msg_id

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

NEW_KEYS = "Bob has new keys"
WRONG = "Something is wrong with what the server says about Bob"
PLAIN = msgspec.json.encode(Content(Chain(3, bytes(32)), 1, Text("forged")))
MISSING = "Some messages before this one are missing"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


class Scene(NamedTuple):
    """Ada before a browser, Bob at a program; they have talked through a server that was honest until then."""

    server: MaliciousServer
    ada: BrowserPerson
    bob: Client
    at_bob: Reader
    address: Address
    """Ada's device."""

    @property
    def conversation(self) -> str:
        """The conversation of the two."""
        (view,) = self.bob.conversations()
        return view.id

    async def refuses(self, warning: str) -> None:
        """Wait until Ada is warned, and let her write what must not leave."""
        await expect(self.ada.page.get_by_role("alert").filter(has_text=warning)).to_be_visible()
        sent = len(self.server.mailboxes.sent)
        # Every attempt to send asks the directory first; the second begins when the first has come to nothing.
        for text in ("for Bob alone", "this too"):
            asked = self.server.keys.asked[self.address.account]
            await self.ada.write(text)
            await self.server.keys.until_asked(self.address.account, asked + 1)
        await self.ada.sees_tick("for Bob alone", "waiting to be sent")
        assert len(self.server.mailboxes.sent) == sent


@asynccontextmanager
async def acquainted(browser: Browser, folder: Path) -> AsyncIterator[Scene]:
    """Let Ada and Bob meet."""
    async with malicious_server(folder) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        async with online(await new_person(server, folder, "bob", await ada.invite())) as bob:
            scene = Scene(server, ada, bob, Reader(bob), await server.device_of("ada"))
            await ada.open("Bob")
            await ada.write("hello")
            assert await scene.at_bob.texts(1) == ["hello"]
            await bob.send("@ada", "hi")
            await ada.sees("hi")
            yield scene


async def test_fault_21_a_ghost_device_stops_sending_and_gets_no_key(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:
        server, bob = scene.server, scene.bob
        with intruder(tmp_path, bob.account) as ghost:
            server.keys.lies[bob.account] = ghost.slip_in
            await server.stir(bob.account, ghost)
            await scene.refuses(WRONG)

            del server.keys.lies[bob.account]
            await server.stir(bob.account)
            assert await scene.at_bob.texts(2) == ["for Bob alone", "this too"]
            await expect(scene.ada.page.get_by_role("alert")).to_have_count(0)
            assert server.mailboxes.given(ghost.device) == []
            assert server.mailboxes.given(bob.device) != []


async def test_fault_21_a_replaced_identity_stops_sending_until_it_is_accepted(
    browser: Browser, tmp_path: Path
) -> None:
    """The first time the identity that was met, the second time one that was accepted by hand."""
    async with acquainted(browser, tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, bob.account, "FIRSTGHOST") as first, intruder(tmp_path, bob.account) as second:
            for thief in (first, second):
                server.keys.lies[bob.account] = thief.pose
                await server.stir(bob.account, thief)
                await scene.refuses(NEW_KEYS)
                assert server.mailboxes.given(thief.device) == []
                await ada.page.get_by_role("button", name="It is really Bob").click()
                await expect(ada.page.get_by_role("img", name="waiting to be sent")).to_have_count(0)
                assert server.mailboxes.given(thief.device) != []  # so it was the refusal that kept it from one


async def test_fault_21_a_replaced_identity_gets_no_key_by_asking_under_the_name_of_a_real_device(
    browser: Browser, tmp_path: Path
) -> None:
    """The library takes no other keys for a device that it knows, but it forgets one that is listed no more."""
    async with acquainted(browser, tmp_path) as scene:
        server, ada, bob, address = scene.server, scene.ada, scene.bob, scene.address
        await ada.page.reload()  # a session that Bob was given from its start, which alone a browser can give again
        await ada.write("for Bob alone")
        assert await scene.at_bob.texts(1) == ["for Bob alone"]
        envelope = server.mailboxes.sent[-1][1].ciphertext
        with intruder(tmp_path, bob.account, bob.device) as thief:
            server.keys.lies[bob.account] = lambda keys: msgspec.structs.replace(
                thief.pose(keys), device_list=thief.identity.sign_list(keys.version, {}), devices=[]
            )
            await server.stir(bob.account)
            await expect(ada.page.get_by_role("alert").filter(has_text=NEW_KEYS)).to_be_visible()
            server.keys.lies[bob.account] = thief.pose
            asked = server.keys.asked[address.account]
            await server.stir(bob.account, thief)
            await server.keys.until_asked(address.account, asked + 1)
            given = len(server.mailboxes.given(bob.device))

            request = await pry(server, thief.machine, address, scene.conversation, envelope)
            # The message behind the request tells when it was taken in.
            entries = [request, *await forge(server, thief.machine, address, scene.conversation, "it is me")]
            server.mailboxes.script = lambda device, more: [*entries, *more] if device == address else more
            server.server.registry.wake([await server.box(address.account, address.device)])
            await ada.sees("it is me")
            await scene.refuses(NEW_KEYS)
            shares = server.mailboxes.given(bob.device)[given:]
            assert readable(thief.machine, shares, address, scene.conversation, [envelope]) == [False]
            assert shares == []


async def test_fault_21_another_identity_for_oneself_is_refused(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:
        server, account = scene.server, scene.address.account
        with intruder(tmp_path, account) as thief:
            server.keys.lies_to_owner.add(account)
            server.keys.lies[account] = thief.pose
            await server.stir(account, thief)
            await scene.refuses("Something is wrong with what the server says about you")
            assert server.mailboxes.given(thief.device) == []


async def test_fault_21_a_device_list_that_was_rolled_back_is_refused(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:
        server, bob = scene.server, scene.bob
        old = await server.truth(bob.account)
        await link(bob, tmp_path / "bob.laptop.db")
        await scene.ada.write("to both")
        assert await scene.at_bob.texts(1) == ["to both"]
        server.keys.lies[bob.account] = lambda keys: msgspec.structs.replace(old, version=keys.version)
        await server.stir(bob.account)
        await scene.refuses(WRONG)


async def test_fault_21_a_forked_device_list_is_refused(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:
        server, bob = scene.server, scene.bob
        identity = bob._machine.identity
        assert identity is not None
        with intruder(tmp_path, bob.account) as twin:
            twin.identity = identity

            def fork(keys: AccountKeys) -> AccountKeys:
                listed = {bob.device: bob._machine.account.ed25519, twin.device: twin.ed25519}
                return msgspec.structs.replace(twin.slip_in(keys), device_list=identity.sign_list(1, listed))

            server.keys.lies[bob.account] = fork
            await server.stir(bob.account, twin)
            await scene.refuses(WRONG)
            assert server.mailboxes.given(twin.device) == []


async def test_fault_21_an_encryption_key_that_a_device_did_not_sign_is_refused(
    browser: Browser, tmp_path: Path
) -> None:
    """The list of devices names signing keys alone: the server could put another encryption key beside one."""
    async with acquainted(browser, tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        with intruder(tmp_path, bob.account) as ghost:

            def swap(keys: AccountKeys) -> AccountKeys:
                (device,) = keys.devices
                value = msgspec.json.decode(device.keys)
                value["keys"][f"curve25519:{bob.device}"] = ghost.machine.account.curve25519
                text = msgspec.json.encode(value).decode()
                return msgspec.structs.replace(keys, devices=[msgspec.structs.replace(device, keys=text)])

            entries = await forge(server, ghost.machine, scene.address, scene.conversation, "forged")
            entries = [msgspec.structs.replace(entry, device=bob.device) for entry in entries]
            server.mailboxes.script = with_letters(scene.address.device, lambda letters: [*entries, *letters])
            server.keys.lies[bob.account] = swap
            await server.stir(bob.account)
            await scene.refuses(WRONG)
            await bob.send("@ada", "real")
            await ada.sees("real")
            assert await ada.texts() == ["hello", "hi", "real", "for Bob alone", "this too"]


async def test_fault_21_a_stranger_who_is_put_into_a_conversation_gets_no_key(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene, online(await new_person(scene.server, tmp_path, "eve")) as eve:
        server, ada = scene.server, scene.ada
        (view,) = scene.bob.conversations()
        members = {**view.members, eve.account: 1}
        refusal = stale(view, members)
        server.mailboxes.refuses = lambda address, _: refusal if address == scene.address else None
        await ada.write("for Bob alone")
        await expect(ada.page.get_by_role("alert").filter(has_text=WRONG)).to_be_visible()
        await ada.sees_tick("for Bob alone", "waiting to be sent")
        await server.show_members(scene.address, view, members)
        await scene.bob.send("@ada", "real")
        await ada.sees("real")
        await expect(ada.page.get_by_role("alert").filter(has_text=WRONG)).to_be_visible()
        assert server.mailboxes.given(eve.device) == []


async def test_nothing_is_encrypted_while_the_mailboxes_are_behind_the_directory(
    browser: Browser, tmp_path: Path
) -> None:
    async with acquainted(browser, tmp_path) as scene:
        server, ada, bob = scene.server, scene.ada, scene.bob
        shown = (await server.truth(bob.account)).version
        server.keys.versions[bob.account] = shown + 1
        refused = asyncio.Event()

        def refuse(sender: Address, send: Send) -> StaleEpoch | None:
            """Let Ada look at the directory for once; what she sends then is for the mailboxes to judge."""
            if refused.is_set() or sender != scene.address:
                return None
            refused.set()
            told = [MemberVersion(bob.account, shown + 1), MemberVersion(sender.account, send.devices - shown)]
            return StaleEpoch(send.epoch, send.devices + 1, told)

        server.mailboxes.refuses = refuse
        shared = len(server.mailboxes.shared)

        def sent() -> int:
            return len([sender for sender, _ in server.mailboxes.sent if sender == scene.address])

        before = sent()
        await ada.write("when all are of one mind")
        await expect(ada.page.get_by_role("alert").filter(has_text=WRONG)).to_be_visible()
        await ada.sees_tick("when all are of one mind", "waiting to be sent")
        assert sent() == before + 2

        await server.stir(bob.account)
        assert await scene.at_bob.texts(1) == ["when all are of one mind"]
        await expect(ada.page.get_by_role("alert")).to_have_count(0)
        assert sent() == before + 3
        assert len(server.mailboxes.shared) == shared


# Fault 22: messages


async def test_fault_22_a_dropped_message_is_found_out_by_the_next_one(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:
        lost = await scene.bob.enqueue("@ada", "never arrives")
        change = with_letters(scene.address.device, lambda letters: [one for one in letters if one.msg_id != lost])
        scene.server.mailboxes.script = change
        await scene.bob.send("@ada", "arrives")
        await scene.ada.sees("arrives")
        await expect(scene.ada.log.get_by_text(MISSING)).to_be_visible()
        await scene.bob.send("@ada", "goes on")
        await scene.ada.sees("goes on")
        await expect(scene.ada.log.get_by_text(MISSING)).to_have_count(1)
        assert await scene.ada.texts() == ["hello", "hi", "arrives", "goes on"]


async def test_fault_22_a_message_that_is_repeated_under_another_name_is_shown_once(
    browser: Browser, tmp_path: Path
) -> None:
    async with acquainted(browser, tmp_path) as scene:

        def twice(letters: list[Message]) -> Sequence[Stored]:
            again = [msgspec.structs.replace(one, msg_id=new_msg_id(one.time), seq=one.seq + 1) for one in letters]
            return [*letters, *again, *letters]

        scene.server.mailboxes.script = with_letters(scene.address.device, twice)
        await scene.bob.send("@ada", "pay 100")
        await scene.ada.sees("pay 100")
        await expect(scene.ada.log.get_by_text(MISSING)).to_have_count(1)
        assert await scene.ada.texts() == ["hello", "hi", "pay 100"]


async def test_fault_22_reordered_messages_are_found_out(browser: Browser, tmp_path: Path) -> None:
    async with acquainted(browser, tmp_path) as scene:

        def reorder(letters: list[Message]) -> Sequence[Stored]:
            return letters[::-1] if len(letters) > 1 else []

        scene.server.mailboxes.script = with_letters(scene.address.device, reorder)
        await scene.bob.enqueue("@ada", "first")
        await scene.bob.send("@ada", "second")
        await scene.ada.sees("second")
        await scene.ada.sees("first")
        await expect(scene.ada.log.get_by_text(MISSING)).to_have_count(2)


async def test_fault_22_what_is_not_encrypted_as_it_should_be_is_not_shown(browser: Browser, tmp_path: Path) -> None:
    downgrades: list[Callable[[bytes], bytes]] = [
        lambda _: PLAIN,
        lambda _: b"\x01" + bytes(32) + PLAIN,
        lambda sealed: b"\x00" + sealed[1:],
        lambda sealed: b"\x02\x00" + sealed[1:],
    ]
    async with acquainted(browser, tmp_path) as scene:
        changes = {await scene.bob.enqueue("@ada", "real"): change for change in downgrades}

        def replace(letters: list[Message]) -> Sequence[Stored]:
            return [
                msgspec.structs.replace(one, ciphertext=changes.get(one.msg_id, bytes)(one.ciphertext))
                for one in letters
            ]

        scene.server.mailboxes.script = with_letters(scene.address.device, replace)
        await scene.bob.send("@ada", "next")
        await scene.ada.sees("next")
        await expect(scene.ada.log.get_by_text(MISSING)).to_be_visible()
        assert await scene.ada.texts() == ["hello", "hi", "next"]
        await scene.ada.write("what was that?")
        assert await scene.at_bob.texts(1) == ["what was that?"]
        for target in changes:
            kept = scene.bob.find_own(target)
            assert kept is not None
            assert scene.bob.state_of(kept) == "sent"


async def test_fault_22_nobody_else_can_write_in_the_name_of_a_contact(browser: Browser, tmp_path: Path) -> None:
    """Neither a device that the server made, under any name, nor a stranger who is really there."""
    async with acquainted(browser, tmp_path) as scene, online(await new_person(scene.server, tmp_path, "eve")) as eve:
        server, bob = scene.server, scene.bob
        with intruder(tmp_path, bob.account) as ghost:
            by_ghost = await forge(server, ghost.machine, scene.address, scene.conversation, "forged by a ghost")
            under_bobs_name = [msgspec.structs.replace(entry, device=bob.device) for entry in by_ghost]
            by_eve = await forge(server, eve._machine, scene.address, scene.conversation, "forged by Eve")
            entries = [*by_ghost, *under_bobs_name, *by_eve]
            mine = await bob.enqueue("@ada", "put into Ada's own mouth")

            def lie(letters: list[Message]) -> Sequence[Stored]:
                ada, device = scene.address.account, scene.address.device
                told = [
                    msgspec.structs.replace(one, sender=ada, device=device) if one.msg_id == mine else one
                    for one in letters
                ]
                return [*entries, *told]

            server.mailboxes.script = with_letters(scene.address.device, lie)
            await bob.send("@ada", "real")
            await scene.ada.sees("real")
            assert await scene.ada.texts() == ["hello", "hi", "real"]
