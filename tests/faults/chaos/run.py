"""A run of chaos: a server that is killed again and again, bad lines, bots that talk all the while, and a verdict.

    python -m faults.chaos.run KILLS [SEED]

Everything is a process of its own: the server, the proxy, every bot. The folder of a run holds their journals, their
logs, and all stores, for whoever wants to know more than the oracle says.
"""

import asyncio
import contextlib
import itertools
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

import msgspec

from faults.chaos import evidence
from faults.chaos.board import INSIDE, STEPS, Board
from faults.chaos.bot import FAULTS as BOT_FAULTS
from faults.chaos.bot import Options
from faults.chaos.program import Ended, Program
from faults.oracle import Evidence, Verdict
from faults.rules import judge
from support.server import PASSWORD, free_port
from tidings.cli.local import LocalServer
from tidings.sdk import Client

AIM_SECONDS: Final = 0.3
"""How long the killer waits, without sleeping, for the step that it aims at."""
AIMED: Final = 0.6
"""How many of the kills are aimed at a step; the others come whenever they come."""
START_SECONDS: Final = 0.3
"""About as long as a start takes."""
LIFE_SECONDS: Final = 20.0
"""After which a life is ended even if nobody got a tick in it."""


class Plan(msgspec.Struct, frozen=True):
    """What a run is to be. Messages go along a chain: every bot talks to the one before it and the one behind it.

    `ticks` is how many a life of the server gives at least, on average. `fault` is planted into the server's first
    life, or into the last bot. `bot_kills` is the chance that a bot is killed along with the server, `early` that the
    server is killed while it starts. Without `cruel`, the lines are good.
    """

    kills: int
    seed: int
    bots: int = 4
    ticks: int = 100
    rate: float = 100.0
    fault: str = "none"
    bot_kills: float = 0.05
    early: float = 0.08
    cruel: bool = True


class Lives:
    """The lives of the server."""

    def __init__(self, nursery: Program, board: Board) -> None:
        self._nursery = nursery
        self.board = board
        self.pid = 0
        self.kills = 0
        self.steps: Counter[str] = Counter()

    async def begin(self, fault: str = "none", *, ready: bool = True) -> None:
        """Start a life; with `ready`, wait until it accepts connections."""
        self._nursery.say(fault)
        self.pid = (await self._hear("started"))["pid"]
        if ready:
            await self._hear("ready")

    async def kill(self, step: str | None = None) -> None:
        """Kill it (SIGKILL), if possible when it is at a step of a commit."""
        deadline = time.monotonic() + AIM_SECONDS
        # A step lasts a tenth of a millisecond: who sleeps misses it.
        while step is not None and self.board.step != step and time.monotonic() < deadline:
            pass
        with contextlib.suppress(ProcessLookupError):  # a planted fault may have killed it
            os.kill(self.pid, signal.SIGKILL)
        await self._mourn()

    async def _mourn(self) -> None:
        """Take in that a life was ended by SIGKILL, and where: the board says what its last step was."""
        while (told := msgspec.json.decode(await self._nursery.hear()))["what"] != "ended":
            pass
        if told["code"] != -signal.SIGKILL:
            raise Ended(f"the server ended by itself: {told['code']}\n{self._nursery.errors()}")
        self.kills += 1
        self.steps[self.board.step] += 1

    async def stop(self) -> None:
        """End the last life in an orderly manner."""
        os.kill(self.pid, signal.SIGTERM)
        ended = await self._hear("ended")
        if ended["code"] != 0:
            raise Ended(f"the server did not stop: {ended}\n{self._nursery.errors()}")

    @property
    def is_alive(self) -> bool:
        """Whether the life has not ended yet."""
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        return True

    @property
    def inside(self) -> int:
        """How many kills fell inside a commit."""
        return sum(self.steps[step] for step in INSIDE)

    async def _hear(self, what: str) -> Any:
        told = msgspec.json.decode(await self._nursery.hear())
        if told["what"] != what:
            raise Ended(f"the server should be {what}: {told}\n{self._nursery.errors()}")
        return told


class Run:
    """A run in a folder of its own."""

    def __init__(self, plan: Plan, folder: Path) -> None:
        self.plan = plan
        self.folder = folder
        self.data = folder / "server"
        self.port = free_port()
        self.random = random.Random(plan.seed)
        self.board = Board.create(folder / "board")
        self.names = [f"bot{number}" for number in range(plan.bots)]
        self.programs: list[Program] = []
        self.bots: dict[str, Program] = {}
        self.bots_killed = 0
        self.lives: Lives
        self.proxy: Program
        self.socket = ""

    async def judged(self) -> Verdict:
        """Run, and return the verdict. Raises Ended when a program failed by itself."""
        began = time.monotonic()
        try:
            await self._prepare()
            await self._rage()
            await self._calm()
            await evidence.wait_for_checkpoint(self.data)
            verdict = judge(await self._gather())
            await self.lives.stop()
        finally:
            for program in self.programs:
                await program.close()
        journal = (self.folder / "proxy.jsonl").read_bytes().splitlines()
        lines = Counter(msgspec.json.decode(line)["what"] for line in journal)
        counts = {
            "kills": self.lives.kills,
            "kills inside a commit": self.lives.inside,
            **{f"kills at {step}": self.lives.steps[step] for step in STEPS},
            "bots killed": self.bots_killed,
            **{f"connections {what}": lines[what] for what in ("cut", "torn", "refused")},
            "stalls": lines["stalled"],
            **verdict.counts,
            "seconds": round(time.monotonic() - began),
        }
        return Verdict(counts, verdict.violations)

    # Before

    async def _prepare(self) -> None:
        nursery = await self._start("server", str(self.data), str(self.port), str(self.folder / "board"))
        self.lives = Lives(nursery, self.board)
        await self.lives.begin()
        await self._meet()
        await self.lives.stop()
        self.proxy = await self._start("proxy", str(self.port), str(self.plan.seed), str(self.folder / "proxy.jsonl"))
        self.socket = f"http://127.0.0.1:{await self.proxy.hear()}"
        if not self.plan.cruel:
            await self.proxy.ask("calm")
        await self.lives.begin("none" if self.plan.fault in BOT_FAULTS else self.plan.fault)
        for name in self.names:
            await self._start_bot(name)
        for name in self.names:
            await self.bots[name].hear()

    async def _meet(self) -> None:
        """Register everybody; who is invited by another has a conversation with that one."""
        async with LocalServer.at(self.data) as local:
            invite = await local.invite()
        for name in self.names:
            (await Client.register(self._store(name), invite, name, PASSWORD)).close()
            async with Client.open(self._store(name)) as me:
                await me.ready()
                invite = await me.invite()
        for name, next_name in itertools.pairwise(self.names):
            async with Client.open(self._store(name)) as me:
                await me.conversation_with(f"@{next_name}")

    async def _start_bot(self, name: str) -> None:
        last = name == self.names[-1]
        options = Options(
            name=name,
            store=str(self._store(name)),
            journal=str(self._journal(name)),
            board=str(self.folder / "board"),
            slot=self.names.index(name),
            socket=self.socket,
            seed=self.plan.seed,
            rate=self.plan.rate,
            fault=self.plan.fault if last and self.plan.fault in BOT_FAULTS else "",
        )
        self.bots[name] = await self._start("bot", msgspec.json.encode(options).decode(), log=name)

    # While

    async def _rage(self) -> None:
        while self.lives.kills < self.plan.kills:
            await self._live()
            if self.lives.kills % 50 == 49:
                print(f"{self.lives.kills + 1} kills, {self.board.ticks:,} ticks", flush=True)
            if self.random.random() < self.plan.bot_kills:
                await self._kill_bot()
            aim = self.random.choice([*INSIDE, "written"]) if self.random.random() < AIMED else None
            await self.lives.kill(aim)
            while self.random.random() < self.plan.early and self.lives.kills < self.plan.kills:
                await self.lives.begin(ready=False)
                await asyncio.sleep(self.random.random() * START_SECONDS)
                await self.lives.kill()
            await self.lives.begin()
        await self._live()

    async def _live(self) -> None:
        """Wait until the bots have had the ticks that are due by now, and some more; or until the life has ended."""
        due = max((self.lives.kills + 0.5) * self.plan.ticks, self.board.ticks)
        enough, deadline = due + self.random.random() * self.plan.ticks, time.monotonic() + LIFE_SECONDS
        while self.board.ticks < enough and time.monotonic() < deadline and self.lives.is_alive:  # noqa: ASYNC110 - see Board
            await asyncio.sleep(0.002)

    async def _kill_bot(self) -> None:
        name = self.random.choice(self.names)
        await self.bots[name].kill()
        self.bots_killed += 1
        await self._start_bot(name)
        await self.bots[name].hear()

    # After

    async def _calm(self) -> None:
        if self.plan.cruel:
            await self.proxy.ask("calm")
        for word in ("finish", "settle", "settle"):
            for bot in self.bots.values():
                bot.say(word)
            for bot in self.bots.values():
                await bot.hear()
        for bot in self.bots.values():
            await bot.close()

    async def _gather(self) -> Evidence:
        devices = [await evidence.device(self._store(name), self._journal(name)) for name in self.names]
        journals = [self._journal(name) for name in self.names]
        return Evidence(devices, evidence.conversations(self.data), evidence.server(self.data, journals))

    # Inside

    async def _start(self, module: str, *arguments: str, log: str | None = None) -> Program:
        program = await Program.start(module, *arguments, log=self.folder / f"{log or module}.log")
        self.programs.append(program)
        return program

    def _store(self, name: str) -> Path:
        return self.folder / f"{name}.db"

    def _journal(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"


async def main(kills: int, seed: int) -> int:
    """Run once, in a folder that stays when something was found."""
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))
    print(f"seed {seed}, {folder}")
    verdict = await Run(Plan(kills=kills, seed=seed), folder).judged()
    print(verdict.report())
    return len(verdict.violations)


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    sys.exit(asyncio.run(main(arguments[0], arguments[1] if len(arguments) > 1 else random.randrange(1 << 32))))
