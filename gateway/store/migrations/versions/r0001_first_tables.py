"""The first tables: connections, telephony credentials, numbers, API keys, calls."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001"
down_revision: Final = None
branch_labels: Final = None
depends_on: Final = None

_TIME: Final = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make them."""
    op.create_table(
        "connections",
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("user_name", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("is_active", sa.Boolean(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name="pk_connections"),
        sa.UniqueConstraint("user_name", name="uq_connections_user_name"),
    )
    op.create_table(
        "telephony_credentials",
        sa.Column("credential_id", sa.String(36), nullable=False),
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("sip_username", sa.String(64), nullable=False),
        sa.Column("password_hash", sa.String(255), nullable=False),
        sa.Column("expires_at", _TIME, nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.Column("updated_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("credential_id", name="pk_telephony_credentials"),
        sa.UniqueConstraint("sip_username", name="uq_telephony_credentials_sip_username"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name="fk_telephony_credentials_connection_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_telephony_credentials_connection_id", "telephony_credentials", ["connection_id"])
    op.create_table(
        "numbers",
        sa.Column("number_id", sa.String(19), nullable=False),
        sa.Column("phone_number", sa.String(16), nullable=False),
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("number_id", name="pk_numbers"),
        sa.UniqueConstraint("phone_number", name="uq_numbers_phone_number"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.connection_id"], name="fk_numbers_connection_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_numbers_connection_id", "numbers", ["connection_id"])
    op.create_table(
        "api_keys",
        sa.Column("key_id", sa.String(36), nullable=False),
        sa.Column("key_hash", sa.String(64), nullable=False),
        sa.Column("last4", sa.String(4), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False),
        sa.Column("created_at", _TIME, nullable=False),
        sa.PrimaryKeyConstraint("key_id", name="pk_api_keys"),
        sa.UniqueConstraint("key_hash", name="uq_api_keys_key_hash"),
    )
    _create_calls()


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("call_id", sa.String(36), nullable=False),
        sa.Column("direction", sa.String(16), nullable=False),
        sa.Column("caller", sa.String(256), nullable=False),
        sa.Column("callee", sa.String(256), nullable=False),
        sa.Column("connection_id", sa.String(19)),
        sa.Column("session_id", sa.String(64)),
        sa.Column("verto_call_id", sa.String(128)),
        sa.Column("sip_call_id", sa.String(256)),
        sa.Column("trunk", sa.String(128)),
        sa.Column("started_at", _TIME, nullable=False),
        sa.Column("ringing_at", _TIME),
        sa.Column("answered_at", _TIME),
        sa.Column("ended_at", _TIME),
        sa.Column("duration_s", sa.Float()),
        sa.Column("billed_s", sa.Float()),
        sa.Column("cause", sa.String(64)),
        sa.Column("cause_code", sa.Integer()),
        sa.Column("sip_status", sa.Integer()),
        sa.Column("ended_by", sa.String(1)),
        sa.Column("codec_a", sa.String(32)),
        sa.Column("codec_b", sa.String(32)),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("media", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("call_id", name="pk_calls"),
    )
    op.create_index("ix_calls_started_at", "calls", ["started_at"])
    op.create_index("ix_calls_ended_at", "calls", ["ended_at"])


def downgrade() -> None:
    """Drop them, children first."""
    for table in ("calls", "api_keys", "numbers", "telephony_credentials", "connections"):
        op.drop_table(table)
