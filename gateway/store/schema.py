"""Every table, portable between SQLite and PostgreSQL. `migrations/` brings a database to this state."""

from datetime import UTC, datetime
from typing import Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
    true,
)
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
    # The password itself, sealed (`auth.sealing`): the API shows it, digest needs it. Rows of before r0004 have none.
    Column("password_sealed", String(1024)),
    Column("is_active", Boolean, nullable=False),
    # Made on the command line, like all of before r0004: needs neither a voice profile nor a caller id.
    Column("is_local", Boolean, nullable=False, server_default=true()),
    # The rest of the model of rest-v2 A.2.1, as the API last took it; what is absent has its default.
    Column("settings", JSON, nullable=False, server_default="{}"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_connections_created_at", "created_at"),
)

outbound_voice_profiles: Final = Table(
    "outbound_voice_profiles",
    METADATA,
    Column("profile_id", String(19), primary_key=True),
    Column("name", String(255), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    # The rest of the model of rest-v2 A.3.
    Column("settings", JSON, nullable=False, server_default="{}"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

# A table of its own: SQLite cannot add or drop a column with a foreign key without copying the whole table,
# and dropping the old copy of `connections` would take everything that cascades from it along.
profile_connections: Final = Table(
    "profile_connections",
    METADATA,
    Column("connection_id", String(19), ForeignKey("connections.connection_id", ondelete="CASCADE"), primary_key=True),
    Column(
        "profile_id",
        String(19),
        ForeignKey("outbound_voice_profiles.profile_id"),  # a profile in use cannot be deleted
        nullable=False,
        index=True,
    ),
)

telephony_credentials: Final = Table(
    "telephony_credentials",
    METADATA,
    Column("credential_id", String(36), primary_key=True),
    _connection_id(),
    Column("name", String(255), nullable=False),
    Column("sip_username", String(64), nullable=False, unique=True),
    Column("password_hash", String(255), nullable=False),
    Column("password_sealed", String(1024)),
    Column("tag", String(255), index=True),
    Column("expires_at", UtcDateTime, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
    Index("ix_telephony_credentials_created_at", "created_at"),
    Index("ix_telephony_credentials_expires_at", "expires_at"),
)

numbers: Final = Table(
    "numbers",
    METADATA,
    Column("number_id", String(19), primary_key=True),
    Column("phone_number", String(16), nullable=False, unique=True),
    # A number outlives its connection: the account has bought it.
    Column("connection_id", String(19), ForeignKey("connections.connection_id", ondelete="SET NULL"), index=True),
    Column("status", String(32), nullable=False, server_default="active"),
    Column("number_type", String(16), nullable=False, server_default="local"),
    Column("customer_reference", String(255)),
    # The rest of the model of rest-v2 A.4.
    Column("settings", JSON, nullable=False, server_default="{}"),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

number_orders: Final = Table(
    "number_orders",
    METADATA,
    Column("order_id", String(36), primary_key=True),
    Column("status", String(16), nullable=False),
    # Not a foreign key: an order tells what was asked for then.
    Column("connection_id", String(19)),
    Column("customer_reference", String(255)),
    Column("phone_numbers", JSON, nullable=False),
    Column("settings", JSON, nullable=False, server_default="{}"),
    Column("created_at", UtcDateTime, nullable=False, index=True),
    Column("updated_at", UtcDateTime, nullable=False),
)

push_credentials: Final = Table(
    "push_credentials",
    METADATA,
    Column("push_credential_id", String(36), primary_key=True),
    Column("type", String(16), nullable=False),
    Column("alias", String(255), nullable=False, unique=True),
    # Certificate and private key, or the service account's file, sealed as one JSON document.
    Column("material_sealed", Text, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("updated_at", UtcDateTime, nullable=False),
)

api_keys: Final = Table(
    "api_keys",
    METADATA,
    Column("key_id", String(36), primary_key=True),
    Column("key_hash", String(64), nullable=False, unique=True),
    Column("last4", String(4), nullable=False),
    Column("name", String(255)),
    Column("scope", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    # A revoked key stays, so that its bearer is told so (rest-v2 0.5, code 20002).
    Column("revoked_at", UtcDateTime),
)

account_changes: Final = Table(
    "account_changes",
    METADATA,
    # Written in the transaction of the change itself, so that every running gateway hears of it, also of one that
    # the command line made.
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    sqlite_autoincrement=True,  # a number is never given twice, also when all rows were pruned
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
    # When it was last seen alive, of a call that lasted some seconds; with it one is closed that outlived the process.
    Column("alive_at", UtcDateTime),
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
    # How good each leg was (`media.quality`); empty of calls of before r0006.
    Column("quality", JSON, nullable=False, server_default="{}"),
    Index("ix_calls_started_at", "started_at"),
    Index("ix_calls_ended_at", "ended_at"),
)

# Only of legs that are over: nobody asks for others, and so the index alone answers how many there are.
_OVER: Final = text("finished_at IS NOT NULL")


def _over(name: str, *columns: str) -> Index:
    return Index(f"ix_detail_records_{name}", *columns, sqlite_where=_OVER)


# What a carrier bills (rest-v2 D): one row for each leg between a client and the gateway; a call between two clients
# has two. Indexed by what a query over a million rows narrows down first.
detail_records: Final = Table(
    "detail_records",
    METADATA,
    Column("leg_id", String(36), primary_key=True),
    Column("call_id", String(36), nullable=False, index=True),
    Column("channel_id", String(36), nullable=False),
    Column("session_id", String(64)),
    Column("verto_call_id", String(128)),
    Column("call_control_id", String(128), nullable=False, server_default=""),
    Column("username", String(64), nullable=False),
    Column("connection_id", String(19)),
    Column("connection_name", String(255)),
    Column("direction", String(16), nullable=False),
    Column("cli", String(256), nullable=False),
    Column("cld", String(256), nullable=False),
    Column("caller_number", String(256), nullable=False),
    Column("caller_name", String(256), nullable=False),
    Column("dest_number", String(256), nullable=False),
    Column("started_at", UtcDateTime, nullable=False),
    Column("answered_at", UtcDateTime),
    # When it was last seen alive; with it a record is closed that outlived the process.
    Column("alive_at", UtcDateTime, nullable=False),
    Column("finished_at", UtcDateTime),
    Column("call_s", Integer),
    Column("billed_s", Integer),
    Column("rate", String(16)),
    Column("cost", String(16)),
    Column("currency", String(3)),
    Column("country_code", Integer),
    Column("source_country_code", Integer),
    # Those of the connection, joined by commas.
    Column("tags", String(1024), nullable=False, server_default=""),
    _over("started_at", "started_at", "leg_id"),
    _over("username", "username", "started_at"),
    _over("connection_id", "connection_id", "started_at"),
    _over("verto_call_id", "verto_call_id"),
    Index("ix_detail_records_finished_at", "finished_at"),
)

# What the SDKs uploaded (rest-v2 E); the documents themselves are objects in a folder or S3.
call_reports: Final = Table(
    "call_reports",
    METADATA,
    Column("report_id", String(36), primary_key=True),
    Column("verto_call_id", String(128), nullable=False, index=True),
    Column("connection_id", String(19)),
    Column("username", String(64)),
    Column("session_id", String(64)),
    Column("voice_sdk_id", String(128)),
    Column("user_agent", String(256)),
    Column("segment", Integer),
    Column("object_name", String(512), nullable=False),
    Column("size", Integer, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False, index=True),
)

# The SIP messages, Verto frames and facts of calls, without secrets; a row each. `[traces]` says how long.
call_traces: Final = Table(
    "call_traces",
    METADATA,
    Column("sequence", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    # Not a foreign key: a record may be forgotten earlier, and is written later than the first message.
    Column("call_id", String(36), nullable=False),
    Column("at", UtcDateTime, nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("way", String(3), nullable=False),
    Column("channel", String(256), nullable=False),
    Column("party", String(128), nullable=False),
    Column("transport", String(8), nullable=False),
    Column("local", String(64), nullable=False),
    Column("remote", String(64), nullable=False),
    Column("title", String(256), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_call_traces_call_id", "call_id", "sequence"),
    sqlite_autoincrement=True,  # whoever follows a live call asks for larger numbers
)


def complete_for_postgresql() -> None:
    """Tell PostgreSQL of the rows that an index leaves out.

    Apart from the tables: an option of a dialect has SQLAlchemy load the dialect, which a gateway on SQLite never uses.
    """
    for index in detail_records.indexes:
        if index.dialect_options["sqlite"]["where"] is _OVER:
            index.dialect_options["postgresql"]["where"] = _OVER
