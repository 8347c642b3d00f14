"""`tidings chat`, by its keys and its screen, against a real server and other people on it."""

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest
from textual.widgets import TextArea

from support.server import PASSWORD, new_person, server_process
from support.terminal import NARROW, PATIENCE, SMALL, TerminalPerson, ada_and_bob, people, until_said
from tidings.cli.terminal.theme import DARK
from tidings.sdk import Client, Incoming, TypingUpdate

pytestmark = pytest.mark.anyio

ROOT = Path(__file__).parents[2]


async def receive(client: Client, count: int = 1) -> list[Incoming]:
    """Wait for messages of others that no program has taken yet; the last one is not taken by this neither."""
    incoming = client.messages()
    async with asyncio.timeout(PATIENCE):
        return [await anext(incoming) for _ in range(count)]


async def reach(client: Client, msg_id: bytes, state: str) -> None:
    """Wait until a message of a device got so far."""
    events = client.events()
    async with asyncio.timeout(PATIENCE):
        while (kept := client.find_own(msg_id)) is None or client.state_of(kept) != state:
            await anext(events)


def conversation(client: Client) -> str:
    """Return the only conversation of a device."""
    (view,) = client.conversations()
    return view.id


async def test_who_is_invited_comes_in_invites_another_and_they_talk(tmp_path: Path) -> None:
    async with (
        server_process(tmp_path) as server,
        TerminalPerson.at(tmp_path / "ada.db", await server.invite()) as ada,
    ):
        await ada.sees("Welcome to Tidings")
        await ada.press("enter")
        await ada.sees("Who are you?")
        for value in ("a", "short", "shore", "Ada Kowalska"):
            await ada.say(value)
        await ada.sees("A name has 3 to 32 letters")
        await ada.say("ada")
        await ada.sees("The password needs at least eight characters")
        await ada.say("long enough")
        await ada.sees("The two passwords are not the same")
        await ada.say("long enough")
        await ada.sees("Nobody here yet.")
        await ada.online()
        await ada.press("i")
        await ada.sees("For one person")
        await ada.sees("█")
        link = next(line for line in ada.text.split() if line.startswith("http"))
        await ada.press("escape")

        async with Client.open(await new_person(server, tmp_path, "bob", link)) as bob:
            await bob.ready()
            await ada.sees("Bob")
            await bob.send("@ada", "Shall I book for four?")
            await ada.sees("Tidings 1")
            await ada.press("enter")
            await ada.sees("1 new message")
            await ada.sees_no("Tidings 1")
            await ada.say("Four it is.")
            (message,) = await receive(bob)
            assert (message.sender_name, message.text) == ("Ada Kowalska", "Four it is.")


async def test_a_link_that_is_none_and_one_that_was_used_are_said_and_signing_in_is_offered(tmp_path: Path) -> None:
    async with server_process(tmp_path) as server:
        used = await server.invite()
        await new_person(server, tmp_path, "bob", used)
        async with TerminalPerson.at(tmp_path / "ada.db", "https://example.org/", size=SMALL) as ada:
            await ada.press("enter")
            await ada.sees("This is no invite link")
            await ada.write(used)
            await ada.press("enter")
            await ada.sees("This invite was used, or has expired")
            await ada.write("http://localhost:9/#/join/nothing")
            await ada.press("enter")
            await ada.sees("No answer from localhost:9")
            await ada.press("ctrl+s")
            await ada.sees("Your password")
            await ada.press("escape")
            await ada.sees("Were you invited?")
        assert not (tmp_path / "ada.db").exists()


async def test_a_message_shows_how_far_it_got_by_ticks_or_by_words(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, bob_store):
        await ada.press("enter")
        await ada.say("one")
        await ada.sees_state("one", "✓")
        async with Client.open(bob_store) as bob:
            await ada.sees_state("one", "✓✓")
            assert ada.ink_of("✓✓") == DARK["ink-3"]
            await bob.mark_read(bob.history(conversation(bob))[-1])
            await ada.until("it was never read", lambda: ada.ink_of("✓✓") == DARK["read"])
            await server.kill()
            await ada.say("two")
            await ada.sees_state("two", "◷")
            await ada.press("escape", "w")
            await ada.sees_state("two", "waiting")
            await ada.sees_state("one", "read")
            await server.begin()
            await ada.sees_state("two", "arrived")
            await ada.press("w")
            await ada.sees_state("two", "✓✓")


async def test_who_loses_the_connection_is_told_writes_on_and_it_goes_when_the_server_is_back(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path, size=SMALL) as (server, ada, bob_store), Client.open(bob_store) as bob:
        await bob.ready()
        await bob.set_online(online=True)
        await ada.press("enter")
        await ada.sees("online")
        await server.kill()
        await ada.sees_no("online")
        await ada.sees("Connecting…")
        await ada.say("are you there?")
        await ada.sees_state("are you there?", "◷")
        await server.begin()
        await ada.sees_no("Connecting…")
        await ada.sees_state("are you there?", "✓✓")
        await ada.sees("online")
        assert (await receive(bob))[0].text == "are you there?"


async def test_one_sees_who_is_here_and_who_types_and_is_seen_typing(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (_, ada, bob_store):
        async with Client.open(bob_store) as bob:
            await bob.ready()
            await bob.set_online(online=True)
            await ada.press("enter")
            await ada.sees("@bob · online")
            await bob.set_typing(conversation(bob), active=True)
            await ada.sees("Bob is typing…")
            assert any("typing…" in line for line in ada.list_lines)
            await bob.set_typing(conversation(bob), active=False)
            await ada.sees_no("typing…")

            events = bob.events()
            seen: list[bool] = []
            await ada.write("hm")
            async with asyncio.timeout(PATIENCE):
                while seen != [True, False]:
                    event = await anext(events)
                    if isinstance(event, TypingUpdate):
                        seen.append(event.active)
                        if event.active:
                            await ada.press("enter")
        await ada.sees("@bob · last seen today")


async def test_what_is_unread_is_counted_and_marked_until_it_was_in_sight(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path, size=SMALL) as (_, ada, bob_store), Client.open(bob_store) as bob:
        await bob.ready()
        ids = [await bob.enqueue(conversation(bob), f"message {number}") for number in range(150)]
        await ada.sees("Tidings 150")
        await ada.sees("99+")
        await ada.press("enter")
        await ada.sees("150 new messages")
        await ada.sees("message 0 ")
        await ada.sees("↓ 1")
        await reach(bob, ids[0], "read")
        await reach(bob, ids[-1], "delivered")
        await ada.press("pagedown")
        await ada.sees_no("message 0 ")
        before = ada.talk_lines[2:-4]
        ids.append(await bob.enqueue(conversation(bob), "message 150"))
        await reach(bob, ids[-1], "delivered")
        await ada.until("the list never showed it", lambda: any("message 150" in line for line in ada.list_lines))
        assert ada.talk_lines[2:-4] == before, "what one reads stands still"
        await ada.press("ctrl+end")
        await ada.until("never at the end", lambda: any("message 150" in line for line in ada.talk_lines))
        await ada.sees_no("↓")
        await reach(bob, ids[-1], "read")
        assert ada.desk.unread() == 0
        for _ in range(40):
            await ada.press("pageup")
        await ada.sees("message 0 ")


async def test_a_draft_waits_in_its_conversation_over_a_restart(tmp_path: Path) -> None:
    async with people(tmp_path) as known:
        async with TerminalPerson.at(known.ada) as ada:
            await ada.online()
            link = await ada.desk.client.invite()
            async with Client.open(await new_person(known.server, tmp_path, "carol", link)) as carol:
                await carol.ready()
                await ada.sees("Carol")
            await ada.open_chat("bob")
            await ada.write("half a")
            await ada.open_chat("carol")
            await ada.sees("Draft: half a")
        async with TerminalPerson.at(known.ada) as ada:
            await ada.sees("Draft: half a")
            await ada.open_chat("bob")
            await ada.write(" thought\nwith a second line")
            await ada.press("enter")
            await ada.sees("half a thought")
            await ada.sees_no("Draft")
            async with Client.open(known.bob) as bob:
                assert (await receive(bob))[0].text == "half a thought\nwith a second line"


async def test_a_stranger_asks_and_is_accepted_declined_or_blocked(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, _):
        carol_store = await new_person(server, tmp_path, "carol")
        async with Client.open(carol_store) as carol:
            await carol.ready()
            first = await carol.send("@ada", "Hello, this is Carol.")
            await ada.sees("asks to talk to you")
            await ada.open_chat("carol")
            await ada.sees("asks to talk to you, and sees nothing of you until you accept.")
            await ada.sees("Hello, this is Carol.")
            assert carol.state_of(carol.find_own(first.msg_id) or first) == "sent", "a stranger sees no receipt"
            await ada.press("d")
            await ada.sees("You declined.")
            await ada.press("a")
            await ada.sees_no("You declined.")
            await ada.say("Hello, Carol.")
            await ada.sees_state("Hello, Carol.", "✓✓")
            await reach(carol, first.msg_id, "read")

            await ada.press("f2")
            await ada.sees("Only you two can read what you write.")
            await ada.press("tab", "enter")
            await ada.sees("Block Carol?")
            await ada.press("tab", "enter")
            await ada.sees("You blocked Carol.")
            await ada.press("u")
            await ada.sees_no("You blocked Carol.")
            await ada.say("Sorry.")
            await ada.sees_state("Sorry.", "✓✓")


async def test_a_stranger_whom_one_writes_to_takes_three_messages_and_a_failed_one_is_sent_again(
    tmp_path: Path,
) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, _):
        carol_store = await new_person(server, tmp_path, "carol")
        await ada.press("ctrl+n")
        await ada.say("nobody")
        await ada.sees("Nobody has this name here.")
        await ada.press("end", *["backspace"] * 6)
        await ada.say("@ada")
        await ada.sees("That is you.")
        await ada.press("end", *["backspace"] * 4)
        await ada.say("@carol")
        await ada.sees("has not accepted yet; three messages may wait")
        for text in ("one", "two", "three", "four"):
            await ada.say(text)
        await ada.sees_state("three", "✓")
        await ada.sees_state("four", "✗ not sent")
        async with Client.open(carol_store) as carol:
            await carol.ready()
            await carol.respond(conversation(carol), "accept")
            await ada.sees_state("three", "✓✓")
            await ada.press("ctrl+r")
            await ada.sees_state("four", "✓✓")


async def test_who_started_again_gets_nothing_until_one_has_asked_and_accepts(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, _):
        await ada.press("enter")
        again = await Client.sign_in(tmp_path / "again.db", server.url, "bob", PASSWORD, start_again=True)
        again.close()
        async with Client.open(tmp_path / "again.db") as bob:
            await bob.ready()
            await ada.sees("Is it really them?")
            await ada.say("the code is 4711")
            await ada.sees("1 message waits until you accept.")
            await ada.sees_state("the code is 4711", "◷")
            await bob.send(conversation(bob), "it is me")
            await ada.sees("not accepted")
            await ada.press("shift+tab", "shift+tab", "enter")
            await ada.sees_no("Is it really them?")
            await ada.sees_state("the code is 4711", "✓✓")
            assert (await receive(bob))[0].text == "the code is 4711"


async def test_who_is_signed_out_elsewhere_is_told_and_signs_in_again_with_the_old_messages(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, bob_store):
        await ada.press("enter")
        await ada.say("before")
        async with Client.open(bob_store) as bob:
            assert (await receive(bob))[0].text == "before"
        await ada.sees_state("before", "✓✓")
        elsewhere = await Client.sign_in(tmp_path / "other.db", server.url, "ada", PASSWORD, start_again=True)
        elsewhere.close()
        await ada.sees("This device was signed out")
        await ada.press("enter")
        await ada.sees("Your password")
        await ada.say("wrong")
        await ada.sees("The name or the password is wrong.")
        await ada.say(PASSWORD)
        await ada.sees("Start again here?")
        await ada.press("enter")
        await ada.sees("Nothing was changed.")
        await ada.press("enter")
        await ada.sees("Start again here?")
        await ada.press("tab", "enter")
        await ada.sees("Tidings  Ada")
        await ada.online()
        await ada.open_chat("bob")
        await ada.sees("before")
        await ada.say("after")
        async with Client.open(bob_store) as bob:
            await bob.ready()
            bob.trust(ada.desk.client.account)
            assert [message.text for message in await receive(bob, 2)] == ["before", "after"]
            await ada.sees_state("after", "✓✓")


async def test_a_narrow_terminal_shows_the_list_or_a_conversation(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path, size=NARROW) as (_, ada, bob_store), Client.open(bob_store) as bob:
        await bob.ready()
        await bob.send("@ada", "a message that is longer than a narrow terminal is wide")
        await ada.sees("Tidings 1")
        assert all(len(line) <= NARROW[0] for line in ada.lines)
        assert "Choose a conversation" not in ada.text
        await ada.press("enter")
        await ada.sees("terminal is wide")
        await ada.sees_no("Tidings")
        await ada.press("escape")
        await ada.sees("Tidings")
        await ada.sees_no("terminal is wide")
        await ada.pilot.resize_terminal(*SMALL)
        await ada.sees("Choose a conversation.")


async def test_who_is_here_already_is_told_that_the_invite_was_not_used(tmp_path: Path) -> None:
    async with people(tmp_path) as known:
        link = await known.server.invite()
        async with TerminalPerson.at(known.ada, link) as ada:
            await ada.sees("Bob")
            await ada.sees("You are here already")
        assert (await Client.invitation(link)).expires


async def test_everything_is_reached_by_keys(tmp_path: Path) -> None:
    async with ada_and_bob(tmp_path) as (server, ada, _):
        await ada.press("f1")
        await ada.sees("How far your message got")
        await ada.press("escape")
        await ada.press("d")
        await ada.sees("this one")
        await ada.press("x")
        await ada.sees("This is the device that you sit at.")
        await ada.press("escape", "m")
        await ada.sees("It travels inside the encryption")
        await ada.say("Ada K.")
        await ada.sees("Ada K.")
        await ada.press("t")
        await ada.until("never light", lambda: ada.app.theme == "tidings-light")
        async with Client.open(await new_person(server, tmp_path, "carol", await ada.desk.client.invite())) as carol:
            await carol.ready()
            await ada.sees("Carol")
        await ada.press("ctrl+k")
        await ada.write("nowhere")
        await ada.sees("Nobody is called so.")
        await ada.press("escape")
        for key, name in (("alt+down", "Bob"), ("alt+down", "Carol"), ("alt+up", "Bob")):
            await ada.press(key)
            await ada.until(f"{key} never led to {name}", partial(ada.shows_above, name))
        await ada.press("q")
        field = ada.app.screen.query_one("#composer", TextArea)
        assert field.text == "q", "a letter in the field is a letter"


async def test_what_others_write_commands_nothing(tmp_path: Path) -> None:
    hostile = "\x1b[31mred\x1b]0;title\x07 \u202egnp.exe [bold]x[/bold] $accent \x9b2J"
    async with ada_and_bob(tmp_path) as (_, ada, bob_store), Client.open(bob_store) as bob:
        await bob.ready()
        bob.set_display_name("\x1b[2JBo\nb [red]x[/red]")
        await bob.send(conversation(bob), hostile)
        await until_said(bob)
        await ada.press("enter")
        await ada.sees("[bold]x[/bold] $accent")
        await ada.sees("Bo b [red]x[/red]")
        shown = "".join(segment.text for strip in ada.strips for segment in strip)
        assert not any(ord(sign) < 32 or 0x7F <= ord(sign) < 0xA0 for sign in shown)
        assert "\u202e" not in shown


@pytest.mark.parametrize("theme", ["dark", "light"])
async def test_the_terminal_has_its_pictures(tmp_path: Path, theme: str) -> None:
    """They go to build/tour, or to where TIDINGS_TOUR says."""
    folder = ROOT / os.environ.get("TIDINGS_TOUR", "build/tour")
    folder.mkdir(parents=True, exist_ok=True)
    size = (96, 26)
    async with ada_and_bob(tmp_path, size=size, theme=theme) as (server, ada, bob_store), Client.open(bob_store) as bob:
        await bob.ready()
        async with Client.open(await new_person(server, tmp_path, "jonas", await ada.desk.client.invite())) as jonas:
            await jonas.ready()
            await jonas.send("@ada", "I bring the dog 🐕")
            await ada.sees("I bring the dog")
        await bob.set_online(online=True)
        await ada.open_chat("bob")
        incoming = bob.messages()
        lines = (
            (bob, "Morning! The ferry leaves at 9:40 on Saturday. Shall I book for four?"),
            (ada, "Four it is. And Jonas wants to bring the dog."),
            (bob, "Dogs travel free."),
            (bob, "نلتقي عند المرسى في الساعة التاسعة"),
            (ada, "Perfect, see you there!"),
        )
        for who, text in lines:
            if who is ada:
                await ada.say(text)
                async with asyncio.timeout(PATIENCE):
                    await bob.mark_read(await anext(incoming))
            else:
                await bob.send(conversation(bob), text)
            await ada.sees(text.split("?")[0][-12:])
        await ada.until("never read", lambda: ada.ink_of("✓✓") == ada.app.theme_variables["read"])
        await bob.set_typing(conversation(bob), active=True)
        await ada.sees("Bob is typing…")
        ada.picture(folder / f"terminal-{theme}.svg")
