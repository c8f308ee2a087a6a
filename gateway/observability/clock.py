"""Wall-clock time for records and tokens. Deadlines use the running loop's clock instead."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """The current time, aware, in UTC."""
    return datetime.now(UTC)
