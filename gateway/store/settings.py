"""Settings of the store: `[store]`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings:
    """Where the gateway keeps what survives a restart."""

    url: str = "sqlite+aiosqlite:///var/gateway.db"
    """SQLAlchemy URL: `sqlite+aiosqlite:///PATH` or `postgresql+asyncpg://USER@HOST/NAME`.

    A relative path is looked for beside the configuration file. Unset, it is `gateway.db` in `data_dir`.
    """

    password: str | None = field(default=None, repr=False)
    """Password for PostgreSQL, from `password_file` or the environment; not part of the URL."""

    busy_timeout: float = 5.0
    """Seconds to wait for another writer, for a free connection of the pool, or for PostgreSQL to let us in."""

    pool_size: int = 4
    """Database connections kept open. SQLite takes a thread for each and writes with one at a time."""

    keep_calls: int = 100_000
    """Call records that are kept; the oldest go first."""

    keep_detail_records: int = 1_000_000
    """Detail records that are kept; the oldest go first. A call has one for each of its clients."""

    alive_interval: float = 5.0
    """Seconds between two notes in the database that the live calls are alive: by so much the records of calls may be
    too short that ended by a crash of the gateway. A shorter time costs a write each time that any call lives."""

    def __post_init__(self) -> None:
        if not self.url.startswith(("sqlite+aiosqlite://", "postgresql+asyncpg://")):
            raise ValueError("url: expected sqlite+aiosqlite:///PATH or postgresql+asyncpg://USER@HOST/NAME")
        if not 0.0 < self.busy_timeout <= 60.0:
            raise ValueError(f"busy_timeout: expected above 0 and at most 60 seconds, got {self.busy_timeout}")
        if not 1 <= self.pool_size <= 100:
            raise ValueError(f"pool_size: expected 1 to 100, got {self.pool_size}")
        if self.keep_calls < 1:
            raise ValueError(f"keep_calls: expected at least 1, got {self.keep_calls}")
        if self.keep_detail_records < 1:
            raise ValueError(f"keep_detail_records: expected at least 1, got {self.keep_detail_records}")
        if not 0.1 <= self.alive_interval <= 3600.0:
            raise ValueError(f"alive_interval: expected 0.1 to 3600 seconds, got {self.alive_interval}")
