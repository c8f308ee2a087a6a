"""What is changed or expires acts on whoever is logged in."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from gateway.accounts import watch as watching
from gateway.accounts.watch import INTERVAL, AccountWatch
from gateway.auth.authenticator import login_mark
from gateway.auth.followed_keys import FollowedKeys
from gateway.auth.jwt import Tokens
from gateway.auth.keyring import fingerprint, load_ring, rotate
from gateway.domain.registration import Ending
from gateway.store.changes import ChangeKind, note
from gateway.store.errors import StoreUnavailable
from tests.unit.auth.conftest import House


@dataclass
class Registrations:
    """Writes down what it is told."""

    endings: list[Ending] = field(default_factory=list)
    expiries: list[tuple[str, float]] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    looks: int = 0

    def end_registrations(self, which: Ending) -> int:
        self.endings.append(which)
        self.told.set()
        return 1

    def set_credential_expiry(self, credential_id: str, expires_at: float) -> None:
        self.expiries.append((credential_id, expires_at))

    def end_expired(self) -> int:
        self.looks += 1
        return 0


@dataclass
class Watched:
    """A watch on a house, which looks when it is told to."""

    watch: AccountWatch
    registrations: Registrations
    revoked: list[str]
    tokens: Tokens
    key_file: Path

    async def told(self) -> list[Ending]:
        """What ends next."""
        async with asyncio.timeout(30):
            await self.registrations.told.wait()
        self.registrations.told.clear()
        return self.registrations.endings


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    return tmp_path / "jwt.key"


async def _watched(house: House, key_file: Path, *, interval: float = 3600.0) -> Watched:
    registrations, revoked = Registrations(), list[str]()
    tokens = Tokens(load_ring(key_file), clock_skew=0)
    watch = AccountWatch(
        house.database,
        registrations=registrations,
        on_key_revoked=revoked.append,
        tokens=tokens,
        keys=FollowedKeys(tokens, key_file),
        interval=interval,
        clock=house.clock,
    )
    await watch.start()
    return Watched(watch, registrations, revoked, tokens, key_file)


@asynccontextmanager
async def _running(watched: Watched) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        group.create_task(watched.watch.run())
        try:
            yield
        finally:
            watched.watch.stop()


async def _alice(house: House) -> str:
    made = await house.provisioning.add_connection(name="lab", user_name="alice", password="s3cret")
    return made.connection_id


async def _note(house: House, kind: ChangeKind, subject: str) -> None:
    async with house.database.write() as sql:
        await note(sql, kind, subject, at=house.clock.now)


def test_a_change_acts_within_a_second() -> None:
    assert INTERVAL <= 0.5


async def test_new_login_of_a_connection_ends_those_that_have_another(house: House, key_file: Path) -> None:
    connection_id = await _alice(house)
    watched = await _watched(house, key_file)
    await _note(house, ChangeKind.CONNECTION_LOGIN, connection_id)

    await watched.watch.look()

    kept = await house.provisioning.connections.get(connection_id)
    mark = login_mark("alice", kept.password_hash)
    assert watched.registrations.endings == [Ending(connection_id=connection_id, other_login_than=mark)]


@pytest.mark.parametrize("kind", [ChangeKind.CONNECTION_LOGIN, ChangeKind.CONNECTION_OFF])
async def test_connection_that_is_gone_ends_all_of_its_clients(house: House, key_file: Path, kind: ChangeKind) -> None:
    watched = await _watched(house, key_file)
    await _note(house, kind, "1500000000000000001")

    await watched.watch.look()

    assert watched.registrations.endings == [Ending(connection_id="1500000000000000001")]


async def test_credential_that_expires_at_another_time_has_its_clients_know_it(house: House, key_file: Path) -> None:
    made = await house.provisioning.add_credential(await _alice(house), expires_at=house.clock.now + timedelta(hours=1))
    watched = await _watched(house, key_file)
    await _note(house, ChangeKind.CREDENTIAL_EXPIRY, made.credential.credential_id)
    await _note(house, ChangeKind.CREDENTIAL_EXPIRY, "gone")
    await _note(house, ChangeKind.CREDENTIAL_OFF, "off")

    await watched.watch.look()

    expires_at = (house.clock.now + timedelta(hours=1)).timestamp()
    assert watched.registrations.expiries == [(made.credential.credential_id, expires_at)]
    assert watched.registrations.endings == [Ending(credential_id="gone"), Ending(credential_id="off")]


async def test_revoked_key_is_told_by_its_id(house: House, key_file: Path) -> None:
    made = await house.provisioning.create_key()
    watched = await _watched(house, key_file)

    await house.provisioning.revoke_key(made.key.key_id)
    await watched.watch.look()

    assert watched.revoked == [made.key.key_id]


async def test_a_look_that_is_asked_for_does_not_wait(house: House, key_file: Path) -> None:
    watched = await _watched(house, key_file)
    async with _running(watched):
        await _note(house, ChangeKind.CREDENTIAL_OFF, "c1")

        watched.watch.look_soon()

        assert await watched.told() == [Ending(credential_id="c1")]


async def test_it_looks_again_by_itself(house: House, key_file: Path) -> None:
    watched = await _watched(house, key_file, interval=0.01)
    async with _running(watched):
        await _note(house, ChangeKind.CREDENTIAL_OFF, "c1")

        assert await watched.told() == [Ending(credential_id="c1")]


async def test_database_that_fails_delays_what_is_to_be_done_and_loses_none_of_it(
    house: House, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also what had been read, when the database fails in the middle of acting on it."""
    connection_id = await _alice(house)
    watched = await _watched(house, key_file)
    lines: list[str] = []

    class _Log:
        def error(self, event: str, **_: object) -> None:
            lines.append(event)

        def info(self, *_: object, **__: object) -> None:
            pass

    monkeypatch.setattr(watching, "_log", _Log())
    await _note(house, ChangeKind.CREDENTIAL_OFF, "c1")
    await _note(house, ChangeKind.CONNECTION_LOGIN, connection_id)
    failures = [StoreUnavailable("locked"), StoreUnavailable("locked")]
    get = watched.watch._connections.get

    async def failing(wanted: str) -> object:
        if failures:
            watched.watch.look_soon()
            raise failures.pop()
        return await get(wanted)

    monkeypatch.setattr(watched.watch._connections, "get", failing)
    async with _running(watched):
        await watched.told()
        while len(watched.registrations.endings) < 2:
            await watched.told()

    assert [ending.credential_id for ending in watched.registrations.endings] == ["c1", None]
    assert lines == ["account_changes_not_read"]


async def test_clock_is_looked_at_although_the_database_fails(
    house: House, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched = await _watched(house, key_file, interval=0.01)
    seen = asyncio.Event()

    async def failing() -> tuple[()]:
        if watched.registrations.looks >= 3:
            seen.set()
        raise StoreUnavailable("gone")

    monkeypatch.setattr(watched.watch._changes, "fetch", failing)
    async with _running(watched), asyncio.timeout(30):
        await seen.wait()


# ---- keys of tokens


async def test_rotated_key_is_taken_over_and_tokens_of_the_old_one_end_with_the_overlap(
    house: House, key_file: Path
) -> None:
    watched = await _watched(house, key_file)
    now = house.clock.now.timestamp()
    old = watched.tokens.create(credential_id="c1", token_id="t1", now=int(now), expires_at=int(now) + 3600)
    ring = rotate(key_file, now=now, overlap=60)

    watched.watch.look_at_clock()
    taken, endings = watched.tokens.key_marks(now), list(watched.registrations.endings)
    house.clock.advance(60)
    watched.watch.look_at_clock()
    watched.watch.look_at_clock()

    assert taken == {fingerprint(key) for key in ring.good(now)}
    assert watched.tokens.verify(old, now=now).credential_id == "c1"
    assert endings == []
    assert watched.registrations.endings == [Ending(other_key_than=frozenset({fingerprint(ring.signing)}))]
