"""A store with cheap password hashes, and a clock that stands still until it is told."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.accounts.provisioning import Provisioning
from gateway.auth.attempts import LoginAttempts
from gateway.auth.authenticator import Authenticator
from gateway.auth.jwt import Tokens
from gateway.auth.passwords import Passwords
from gateway.auth.sealing import Seal
from gateway.auth.settings import AuthSettings
from gateway.store.database import Database
from gateway.store.settings import StoreSettings
from tests.fakes.database import fresh

CHEAP = AuthSettings(password_time_cost=1, password_memory_kib=8, password_parallelism=1)
KEY = b"k" * 64


@dataclass
class Clock:
    """The time, moved by hand."""

    now: datetime = field(default_factory=lambda: datetime(2026, 3, 1, 12, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True)
class House:
    """Everything that a login touches."""

    database: Database
    passwords: Passwords
    provisioning: Provisioning
    authenticator: Authenticator
    clock: Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    made = Passwords(CHEAP)
    yield made
    made.close()


@pytest.fixture
def fresh_store(tmp_path: Path) -> StoreSettings:
    return fresh(tmp_path)


@pytest_asyncio.fixture
async def house(fresh_store: StoreSettings, passwords: Passwords, clock: Clock) -> AsyncIterator[House]:
    database = await Database.open(fresh_store)
    tokens = Tokens(KEY, clock_skew=5)
    provisioning = Provisioning(database, passwords=passwords, tokens=tokens, seal=Seal(KEY), clock=clock)
    authenticator = Authenticator(
        connections=provisioning.connections,
        credentials=provisioning.credentials,
        numbers=provisioning.numbers,
        passwords=passwords,
        tokens=tokens,
        attempts=LoginAttempts(CHEAP),
        clock=clock,
    )
    yield House(database, passwords, provisioning, authenticator, clock)
    await database.close()
