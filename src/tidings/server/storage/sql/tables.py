"""The tables. A change here needs a migration beside it; a test compares the two."""

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

CURRENT: Final = "0001"
"""The newest migration."""

VERSION: Final = Table(
    "alembic_version",
    MetaData(),
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Where Alembic keeps which migration was the last; it makes the table like this, too."""

metadata = MetaData()

_ACCOUNT = String(80)
_DEVICE = String(24)
_HASH = LargeBinary(32)


def _of_account(*, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    reference = ForeignKey("account.id", ondelete="CASCADE")
    return Column("account", _ACCOUNT, reference, primary_key=primary_key, nullable=nullable)


account = Table(
    "account",
    metadata,
    Column("id", _ACCOUNT, primary_key=True),
    Column("name", String(32), nullable=False, unique=True),
    Column("skeleton", String(32), nullable=False, unique=True),
    Column("password", String(200), nullable=False),
    Column("admin", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("inviter", _ACCOUNT, nullable=True),
    Column("last_seen", BigInteger, nullable=False),
    Column("audience", String(10), nullable=False),
)

invite = Table(
    "invite",
    metadata,
    Column("hash", _HASH, primary_key=True),
    Column("inviter", _ACCOUNT, ForeignKey("account.id", ondelete="CASCADE"), nullable=True),
    Column("admin", Boolean, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("uses", Integer, nullable=False),
)

enrolment = Table(
    "enrolment",
    metadata,
    Column("hash", _HASH, primary_key=True),
    _of_account(),
    Column("expires", BigInteger, nullable=False),
)

sign_in = Table(
    "sign_in",
    metadata,
    Column("id", String(32), primary_key=True),
    _of_account(),
    Column("device", _DEVICE, nullable=False),
    Column("secret", _HASH, nullable=False),
    Column("previous", _HASH, nullable=False),
    Column("renewed", BigInteger, nullable=False),
    Index("sign_in_device", "account", "device", unique=True),
)

identity = Table(
    "identity",
    metadata,
    _of_account(primary_key=True),
    Column("master", Text, nullable=False),
    Column("self_signing", Text, nullable=False),
    Column("user_signing", Text, nullable=False),
    Column("list_text", Text, nullable=False),
    Column("list_signature", LargeBinary(64), nullable=False),
    # Counts every change of the devices; what the mailbox store is known to have is `settled`.
    Column("version", BigInteger, nullable=False),
    Column("settled", BigInteger, nullable=False),
)

device = Table(
    "device",
    metadata,
    _of_account(primary_key=True),
    Column("id", _DEVICE, primary_key=True),
    Column("label", String(64), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
    Column("object", Text, nullable=False),
    Column("ed25519", _HASH, nullable=False),
)

one_time_key = Table(
    "one_time_key",
    metadata,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    _of_account(),
    Column("device", _DEVICE, nullable=False),
    Column("name", String(80), nullable=False),
    Column("key", Text, nullable=False),
    Index("one_time_key_device", "account", "device", "name", unique=True),
)

fallback_key = Table(
    "fallback_key",
    metadata,
    _of_account(primary_key=True),
    Column("device", _DEVICE, primary_key=True),
    Column("name", String(80), nullable=False),
    Column("key", Text, nullable=False),
    Column("used", Boolean, nullable=False),
)

# Someone's master key as signed by the user-signing key of `signer`.
vouched = Table(
    "vouched",
    metadata,
    Column("signer", _ACCOUNT, ForeignKey("account.id", ondelete="CASCADE"), primary_key=True),
    _of_account(primary_key=True),
    Column("master", Text, nullable=False),
)
