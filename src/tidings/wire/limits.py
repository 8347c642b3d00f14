"""Sizes and counts that both sides hold to. Rates, which the server alone knows, are in `server.domain`."""

from typing import Final

MAX_TEXT: Final = 65_536
"""Bytes of UTF-8 in one text message."""
MAX_CIPHERTEXT: Final = 262_144
"""Bytes of one envelope: a text that is all escapes still fits."""
MAX_SHARE: Final = 16_384
"""Bytes of one key share."""
MAX_FRAME: Final = 1_048_576
"""Bytes of one frame in either subprotocol; a longer one is refused before it is buffered."""
MAX_SHARES_IN_SEND: Final = 20
MAX_SHARES: Final = 200
MAX_MEMBERS: Final = 1_000
"""Members of a group."""
MAX_ACCOUNTS: Final = 100
"""Accounts in one query or watch list."""
MAX_FAILED: Final = 1_000
"""Positions in one `Ack` that could not be decrypted."""
MAX_KEY_OBJECT: Final = 8_192
"""Bytes of one signed key object."""
MAX_ONE_TIME_KEYS: Final = 100
MAX_CONVERSATIONS: Final = 200
"""Conversations in one reply."""
PAGE_BYTES: Final = 262_144
"""About how much ciphertext a mailbox gives in one page."""
