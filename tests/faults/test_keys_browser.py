"""Keys that are lost, several devices, tabs and profiles: between a browser and programs nothing stays unreadable."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from support.browser import BrowserPerson, browser_person, chromium, profile
from support.malicious import malicious_server
from support.sdk import Reader, link, online
from support.server import new_person

pytestmark = [pytest.mark.anyio, pytest.mark.browser]

KNOWN_VERSION = """async ([account, version]) => {
  const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await done(indexedDB.open("tidings"));
  for (;;) {
    const row = await done(db.transaction("accounts").objectStore("accounts").get(account));
    if (row.version >= version) return db.close();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}"""


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as running:
        yield running


async def test_a_key_that_was_lost_on_its_way_to_a_browser_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        address = await server.device_of("ada")
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await bob.send("@ada", "before")
        await ada.open("Bob")
        await ada.sees("before")
        # Another run of the program, another session.
        async with online(bob_store) as bob:
            server.mailboxes.loses = lambda sender, _: sender.device == bob.device
            server.mailboxes.script = lambda device, entries: [] if device == address else entries
            sent = await bob.send("@ada", "the key to this gets lost")
            server.mailboxes.loses = lambda _sender, _share: False
            given = len(server.mailboxes.given(address.device))
            await server.release(address)
            await ada.sees("the key to this gets lost")
            assert len(server.mailboxes.given(address.device)) == given + 1
            await ada.write("I can read it")
            assert await Reader(bob).texts(1) == ["I can read it"]
            assert bob.state_of(sent) in ("delivered", "read")
            await bob.send("@ada", "and on")
            await ada.sees("and on")
            await expect(ada.log.get_by_text("missing")).to_have_count(0)


TAKE_SEALED = """async () => {
  const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await done(indexedDB.open("tidings"));
  do {
    window.sealed = await done(db.transaction("sealed").objectStore("sealed").getAll());
  } while (window.sealed.length === 0);
  db.close();
}"""
PUT_SEALED_BACK = """async (text) => {
  const done = (request) => new Promise((resolve) => (request.onsuccess = () => resolve(request.result)));
  const db = await done(indexedDB.open("tidings"));
  const tx = db.transaction(["sealed", "messages"], "readwrite");
  const rows = await done(tx.objectStore("messages").getAll());
  for (const row of rows) if (row.text === text) await done(tx.objectStore("messages").delete(row.key));
  for (const row of window.sealed) await done(tx.objectStore("sealed").put(row));
  db.close();
}"""


async def test_what_the_end_of_a_browser_kept_from_being_opened_is_opened_by_the_key_that_has_come(
    browser: Browser, tmp_path: Path
) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await bob.send("@ada", "before")
        await ada.open("Bob")
        await ada.sees("before")
        # Another run of the program, another session.
        async with online(bob_store) as bob:
            server.mailboxes.loses = lambda sender, _: sender.device == bob.device
            await bob.send("@ada", "the key comes late")
            await ada.page.evaluate(TAKE_SEALED)
            server.mailboxes.loses = lambda _sender, _share: False
            await ada.sees("the key comes late")
        # As if the browser had ended when the key had been taken in, and nothing been opened by it yet.
        await ada.page.evaluate(PUT_SEALED_BACK, "the key comes late")
        await ada.page.reload()
        await ada.sees("the key comes late")


async def test_a_key_that_was_lost_on_its_way_from_a_browser_is_asked_for(browser: Browser, tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await ada.open("Bob")
            await ada.write("before")
            assert await Reader(bob).texts(1) == ["before"]
        # Another run of the engine, another session.
        await ada.page.reload()
        server.mailboxes.loses = lambda _sender, _share: True
        given = len(server.mailboxes.given(bob.device))
        await ada.write("the key to this gets lost")
        await ada.sees_tick("the key to this gets lost", "sent")
        assert len(server.mailboxes.given(bob.device)) == given + 1
        server.mailboxes.loses = lambda _sender, _share: False
        async with online(bob_store) as bob:
            at_bob = Reader(bob)
            while (await at_bob.next()).text != "the key to this gets lost":
                pass
            await ada.sees_tick("the key to this gets lost", "delivered")
            assert len(server.mailboxes.given(bob.device)) == given + 2
            await ada.write("and on")
            message = await at_bob.next()
            assert (message.text, message.missing) == ("and on", False)


async def test_a_browser_talks_with_every_device_of_a_contact(browser: Browser, tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as phone:
            await ada.open("Bob")
            await ada.write("to the telephone")
            assert await Reader(phone).texts(1) == ["to the telephone"]
            async with online(await link(phone, tmp_path / "laptop.db")) as laptop:
                at_phone, at_laptop = Reader(phone), Reader(laptop)
                await ada.write("to both")
                message = await at_laptop.next()
                assert (message.text, message.missing) == ("to both", False)
                await phone.send("@ada", "from the telephone")
                await laptop.send("@ada", "from the laptop")
                await ada.sees("from the telephone")
                await ada.sees("from the laptop")
                await expect(ada.log.get_by_text("missing")).to_have_count(0)
                await expect(ada.page.get_by_role("alert")).to_have_count(0)

                sessions = server.mailboxes.sessions((await server.device_of("ada")).device)
                given = len(server.mailboxes.given(laptop.device))
                await phone.remove_device(laptop.device)
                await ada.write("to the telephone alone")
                while (await at_phone.next()).text != "to the telephone alone":
                    pass
                address = await server.device_of("ada")
                assert server.mailboxes.sessions(address.device)[:-1] == sessions
                assert len(server.mailboxes.given(laptop.device)) == given


@pytest.mark.parametrize("comes", [True, False], ids=["comes", "goes"])
async def test_a_list_of_devices_that_changes_while_keys_are_under_way_is_followed(
    browser: Browser, tmp_path: Path, *, comes: bool
) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        mailboxes = server.mailboxes
        await ada.register(await server.invite(), "ada")
        device = (await server.device_of("ada")).device
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as bob:
            at_bob = Reader(bob)
            await ada.open("Bob")
            await ada.write("before")
            assert await at_bob.texts(1) == ["before"]
            async with online(await link(bob, tmp_path / "tablet.db")) as tablet:
                if comes:
                    await ada.write("to both")
                    assert await at_bob.texts(1) == ["to both"]
                    await bob.remove_device(tablet.device)  # so that the next message needs another session
                last, version = (bob.device, 4) if comes else (tablet.device, 3)
                mailboxes.slow = asyncio.get_running_loop().create_future()
                given = len(mailboxes.given(last))
                await ada.write("during the change")
                await mailboxes.until_given(last, given + 1)
                if comes:
                    await link(bob, tmp_path / "laptop.db")
                else:
                    await bob.remove_device(tablet.device)
                await ada.page.evaluate(KNOWN_VERSION, [bob.account, version])
                mailboxes.slow.set_result(None)
                mailboxes.slow = None
                assert await at_bob.texts(1) == ["during the change"]
            if comes:
                async with online(tmp_path / "laptop.db") as laptop:
                    assert await Reader(laptop).texts(1) == ["during the change"]
            else:
                *_, refused, accepted = mailboxes.uses(device)
                assert refused[0] != accepted[0]  # the session of the first was given to the tablet


async def test_two_tabs_that_send_at_once_never_use_an_index_twice(browser: Browser, tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as bob:
            await ada.open("Bob")
            other = BrowserPerson(await ada.page.context.new_page(), server.url)
            await other.page.goto(ada.page.url)
            await expect(other.composer).to_be_visible()

            async def write(tab: BrowserPerson, name: str) -> list[str]:
                texts = [f"{name} {number}" for number in range(12)]
                for text in texts:
                    await tab.write(text)
                return texts

            one, two = await asyncio.gather(write(ada, "one"), write(other, "two"))
            received = await Reader(bob).texts(len(one) + len(two))
            assert [text for text in received if text in one] == one
            assert [text for text in received if text in two] == two
            assert not any(message.missing for message in bob.history(bob.conversations()[0].id))
            address = await server.device_of("ada")
            assert len(server.mailboxes.uses(address.device)) >= len(received)
            server.mailboxes.assert_no_index_twice(address.device)
            # The first tab is closed; the other goes on, with a session of its own run.
            await ada.page.close()
            await other.write("the other goes on")
            await other.sees_tick("the other goes on", "delivered")
            server.mailboxes.assert_no_index_twice(address.device)
            assert not other.complaints


async def test_a_profile_that_was_rolled_back_writes_with_another_session(tmp_path: Path) -> None:
    folder, copy = tmp_path / "profile", tmp_path / "copy"
    async with malicious_server(tmp_path) as server:
        async with profile(folder) as context:
            ada = BrowserPerson(context.pages[0], server.url)
            await ada.register(await server.invite(), "ada")
            bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
            async with online(bob_store) as bob:
                await ada.open("Bob")
                await ada.write("before the copy")
                await ada.sees_tick("before the copy", "delivered")
                await bob.send("@ada", "hi")
                await ada.sees("hi")
        address = await server.device_of("ada")
        shutil.copytree(folder, copy, ignore=shutil.ignore_patterns("Singleton*"))
        async with online(bob_store) as bob:
            async with profile(folder) as context:
                ada = BrowserPerson(context.pages[0], server.url)
                await ada.page.goto(server.url)
                await ada.open("Bob")
                for number in range(3):
                    await ada.write(f"after the copy {number}")
                await ada.sees_tick("after the copy 2", "delivered")
                await bob.send("@ada", "I heard you")
                await ada.sees("I heard you")
            before = server.mailboxes.sessions(address.device)
            async with profile(copy) as context:
                ada = BrowserPerson(context.pages[0], server.url)
                await ada.page.goto(server.url)
                await ada.open("Bob")
                await ada.write("from the copy")
                at_bob = Reader(bob)
                while (await at_bob.next()).text != "from the copy":
                    pass
                await bob.send("@ada", "welcome back")
                await ada.sees("welcome back")
                assert await ada.texts() == ["before the copy", "hi", "from the copy", "welcome back"]
                assert not ada.complaints
        assert server.mailboxes.sessions(address.device)[-1] not in before
        server.mailboxes.assert_no_index_twice(address.device)


async def test_a_message_of_a_browser_waits_until_the_mailboxes_take_the_keys_for_all_of_its_devices(
    browser: Browser, tmp_path: Path
) -> None:
    """The directory knows of a new device before the mailboxes do: keys for the two of them are refused together."""
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        address = await server.device_of("ada")
        async with online(await new_person(server, tmp_path, "bob", await ada.invite())) as phone:
            await ada.open("Bob")
            await ada.write("before")
            at_phone = Reader(phone)
            assert await at_phone.texts(1) == ["before"]
            server.mailboxes.behind = asyncio.get_running_loop().create_future()
            linking = asyncio.create_task(link(phone, tmp_path / "laptop.db"))
            while len((await server.truth(phone.account)).devices) < 2:  # noqa: ASYNC110 - the directory tells nobody
                await asyncio.sleep(0.01)
            (laptop_id,) = {device.device for device in await phone.devices()} - {phone.device}
            # Ada asks the directory when she is refused, or comes anew: her page knows of no other device yet.
            sent = len(server.mailboxes.sent)
            server.mailboxes.refuses_keys = lambda sender: sender == address
            await ada.page.reload()
            await ada.write("to both")
            await server.mailboxes.until_given(laptop_id, 2)
            server.mailboxes.refuses_keys = lambda _sender: False
            given = len(server.mailboxes.given(laptop_id))
            await server.mailboxes.until_given(laptop_id, given + 4)  # oftener than what is refused for good
            assert len(server.mailboxes.sent) == sent
            server.mailboxes.behind.set_result(None)
            async with online(await linking) as laptop:
                assert await Reader(laptop).texts(1) == ["to both"]
            assert await at_phone.texts(1) == ["to both"]


async def test_one_device_that_is_gone_keeps_no_message_of_a_browser_back(browser: Browser, tmp_path: Path) -> None:
    async with malicious_server(tmp_path) as server, browser_person(browser, server.url) as ada:
        await ada.register(await server.invite(), "ada")
        bob_store = await new_person(server, tmp_path, "bob", await ada.invite())
        async with online(bob_store) as bob:
            await link(bob, tmp_path / "laptop.db")
            await ada.open("Bob")
            await ada.write("to both")
            at_bob = Reader(bob)
            assert await at_bob.texts(1) == ["to both"]
            await ada.page.context.set_offline(True)
            (gone,) = {device.device for device in await bob.devices()} - {bob.device}
            await bob.remove_device(gone)
            await ada.write("to the telephone")
            await ada.page.context.set_offline(False)
            while (await at_bob.next()).text != "to the telephone":
                pass
