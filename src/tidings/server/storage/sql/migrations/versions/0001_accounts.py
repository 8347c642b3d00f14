"""Accounts, invites, sign-ins and the key directory."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables."""
    of_account = sa.ForeignKey("account.id", ondelete="CASCADE")
    op.create_table(
        "account",
        sa.Column("id", sa.String(80), primary_key=True),
        sa.Column("name", sa.String(32), nullable=False, unique=True),
        sa.Column("skeleton", sa.String(32), nullable=False, unique=True),
        sa.Column("password", sa.String(200), nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("inviter", sa.String(80), nullable=True),
        sa.Column("last_seen", sa.BigInteger, nullable=False),
        sa.Column("audience", sa.String(10), nullable=False),
    )
    op.create_table(
        "invite",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("inviter", sa.String(80), of_account.copy(), nullable=True),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
        sa.Column("uses", sa.Integer, nullable=False),
    )
    op.create_table(
        "enrolment",
        sa.Column("hash", sa.LargeBinary(32), primary_key=True),
        sa.Column("account", sa.String(80), of_account.copy(), nullable=False),
        sa.Column("expires", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "sign_in",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("account", sa.String(80), of_account.copy(), nullable=False),
        sa.Column("device", sa.String(24), nullable=False),
        sa.Column("secret", sa.LargeBinary(32), nullable=False),
        sa.Column("previous", sa.LargeBinary(32), nullable=False),
        sa.Column("renewed", sa.BigInteger, nullable=False),
    )
    op.create_index("sign_in_device", "sign_in", ["account", "device"], unique=True)
    op.create_table(
        "identity",
        sa.Column("account", sa.String(80), of_account.copy(), primary_key=True),
        sa.Column("master", sa.Text, nullable=False),
        sa.Column("self_signing", sa.Text, nullable=False),
        sa.Column("user_signing", sa.Text, nullable=False),
        sa.Column("list_text", sa.Text, nullable=False),
        sa.Column("list_signature", sa.LargeBinary(64), nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("settled", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "device",
        sa.Column("account", sa.String(80), of_account.copy(), primary_key=True),
        sa.Column("id", sa.String(24), primary_key=True),
        sa.Column("label", sa.String(64), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("seen", sa.BigInteger, nullable=False),
        sa.Column("object", sa.Text, nullable=False),
        sa.Column("ed25519", sa.LargeBinary(32), nullable=False),
    )
    op.create_table(
        "one_time_key",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("account", sa.String(80), of_account.copy(), nullable=False),
        sa.Column("device", sa.String(24), nullable=False),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
    )
    op.create_index("one_time_key_device", "one_time_key", ["account", "device", "name"], unique=True)
    op.create_table(
        "fallback_key",
        sa.Column("account", sa.String(80), of_account.copy(), primary_key=True),
        sa.Column("device", sa.String(24), primary_key=True),
        sa.Column("name", sa.String(80), nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("used", sa.Boolean, nullable=False),
    )
    op.create_table(
        "vouched",
        sa.Column("signer", sa.String(80), of_account.copy(), primary_key=True),
        sa.Column("account", sa.String(80), of_account.copy(), primary_key=True),
        sa.Column("master", sa.Text, nullable=False),
    )
