"""What proves who asks by HTTP: a browser's cookie, or a program's signature on each request."""

import base64
import hashlib
import secrets
from typing import Final

import msgspec

from tidings.server.domain.identity import BadKeys, verify
from tidings.server.ports.accounts import SignIn, SignIns
from tidings.server.ports.clock import Clock
from tidings.server.ports.mailboxes import Mailboxes
from tidings.server.ports.wakes import Wakes
from tidings.wire import http
from tidings.wire.closes import Close
from tidings.wire.ids import AccountId, Address, DeviceId, Millis
from tidings.wire.signing import renewal_text, request_text

GRACE_MS: Final = 60_000
"""How long the secret before the newest is still good: answers can be lost, tabs can race."""
COOKIE_MS: Final = 86_400_000
"""How long a cookie is good; its device renews it by its key, without the person."""
WINDOW_MS: Final = 60_000
"""How far the time in a signature may be from the server's."""


class NotSignedIn(Exception):
    """No credential, or none that is good (any more)."""


class WrongTime(Exception):
    """A device has signed, by a clock that is too far from this one's `now`."""

    def __init__(self, now: Millis) -> None:
        super().__init__(now)
        self.now = now


class SignedRequest(msgspec.Struct):
    """What stands, as JSON in base64url, behind `Authorization: Tidings`."""

    account: AccountId
    device: DeviceId
    time: Millis
    nonce: http.Nonce
    signature: bytes


class Credentials:
    """Issues and checks credentials. An old cookie that is shown again ends its sign-in and its connection."""

    def __init__(self, sign_ins: SignIns, mailboxes: Mailboxes, wakes: Wakes, clock: Clock, *, server_id: str) -> None:
        self._sign_ins = sign_ins
        self._mailboxes = mailboxes
        self._wakes = wakes
        self._clock = clock
        self._server_id = server_id
        self._nonces: tuple[set[bytes], set[bytes]] = set(), set()
        self._nonces_turn = 0
        self._since = clock.now()

    async def issue(self, device: Address) -> str:
        """Return the cookie of a device that has just proved its key; one that it had before is renewed."""
        secret = secrets.token_urlsafe(32)
        known = await self._sign_ins.of_device(device.account, device.device)
        now = self._clock.now()
        if known is not None:
            await self._sign_ins.renew(known.id, _hash(secret), known.secret, now)
            return f"{known.id}.{secret}"
        number = secrets.token_urlsafe(16)
        await self._sign_ins.add(SignIn(number, device.account, device.device, _hash(secret), bytes(32), now))
        return f"{number}.{secret}"

    async def by_cookie(self, cookie: str) -> Address:
        """Return whose cookie this is. Raises NotSignedIn."""
        number, _, secret = cookie.partition(".")
        known = await self._sign_ins.find(number) if number else None
        if known is None:
            raise NotSignedIn
        shown, age = _hash(secret), self._clock.now() - known.renewed
        address = Address(known.account, known.device)
        if secrets.compare_digest(shown, known.secret) and age < COOKIE_MS:
            return address
        if secrets.compare_digest(shown, known.previous) and age < GRACE_MS:
            return address
        if not secrets.compare_digest(shown, known.secret):
            await self._sign_ins.end(known.id)
            mailbox = await self._mailboxes.find(address)
            if mailbox is not None:
                self._wakes.close([mailbox.id], Close.NOT_SIGNED_IN)
        raise NotSignedIn

    async def renew(self, renewal: http.Renewal) -> str:
        """Return a new cookie for a device that signs. Raises NotSignedIn, WrongTime."""
        text = renewal_text(self._server_id, renewal.account, renewal.device, renewal.time, renewal.nonce)
        address = Address(renewal.account, renewal.device)
        await self._check(address, renewal.time, renewal.nonce, text, renewal.signature)
        return await self.issue(address)

    async def by_signature(self, header: str, method: str, path: str, body: bytes) -> Address:
        """Return which device signed a request. Raises NotSignedIn, WrongTime."""
        try:
            signed = msgspec.json.decode(base64.urlsafe_b64decode(header + "=="), type=SignedRequest)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            raise NotSignedIn from None
        address = Address(signed.account, signed.device)
        text = request_text(
            self._server_id,
            *(signed.account, signed.device, signed.time, signed.nonce),
            method=method,
            path=path,
            body=body,
        )
        await self._check(address, signed.time, signed.nonce, text, signed.signature)
        return address

    async def _check(self, address: Address, time: Millis, nonce: bytes, text: str, signature: bytes) -> None:
        now = self._clock.now()
        mailbox = await self._mailboxes.find(address)
        if mailbox is None or any(nonce in used for used in self._nonces):
            raise NotSignedIn
        try:
            verify(base64.b64encode(mailbox.key).decode(), text.encode(), signature)
        except BadKeys:
            raise NotSignedIn from None
        self._since = min(self._since, now)
        # What was signed before this process ran may have been used then: its nonces are forgotten.
        if abs(now - time) > WINDOW_MS or time < self._since:
            raise WrongTime(now)
        if now >= self._nonces_turn:  # two generations, so that forgetting costs nothing
            self._nonces = set(), self._nonces[0]
            self._nonces_turn = now + 2 * WINDOW_MS
        self._nonces[0].add(nonce)


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
