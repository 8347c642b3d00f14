"""The exact text that a device's Ed25519 key signs to prove that it is that device.

Lines, joined by newlines: a label, then the parts. No part can hold a newline, since all are names, numbers or
base64 (RFC 4648, with padding). The server refuses names that it does not know before it looks at a signature.
"""

import base64
import hashlib


def hello_text(nonce: bytes, server_id: str, account: str, device: str, mailbox_id: bytes) -> str:
    """Return what `Hello.signature` signs."""
    return _lines("tidings hello v1", _text(nonce), server_id, account, device, _text(mailbox_id))


def renewal_text(server_id: str, account: str, device: str, time: int, nonce: bytes) -> str:
    """Return what the renewal of a browser's sign-in signs."""
    return _lines("tidings renewal v1", server_id, account, device, str(time), _text(nonce))


def request_text(
    server_id: str, account: str, device: str, time: int, nonce: bytes, *, method: str, path: str, body: bytes
) -> str:
    """Return what a program's HTTP request signs; `path` is without the query, which no signed route has."""
    digest = hashlib.sha256(body).digest()
    return _lines(
        "tidings request v1", server_id, account, device, str(time), _text(nonce), method, path, _text(digest)
    )


def _lines(*parts: str) -> str:
    return "\n".join(parts)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
