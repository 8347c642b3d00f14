"""Passwords: hashed with Argon2id (RFC 9106) in a thread, few at a time, since each takes 64 MiB."""

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

AT_ONCE: Final = 2


class Passwords:
    """Hashes and checks passwords. A check takes the same time whether or not there is anything to check.

    `hasher` is for tests that are about something else, and need no dear hashes.
    """

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._nobody = ""

    async def hash(self, password: str) -> str:
        """Return what is kept of a password."""
        async with self._turns:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def matches(self, password: str, kept: str | None) -> bool:
        """Return whether `kept` is of `password`; None stands for an account that is not there."""
        if not self._nobody:
            self._nobody = await self.hash("nobody's password")
        async with self._turns:
            same = await asyncio.to_thread(self._verify, kept or self._nobody, password)
        return same and kept is not None

    def is_outdated(self, kept: str) -> bool:
        """Return whether a password was hashed with parameters of the past."""
        return self._hasher.check_needs_rehash(kept)

    def _verify(self, kept: str, password: str) -> bool:
        try:
            return self._hasher.verify(kept, password)
        except Argon2Error:
            return False
