"""The data folder: whose it is, and that only one server uses it."""

import fcntl
import json
import os
import secrets
from pathlib import Path
from typing import IO, Any

from tidings.wire.ids import new_server_id


class FolderInUse(Exception):
    """Another server runs on this folder."""


class Folder:
    """A data folder, locked as long as this object lives.

    `server.json` in it holds the server's id and the token with which `tidings admin` on this machine is believed;
    nobody but its owner may read it.
    """

    def __init__(self, path: Path) -> None:
        path.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path = path
        self._lock: IO[str] = (path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise FolderInUse(str(path)) from None
        known: dict[str, Any] = json.loads(self._file.read_text()) if self._file.exists() else {}
        self.server_id: str = known.get("server_id") or new_server_id()
        self.admin_token: str = known.get("admin_token") or secrets.token_urlsafe(32)
        self.announce(known.get("url", ""))

    def announce(self, url: str) -> None:
        """Write down where the server can be reached from this machine."""
        text = json.dumps({"server_id": self.server_id, "admin_token": self.admin_token, "url": url}, indent=1)
        part = self._file.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        part.replace(self._file)

    def close(self) -> None:
        """Let another server use the folder."""
        self._lock.close()

    @property
    def _file(self) -> Path:
        return self.path / "server.json"
