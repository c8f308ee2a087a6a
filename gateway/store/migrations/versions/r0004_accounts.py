"""What the REST API provisions: profiles, orders, push credentials, sealed passwords; detail records; changes."""

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the tables and columns; a number becomes able to outlive its connection."""
    op.add_column("connections", sa.Column("password_sealed", sa.String(1024)))
    op.add_column("connections", sa.Column("is_local", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("connections", sa.Column("settings", sa.JSON(), nullable=False, server_default="{}"))
    op.create_index("ix_connections_created_at", "connections", ["created_at"])
    for column in (sa.Column("password_sealed", sa.String(1024)), sa.Column("tag", sa.String(255))):
        op.add_column("telephony_credentials", column)
    for name in ("tag", "created_at", "expires_at"):
        op.create_index(f"ix_telephony_credentials_{name}", "telephony_credentials", [name])
    op.add_column("api_keys", sa.Column("name", sa.String(255)))
    op.add_column("api_keys", sa.Column("revoked_at", _time()))
    op.add_column("calls", sa.Column("alive_at", _time()))
    _profiles()
    _replace_numbers(_numbers)
    _orders_and_push_credentials()
    _changes()
    _detail_records()
    _call_reports()


def downgrade() -> None:
    """Drop them. Numbers without a connection are lost."""
    for table in ("call_reports", "detail_records", "account_changes", "push_credentials", "number_orders"):
        op.drop_table(table)
    _replace_numbers(_numbers_of_before, where="connection_id IS NOT NULL")
    op.drop_table("profile_connections")
    op.drop_table("outbound_voice_profiles")
    op.drop_column("calls", "alive_at")
    op.drop_column("api_keys", "revoked_at")
    op.drop_column("api_keys", "name")
    for name in ("tag", "created_at", "expires_at"):
        op.drop_index(f"ix_telephony_credentials_{name}", "telephony_credentials")
    op.drop_column("telephony_credentials", "tag")
    op.drop_column("telephony_credentials", "password_sealed")
    op.drop_index("ix_connections_created_at", "connections")
    op.drop_column("connections", "settings")
    op.drop_column("connections", "is_local")
    op.drop_column("connections", "password_sealed")


def _time() -> sa.DateTime:
    return sa.DateTime(timezone=True)


def _profiles() -> None:
    op.create_table(
        "outbound_voice_profiles",
        sa.Column("profile_id", sa.String(19), nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("profile_id", name="pk_outbound_voice_profiles"),
    )
    op.create_table(
        "profile_connections",
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("profile_id", sa.String(19), nullable=False),
        sa.PrimaryKeyConstraint("connection_id", name="pk_profile_connections"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name="fk_profile_connections_connection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["profile_id"], ["outbound_voice_profiles.profile_id"], name="fk_profile_connections_profile_id"
        ),
    )
    op.create_index("ix_profile_connections_profile_id", "profile_connections", ["profile_id"])


def _numbers() -> sa.Table:
    return op.create_table(
        "numbers",
        sa.Column("number_id", sa.String(19), nullable=False),
        sa.Column("phone_number", sa.String(16), nullable=False),
        sa.Column("connection_id", sa.String(19)),
        sa.Column("status", sa.String(32), nullable=False, server_default="active"),
        sa.Column("number_type", sa.String(16), nullable=False, server_default="local"),
        sa.Column("customer_reference", sa.String(255)),
        sa.Column("settings", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("number_id", name="pk_numbers"),
        sa.UniqueConstraint("phone_number", name="uq_numbers_phone_number"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.connection_id"], name="fk_numbers_connection_id", ondelete="SET NULL"
        ),
    )


def _numbers_of_before() -> sa.Table:
    return op.create_table(
        "numbers",
        sa.Column("number_id", sa.String(19), nullable=False),
        sa.Column("phone_number", sa.String(16), nullable=False),
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("number_id", name="pk_numbers"),
        sa.UniqueConstraint("phone_number", name="uq_numbers_phone_number"),
        sa.ForeignKeyConstraint(
            ["connection_id"], ["connections.connection_id"], name="fk_numbers_connection_id", ondelete="CASCADE"
        ),
    )


def _replace_numbers(make: Callable[[], sa.Table], where: str = "1 = 1") -> None:
    """Copy the rows through memory: what SQLite cannot alter has to be made anew, and nothing refers to numbers."""
    columns = [sa.column(name, sa.String()) for name in ("number_id", "phone_number", "connection_id")]
    query = sa.select(*columns, sa.column("created_at", _time())).select_from(sa.table("numbers")).where(sa.text(where))
    rows = [dict(row) for row in op.get_bind().execute(query).mappings()]
    op.drop_table("numbers")
    table = make()
    op.create_index("ix_numbers_connection_id", "numbers", ["connection_id"])
    if "updated_at" in table.c:
        rows = [row | {"updated_at": row["created_at"]} for row in rows]
    op.bulk_insert(table, rows)


def _orders_and_push_credentials() -> None:
    op.create_table(
        "number_orders",
        sa.Column("order_id", sa.String(36), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("connection_id", sa.String(19)),
        sa.Column("customer_reference", sa.String(255)),
        sa.Column("phone_numbers", sa.JSON(), nullable=False),
        sa.Column("settings", sa.JSON(), nullable=False, server_default="{}"),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("order_id", name="pk_number_orders"),
    )
    op.create_index("ix_number_orders_created_at", "number_orders", ["created_at"])
    op.create_table(
        "push_credentials",
        sa.Column("push_credential_id", sa.String(36), nullable=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("alias", sa.String(255), nullable=False),
        sa.Column("material_sealed", sa.Text(), nullable=False),
        sa.Column("created_at", _time(), nullable=False),
        sa.Column("updated_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("push_credential_id", name="pk_push_credentials"),
        sa.UniqueConstraint("alias", name="uq_push_credentials_alias"),
    )


def _changes() -> None:
    op.create_table(
        "account_changes",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(32), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_account_changes"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_account_changes_at", "account_changes", ["at"])


def _detail_records() -> None:
    op.create_table(
        "detail_records",
        sa.Column("leg_id", sa.String(36), nullable=False),
        sa.Column("call_id", sa.String(36), nullable=False),
        sa.Column("channel_id", sa.String(36), nullable=False),
        sa.Column("session_id", sa.String(64)),
        sa.Column("verto_call_id", sa.String(128)),
        sa.Column("call_control_id", sa.String(128), nullable=False, server_default=""),
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(19)),
        sa.Column("connection_name", sa.String(255)),
        sa.Column("direction", sa.String(16), nullable=False),
        *(
            sa.Column(name, sa.String(256), nullable=False)
            for name in ("cli", "cld", "caller_number", "caller_name", "dest_number")
        ),
        sa.Column("started_at", _time(), nullable=False),
        sa.Column("answered_at", _time()),
        sa.Column("alive_at", _time(), nullable=False),
        sa.Column("finished_at", _time()),
        sa.Column("call_s", sa.Integer()),
        sa.Column("billed_s", sa.Integer()),
        sa.Column("rate", sa.String(16)),
        sa.Column("cost", sa.String(16)),
        sa.Column("currency", sa.String(3)),
        sa.Column("country_code", sa.Integer()),
        sa.Column("source_country_code", sa.Integer()),
        sa.Column("tags", sa.String(1024), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("leg_id", name="pk_detail_records"),
    )
    over = sa.text("finished_at IS NOT NULL")
    for name, columns in (
        ("started_at", ["started_at", "leg_id"]),
        ("username", ["username", "started_at"]),
        ("connection_id", ["connection_id", "started_at"]),
        ("verto_call_id", ["verto_call_id"]),
    ):
        op.create_index(
            f"ix_detail_records_{name}", "detail_records", columns, sqlite_where=over, postgresql_where=over
        )
    op.create_index("ix_detail_records_call_id", "detail_records", ["call_id"])
    op.create_index("ix_detail_records_finished_at", "detail_records", ["finished_at"])


def _call_reports() -> None:
    op.create_table(
        "call_reports",
        sa.Column("report_id", sa.String(36), nullable=False),
        sa.Column("verto_call_id", sa.String(128), nullable=False),
        sa.Column("connection_id", sa.String(19)),
        sa.Column("username", sa.String(64)),
        sa.Column("session_id", sa.String(64)),
        sa.Column("voice_sdk_id", sa.String(128)),
        sa.Column("user_agent", sa.String(256)),
        sa.Column("segment", sa.Integer()),
        sa.Column("object_name", sa.String(512), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("stored_at", _time(), nullable=False),
        sa.PrimaryKeyConstraint("report_id", name="pk_call_reports"),
    )
    op.create_index("ix_call_reports_verto_call_id", "call_reports", ["verto_call_id"])
    op.create_index("ix_call_reports_stored_at", "call_reports", ["stored_at"])
