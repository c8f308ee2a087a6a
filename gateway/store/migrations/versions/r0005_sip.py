"""What the SIP side keeps: traces of calls."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0005"
down_revision: Final = "0004"
branch_labels: Final = None
depends_on: Final = None


def upgrade() -> None:
    """Make the tables."""
    _traces()


def downgrade() -> None:
    """Drop them."""
    op.drop_table("call_traces")


def _traces() -> None:
    op.create_table(
        "call_traces",
        sa.Column("sequence", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("call_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("way", sa.String(3), nullable=False),
        sa.Column("channel", sa.String(256), nullable=False),
        sa.Column("party", sa.String(128), nullable=False),
        sa.Column("transport", sa.String(8), nullable=False),
        sa.Column("local", sa.String(64), nullable=False),
        sa.Column("remote", sa.String(64), nullable=False),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_call_traces"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_call_traces_call_id", "call_traces", ["call_id", "sequence"])
    op.create_index("ix_call_traces_at", "call_traces", ["at"])
