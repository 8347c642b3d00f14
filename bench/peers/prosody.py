"""Prosody: one thread by its nature."""

import re
import subprocess
from functools import cached_property, partial
from pathlib import Path
from string import Template
from typing import Final

from bench.machine import free_port
from bench.peers.peer import HOST, PASSWORD, PeerFailed, Transport
from bench.peers.program import Program, accepts

HERE: Final = Path(__file__).parent


class Prosody(Program):
    """A Prosody in a folder: its configuration, its files of accounts and messages, and its log."""

    transport: Transport = "tcp"

    def __init__(self, folder: Path, core: int, *, archive: bool) -> None:
        super().__init__(folder, (core,))
        self.name = "Prosody, archive in files" if archive else "Prosody"
        self.durability = (
            "Archived and kept for who is offline in files, never synced."
            if archive
            else "Not stored for who is online; for who is offline in files, never synced."
        )
        self.port = free_port()
        self._archive = archive

    @cached_property
    def version(self) -> str:
        """Its name and version."""
        command = ["prosodyctl", "--config", str(self._configuration), "about"]
        about = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        found = re.search(r"^Prosody \S+$", about, re.MULTILINE)
        if found is None:
            raise PeerFailed(f"prosodyctl does not tell its version: {about}")
        return found[0]

    @property
    def _configuration(self) -> Path:
        return self.folder / "prosody.cfg.lua"

    def start(self, accounts: int = 0) -> None:
        """Start it with accounts, and wait until it accepts connections. Raises PeerFailed."""
        data = self.folder / "data"
        made = data / HOST / "accounts"
        made.mkdir(parents=True, exist_ok=True)
        for number in range(accounts):
            (made / f"u{number}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}" }};\n')
        extra = (HERE / f"prosody.{'archive' if self._archive else 'memory'}.cfg.lua").read_text()
        template = Template((HERE / "prosody.cfg.lua").read_text())
        self._configuration.write_text(template.substitute(data=data, port=self.port, archive=extra))
        self.run(["prosody", "-F", "--config", str(self._configuration)], {})
        self.wait_until(lambda: accepts(self.port))


memory = partial(Prosody, archive=False)
archive = partial(Prosody, archive=True)
