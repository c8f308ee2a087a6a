"""Every table, portable between SQLite and PostgreSQL. `migrations/` brings a database to this state."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import JSON, Boolean, Column, Dialect, Float, ForeignKey, Index, Integer, MetaData, String, Table
from sqlalchemy.types import DateTime, TypeDecorator


class UtcDateTime(TypeDecorator[datetime]):
    """An aware datetime, kept in UTC. SQLite has no zones: there the text is UTC by this rule."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time: its zone would be a guess."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"naive datetime {value!r}: the store takes aware ones")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """An aware time in UTC, whatever the database's session zone is."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Names of constraints are part of the schema: `database.py` reads them out of PostgreSQL's errors.
METADATA: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _connection_id() -> Column[str]:
    target = ForeignKey("connections.connection_id", ondelete="CASCADE")
    return Column("connection_id", String(19), target, nullable=False, index=True)


connections: Final = Table(
    "connections",
    METADATA,
    Column("connection_id", String(19), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("user_name", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("is_active", Boolean, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

telephony_credentials: Final = Table(
    "telephony_credentials",
    METADATA,
    Column("credential_id", String(36), primary_key=True),
    _connection_id(),
    Column("name", String(255), nullable=False),
    Column("sip_username", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

numbers: Final = Table(
    "numbers",
    METADATA,
    Column("number_id", String(19), primary_key=True),
    Column("phone_number", String(16), nullable=False, unique=True),
    _connection_id(),
    Column("created_at", UtcDateTime, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String(36), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("last4", String(4), nullable=False),
    Column("scope", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
)

push_devices: Final = Table(
    "push_devices",
    METADATA,
    Column("username", String(64), primary_key=True),
    # SHA-256 of the token, whose length is the provider's business.
    Column("token_hash", String(64), primary_key=True),
    _connection_id(),
    Column("credential_id", String(36), ForeignKey("telephony_credentials.credential_id", ondelete="CASCADE")),
    Column("provider", String(16), nullable=False),
    Column("token", String(4096), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("user_agent", String(256), nullable=False),
    Column("used_at", UtcDateTime, nullable=False),
)

calls: Final = Table(
    "calls",
    METADATA,
    Column("call_id", String(36), primary_key=True),
    Column("direction", String(16), nullable=False),
    Column("caller", String(256), nullable=False),
    Column("callee", String(256), nullable=False),
    # Not a foreign key: the record of a call outlives the connection that made it.
    Column("connection_id", String(19)),
    Column("session_id", String(64)),
    Column("verto_call_id", String(128)),
    Column("sip_call_id", String(256)),
    Column("trunk", String(128)),
    Column("started_at", UtcDateTime, nullable=False),
    Column("ringing_at", UtcDateTime),
    Column("answered_at", UtcDateTime),
    Column("ended_at", UtcDateTime),
    Column("duration_s", Float),
    Column("billed_s", Float),
    Column("cause", String(64)),
    Column("cause_code", Integer),
    Column("sip_status", Integer),
    Column("ended_by", String(1)),
    Column("codec_a", String(32)),
    Column("codec_b", String(32)),
    # Oldest first: who left, who came, when and how.
    Column("transfers", JSON, nullable=False, server_default="[]"),
    Column("stages", JSON, nullable=False),
    Column("media", JSON, nullable=False),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_ended_at", "ended_at"),
)
