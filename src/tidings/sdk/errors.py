"""What can go wrong for a program.

TidingsError
+-- NotSignedIn .......... the device was signed out: sign in again
+-- StoreInUse ........... another process has the store open
+-- StoreTaken ........... the store belongs to another account
+-- Incompatible ......... the server speaks another version of the protocol
+-- ServerRefused ........ an HTTP request was refused; `code` says why
+-- SendFailed ........... a message will never be sent; `reason` says why
+-- Distrusted ........... the server says something of an account that its owner did not sign
    +-- IdentityChanged .. the account started again: ask its owner, then `trust` it
"""


class TidingsError(Exception):
    """Anything that the SDK raises on purpose."""


class NotSignedIn(TidingsError):
    """The device was signed out or removed."""


class StoreInUse(TidingsError):
    """Another process has the store open. Two would encrypt with the same keys."""


class StoreTaken(TidingsError):
    """The store belongs to another account. One store holds one device of one account."""


class Incompatible(TidingsError):
    """The server and this version do not understand each other: one of them is too old."""


class ServerRefused(TidingsError):
    """An HTTP request was refused."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.code = code


class SendFailed(TidingsError):
    """A message will never be sent. `reason` is a code of the protocol, such as NOT_ALLOWED."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Distrusted(TidingsError):
    """What the server says of `account` was not signed by its owner, or is older than what is known."""

    def __init__(self, account: str, reason: str) -> None:
        super().__init__(f"{account}: {reason}")
        self.account = account
        self.reason = reason


class IdentityChanged(Distrusted):
    """`account` has another identity than the one that was met first. Nothing is sent until it is trusted."""

    def __init__(self, account: str) -> None:
        super().__init__(account, "the identity changed")
