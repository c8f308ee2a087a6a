"""Devices that registered for push notifications."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "push_devices",
        sa.Column("username", sa.String(64), nullable=False),
        sa.Column("token_hash", sa.String(64), nullable=False),
        sa.Column("connection_id", sa.String(19), nullable=False),
        sa.Column("credential_id", sa.String(36)),
        sa.Column("provider", sa.String(16), nullable=False),
        sa.Column("token", sa.String(4096), nullable=False),
        sa.Column("environment", sa.String(16), nullable=False),
        sa.Column("user_agent", sa.String(256), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("username", "token_hash", name="pk_push_devices"),
        sa.ForeignKeyConstraint(
            ["connection_id"],
            ["connections.connection_id"],
            name="fk_push_devices_connection_id",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["credential_id"],
            ["telephony_credentials.credential_id"],
            name="fk_push_devices_credential_id",
            ondelete="CASCADE",
        ),
    )
    op.create_index("ix_push_devices_connection_id", "push_devices", ["connection_id"])


def downgrade() -> None:
    """Drop it."""
    op.drop_table("push_devices")
