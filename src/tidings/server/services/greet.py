"""The greeting: a device proves that it holds its key, and gets its mailbox."""

import base64

from tidings.server.domain.identity import BadKeys, verify
from tidings.server.ports.mailboxes import Mailbox, Mailboxes
from tidings.server.services.caller import Caller
from tidings.wire.commands import Hello
from tidings.wire.errors import NotAllowed, Refusal
from tidings.wire.ids import Address
from tidings.wire.signing import hello_text


class Greet:
    """Answers `Hello`."""

    def __init__(self, mailboxes: Mailboxes, server_id: str) -> None:
        self._mailboxes = mailboxes
        self._server_id = server_id

    async def __call__(self, hello: Hello, nonce: bytes, cookie: Address | None) -> tuple[Caller, Mailbox]:
        """Return the caller and its mailbox. `cookie` is whose sign-in a browser showed.

        Raises Refusal(NotAllowed), which does not tell an unknown device from a false signature.
        """
        address = Address(hello.account, hello.device)
        mailbox = await self._mailboxes.find(address)
        if mailbox is None or cookie not in (None, address):
            raise Refusal(NotAllowed())
        text = hello_text(nonce, self._server_id, hello.account, hello.device, hello.mailbox_id)
        try:
            verify(base64.b64encode(mailbox.key).decode(), text.encode(), hello.signature)
        except BadKeys:
            raise Refusal(NotAllowed()) from None
        await self._mailboxes.note_seen(mailbox.id)
        return Caller(mailbox.id, mailbox.address), mailbox
