"""Logins."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import pytest
from argon2 import PasswordHasher
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.accounts.connections import ConnectionChange, CredentialConnections
from gateway.auth.attempts import LoginAttempts
from gateway.auth.authenticator import Authenticator, Refusal, login_mark
from gateway.auth.errors import Busy
from gateway.auth.jwt import Tokens
from gateway.auth.keyring import KeyRing, fingerprint
from gateway.auth.passwords import Passwords, Verdict
from gateway.auth.sealing import Seal
from gateway.auth.settings import AuthSettings
from gateway.domain.identity import Identity
from gateway.observability.metrics import REGISTRY
from tests.unit.auth.conftest import CHEAP, KEY, House


@dataclass(frozen=True)
class Alice:
    """A connection with a credential, a number and a token."""

    connection_id: str
    credential_id: str
    sip_username: str
    sip_password: str
    token: str


async def _provision(house: House) -> Alice:
    connection = await house.provisioning.add_connection(name="lab", user_name="alice", password="s3cret")
    await house.provisioning.add_number("+12025550190", connection.connection_id)
    made = await house.provisioning.add_credential(
        connection.connection_id, expires_at=house.clock.now + timedelta(hours=2)
    )
    return Alice(
        connection_id=connection.connection_id,
        credential_id=made.credential.credential_id,
        sip_username=made.credential.sip_username,
        sip_password=made.sip_password,
        token=await house.provisioning.create_token(made.credential.credential_id, ttl=3600),
    )


async def _login(
    house: House, username: str | None = None, password: str | None = None, token: str | None = None
) -> Identity | Refusal:
    return await house.authenticator.login(username=username, password=password, token=token, peer="127.0.0.1")


async def _with_older_hash(house: House, connection_id: str) -> str:
    """Have alice's password hashed with other costs than ours; returns the hash."""
    older = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash("s3cret")
    before = (await house.provisioning.connections.get(connection_id)).password_hash
    await house.provisioning.connections.rehash(connection_id, older, before=before, at=house.clock.now)
    return older


def _code(outcome: Identity | Refusal) -> str:
    return outcome.code if isinstance(outcome, Refusal) else "ok"


def _count(kind: str, result: str) -> float:
    return REGISTRY.get_sample_value("gateway_logins_total", {"kind": kind, "result": result}) or 0.0


async def test_connection_logs_in_with_its_user_name_and_password(house: House) -> None:
    alice = await _provision(house)

    kept = await house.provisioning.connections.get(alice.connection_id)
    assert await _login(house, "alice", "s3cret") == Identity(
        connection_id=alice.connection_id,
        credential_id=None,
        username="alice",
        caller_number="+12025550190",
        login_mark=login_mark("alice", kept.password_hash),
    )


@pytest.mark.parametrize("domain", ["@sip.telnyx.com", "@", "@a@b"])
async def test_domain_behind_the_user_name_is_left_out(house: House, domain: str) -> None:
    await _provision(house)

    assert _code(await _login(house, "alice" + domain, "s3cret")) == "ok"


async def test_credential_logs_in_under_its_own_name(house: House) -> None:
    alice = await _provision(house)

    assert await _login(house, alice.sip_username, alice.sip_password) == Identity(
        connection_id=alice.connection_id,
        credential_id=alice.credential_id,
        username=alice.sip_username,
        caller_number="+12025550190",
        credential_expires_at=house.clock.now.timestamp() + 7200,
    )


async def test_token_logs_in_as_its_credential_and_says_when_it_ends(house: House) -> None:
    alice = await _provision(house)

    assert await _login(house, token=alice.token) == Identity(
        connection_id=alice.connection_id,
        credential_id=alice.credential_id,
        username=alice.sip_username,
        caller_number="+12025550190",
        token_expires_at=house.clock.now.timestamp() + 3600,
        credential_expires_at=house.clock.now.timestamp() + 7200,
        key_mark=fingerprint(KEY),
    )


async def test_connection_without_a_number_has_no_caller_number(house: House) -> None:
    await house.provisioning.add_connection(name="lab", user_name="bobby", password="s3cret")

    identity = await _login(house, "bobby", "s3cret")

    assert isinstance(identity, Identity)
    assert identity.caller_number is None


async def test_v33_password_wins_over_a_token_and_a_wrong_one_leaves_the_word_to_it(house: House) -> None:
    alice = await _provision(house)

    by_password = await _login(house, "alice", "s3cret", alice.token)
    rescued = await _login(house, "alice", "wrong", alice.token)

    assert isinstance(by_password, Identity)
    assert by_password.username == "alice"
    assert isinstance(rescued, Identity)
    assert rescued.username == alice.sip_username


async def test_v33_where_both_are_bad_the_password_is_what_the_client_hears_of(house: House) -> None:
    alice = await _provision(house)
    house.clock.advance(10_000)

    assert _code(await _login(house, "alice", "wrong", alice.token)) == "bad_credentials"


@pytest.mark.parametrize(("username", "password"), [("alice", None), (None, "s3cret"), ("", ""), ("alice", "")])
async def test_half_a_login_leaves_the_word_to_the_token(
    house: House, username: str | None, password: str | None
) -> None:
    alice = await _provision(house)

    with_token = await _login(house, username, password, alice.token)

    assert isinstance(with_token, Identity)
    assert with_token.username == alice.sip_username
    assert _code(await _login(house, username, password)) == "bad_credentials"


async def test_unknown_user_and_wrong_password_get_the_same_answer_and_the_same_work(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _provision(house)
    costs: list[str] = []
    original = PasswordHasher.verify

    def recording(self: PasswordHasher, hash: str, password: bytes) -> bool:
        costs.append(hash.rsplit("$", 2)[0])
        return original(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", recording)

    answers = [await _login(house, name, "wrong") for name in ("alice", "nobody", "not a name!", "\ud800", "x" * 999)]

    assert len(set(map(repr, answers))) == 1
    assert _code(answers[0]) == "bad_credentials"
    assert costs == ["$argon2id$v=19$m=8,t=1,p=1"] * 5


async def test_inactive_connection_is_told_only_to_who_knows_the_password(house: House) -> None:
    alice = await _provision(house)
    await house.provisioning.set_active(alice.connection_id, False)

    assert _code(await _login(house, "alice", "s3cret")) == "connection_inactive"
    assert _code(await _login(house, alice.sip_username, alice.sip_password)) == "connection_inactive"
    assert _code(await _login(house, token=alice.token)) == "connection_inactive"
    assert _code(await _login(house, "alice", "wrong")) == "bad_credentials"


async def test_expired_credential_does_not_log_in(house: House) -> None:
    alice = await _provision(house)
    house.clock.advance(2 * 3600)

    assert _code(await _login(house, alice.sip_username, alice.sip_password)) == "credential_expired"
    assert _code(await _login(house, alice.sip_username, "wrong")) == "bad_credentials"


async def test_token_ends_with_its_time_and_with_its_credential(house: House) -> None:
    alice = await _provision(house)
    house.clock.advance(3600 + 5)
    fresh = await house.provisioning.create_token(alice.credential_id, ttl=3600)

    assert _code(await _login(house, token=alice.token)) == "token_expired"
    assert _code(await _login(house, token=fresh)) == "ok"
    await house.provisioning.remove_credential(alice.credential_id)
    assert _code(await _login(house, token=fresh)) == "token_invalid"


async def test_token_of_another_gateway_is_invalid(house: House) -> None:
    alice = await _provision(house)
    foreign = Tokens(b"x" * 64, clock_skew=5).create(
        credential_id=alice.credential_id, token_id="t", now=1, expires_at=2**40
    )

    assert _code(await _login(house, token=foreign)) == "token_invalid"


async def test_removed_connection_takes_its_logins_along(house: House) -> None:
    alice = await _provision(house)

    await house.provisioning.remove_connection(alice.connection_id)

    assert _code(await _login(house, "alice", "s3cret")) == "bad_credentials"
    assert _code(await _login(house, token=alice.token)) == "token_invalid"


async def test_connection_that_is_removed_while_its_password_is_checked_does_not_log_in(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await _provision(house)
    verify = house.passwords.verify

    async def slow(password: str, password_hash: str | None) -> Verdict:
        verdict = await verify(password, password_hash)
        await house.provisioning.remove_connection(alice.connection_id)
        return verdict

    monkeypatch.setattr(house.passwords, "verify", slow)

    assert _code(await _login(house, alice.sip_username, alice.sip_password)) == "bad_credentials"


async def test_outdated_hash_is_renewed_by_a_login_and_not_by_a_failed_one(house: House) -> None:
    alice = await _provision(house)
    older = await _with_older_hash(house, alice.connection_id)

    await _login(house, "alice", "wrong")
    before = (await house.provisioning.connections.get(alice.connection_id)).password_hash
    await _login(house, "alice", "s3cret")
    after = (await house.provisioning.connections.get(alice.connection_id)).password_hash

    assert before == older
    assert after.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert _code(await _login(house, "alice", "s3cret")) == "ok"


async def test_outdated_hash_of_a_credential_is_renewed_too(house: House) -> None:
    alice = await _provision(house)
    older = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash("s3cret")
    before = (await house.provisioning.credentials.get(alice.credential_id)).password_hash
    await house.provisioning.credentials.rehash(alice.credential_id, older, before=before, at=house.clock.now)

    assert _code(await _login(house, alice.sip_username, "s3cret")) == "ok"

    kept = (await house.provisioning.credentials.get(alice.credential_id)).password_hash
    assert kept.startswith("$argon2id$v=19$m=8,t=1,p=1$")


async def test_password_that_changes_while_the_old_one_is_being_rehashed_stays_changed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await _provision(house)
    await _with_older_hash(house, alice.connection_id)
    accounts = CredentialConnections(house.database, passwords=house.passwords, seal=Seal(KEY), clock=house.clock)
    verify = house.passwords.verify

    async def slow(password: str, password_hash: str | None) -> Verdict:
        verdict = await verify(password, password_hash)
        with monkeypatch.context() as patch:
            patch.setattr(house.passwords, "verify", verify)
            await accounts.change(alice.connection_id, ConnectionChange(password="another"))
        return verdict

    monkeypatch.setattr(house.passwords, "verify", slow)
    await _login(house, "alice", "s3cret")
    monkeypatch.undo()

    assert _code(await _login(house, "alice", "s3cret")) == "bad_credentials"
    assert _code(await _login(house, "alice", "another")) == "ok"


async def test_rehashed_login_carries_the_mark_of_the_new_hash(house: House) -> None:
    alice = await _provision(house)
    await _with_older_hash(house, alice.connection_id)

    outcome = await _login(house, "alice", "s3cret")

    kept = await house.provisioning.connections.get(alice.connection_id)
    assert isinstance(outcome, Identity) and outcome.login_mark == login_mark("alice", kept.password_hash)


async def test_many_logins_at_once_are_all_answered(house: House) -> None:
    alice = await _provision(house)

    outcomes = await asyncio.gather(
        *(_login(house, "alice", "s3cret") for _ in range(8)),
        *(_login(house, "alice", "wrong") for _ in range(8)),
        *(_login(house, token=alice.token) for _ in range(8)),
    )

    assert [_code(outcome) for outcome in outcomes] == ["ok"] * 8 + ["bad_credentials"] * 8 + ["ok"] * 8


async def test_flood_of_logins_is_refused_as_busy_and_not_queued_without_end(house: House) -> None:
    await _provision(house)
    small = Passwords(AuthSettings(password_time_cost=1, password_memory_kib=8, max_waiting_logins=1))
    authenticator = Authenticator(
        connections=house.provisioning.connections,
        credentials=house.provisioning.credentials,
        numbers=house.provisioning.numbers,
        passwords=small,
        tokens=Tokens(KEY, clock_skew=5),
        attempts=LoginAttempts(CHEAP),
        clock=house.clock,
    )
    small.close()  # takes no more work, as when every place is taken

    outcome = await authenticator.login(username="alice", password="s3cret", token=None, peer="127.0.0.1")

    assert _code(outcome) == "busy"


async def test_login_that_was_too_busy_to_check_forgives_no_wrong_ones_of_before(house: House) -> None:
    await _provision(house)
    settings = AuthSettings(password_time_cost=1, password_memory_kib=8, max_wrong_logins=2)
    attempts, full = LoginAttempts(settings), Passwords(settings)
    full.close()  # takes no work, as when every place is taken

    async def code(passwords: Passwords) -> str:
        authenticator = Authenticator(
            connections=house.provisioning.connections,
            credentials=house.provisioning.credentials,
            numbers=house.provisioning.numbers,
            passwords=passwords,
            tokens=Tokens(KEY, clock_skew=5),
            attempts=attempts,
            clock=house.clock,
        )
        return _code(await authenticator.login(username="alice", password="wrong", token=None, peer="192.0.2.1"))

    working = Passwords(settings)
    codes = [await code(passwords) for passwords in (working, full, working, working)]
    working.close()

    assert codes == ["bad_credentials", "busy", "bad_credentials", "too_many_attempts"]


async def test_database_that_fails_is_busy_and_not_a_wrong_password(house: House) -> None:
    await _provision(house)
    async with house.database.write() as sql:
        await sql.exec_driver_sql("DROP TABLE numbers")

    assert _code(await _login(house, "alice", "s3cret")) == "busy"


async def test_logins_are_counted_by_kind_and_result(house: House) -> None:
    alice = await _provision(house)
    before = [
        _count("password", "ok"),
        _count("password", "bad_credentials"),
        _count("token", "ok"),
        _count("anonymous", "bad_credentials"),
    ]

    await _login(house, "alice", "s3cret")
    await _login(house, "alice", "wrong")
    await _login(house, token=alice.token)
    await _login(house)

    after = [
        _count("password", "ok"),
        _count("password", "bad_credentials"),
        _count("token", "ok"),
        _count("anonymous", "bad_credentials"),
    ]
    assert [b - a for a, b in zip(before, after, strict=True)] == [1, 1, 1, 1]


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(username=st.none() | st.text(), password=st.none() | st.text(), token=st.none() | st.text())
async def test_any_login_of_any_text_is_refused_and_nothing_worse(
    house: House, username: str | None, password: str | None, token: str | None
) -> None:
    assert isinstance(await _login(house, username, password, token), Refusal)


async def test_token_of_a_key_that_is_new_to_the_gateway_has_it_look_before_it_is_refused(house: House) -> None:
    alice = await _provision(house)
    tokens, looks = Tokens(b"o" * 64, clock_skew=5), list[bool]()

    def follow() -> bool:
        looks.append(tokens.use(KeyRing(KEY)))
        return looks[-1]

    door = Authenticator(
        connections=house.provisioning.connections,
        credentials=house.provisioning.credentials,
        numbers=house.provisioning.numbers,
        passwords=house.passwords,
        tokens=tokens,
        attempts=LoginAttempts(CHEAP),
        follow_keys=follow,
        clock=house.clock,
    )

    outcomes = [await _try(door, None, token=token) for token in (alice.token, "x" + alice.token, alice.token)]

    assert outcomes == ["ok", "token_invalid", "ok"]
    assert looks == [True, False]


# ---- who is wrong too often


def _strict(
    house: House, *, max_wrong_logins: int = 1000, per_address: int = 1000, per_user: int = 1000
) -> Authenticator:
    limits = AuthSettings(
        max_wrong_logins=max_wrong_logins, max_wrong_logins_per_address=per_address, max_wrong_logins_per_user=per_user
    )
    return Authenticator(
        connections=house.provisioning.connections,
        credentials=house.provisioning.credentials,
        numbers=house.provisioning.numbers,
        passwords=house.passwords,
        tokens=Tokens(KEY, clock_skew=5),
        attempts=LoginAttempts(limits, now=lambda: 0.0),
        clock=house.clock,
    )


async def _try(
    door: Authenticator, password: str | None, *, user: str = "alice", peer: str = "192.0.2.1", token: str | None = None
) -> str:
    return _code(await door.login(username=user, password=password, token=token, peer=peer))


def _counted(house: House, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that argon2 is asked about from now on."""
    asked: list[str] = []
    verify = house.passwords.verify

    async def counted(password: str, password_hash: str | None) -> Verdict:
        asked.append(password)
        return await verify(password, password_hash)

    monkeypatch.setattr(house.passwords, "verify", counted)
    return asked


@pytest.mark.parametrize("user", ["alice", "nobody"])
async def test_whoever_is_wrong_too_often_is_refused_without_a_look_at_the_password(
    house: House, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    await _provision(house)
    door, asked = _strict(house, max_wrong_logins=2), _counted(house, monkeypatch)

    outcomes = [await _try(door, password, user=user) for password in ("a", "b", "c", "s3cret")]

    assert outcomes == ["bad_credentials", "bad_credentials", "too_many_attempts", "too_many_attempts"]
    assert asked == ["a", "b"]


async def test_stranger_who_hammers_a_user_name_shuts_out_himself_alone(house: House) -> None:
    await _provision(house)
    door = _strict(house, max_wrong_logins=2)
    for _ in range(5):
        await _try(door, "wrong", peer="192.0.2.66")

    assert await _try(door, "s3cret", peer="192.0.2.1") == "ok"
    assert await _try(door, "s3cret", peer="192.0.2.66") == "too_many_attempts"


async def test_stranger_with_many_addresses_does_not_shut_a_user_out_of_where_he_has_been(house: House) -> None:
    await _provision(house)
    door = _strict(house, per_user=3)
    await _try(door, "s3cret", peer="192.0.2.1")
    for number in range(10):
        await _try(door, "wrong", peer=f"198.51.100.{number}")

    assert await _try(door, "s3cret", peer="198.51.100.99") == "too_many_attempts"
    assert await _try(door, "s3cret", peer="192.0.2.1") == "ok"


async def test_neighbour_behind_the_same_address_is_heard_where_he_has_logged_in_before(house: House) -> None:
    alice = await _provision(house)
    door = _strict(house, per_address=3)
    await _try(door, "s3cret")
    for number in range(5):
        await _try(door, "wrong", user=f"guess{number}")

    assert await _try(door, "s3cret") == "ok"
    assert await _try(door, alice.sip_password, user=alice.sip_username) == "too_many_attempts"


async def test_networks_of_ipv6_customers_count_as_one_address(house: House) -> None:
    await _provision(house)
    door = _strict(house, per_address=2)
    for number in range(3):
        await _try(door, "wrong", peer=f"2001:db8:1:2::{number}", user=f"guess{number}")

    assert await _try(door, "s3cret", peer="2001:db8:1:2:ffff::1") == "too_many_attempts"
    assert await _try(door, "s3cret", peer="2001:db8:1:3::1") == "ok"


async def test_right_logins_are_held_against_nobody(house: House) -> None:
    await _provision(house)
    door = _strict(house, max_wrong_logins=2)
    for _ in range(5):
        await _try(door, "s3cret")

    assert [await _try(door, "wrong") for _ in range(3)] == ["bad_credentials", "bad_credentials", "too_many_attempts"]


async def test_busy_gateway_forgives_no_guess(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    await _provision(house)
    door = _strict(house, max_wrong_logins=2)
    await _try(door, "wrong")
    with monkeypatch.context() as patch:

        async def busy(*_arguments: object) -> Verdict:
            raise Busy("too many")

        patch.setattr(house.passwords, "verify", busy)
        assert await _try(door, "wrong") == "busy"

    assert [await _try(door, "wrong"), await _try(door, "wrong")] == ["bad_credentials", "too_many_attempts"]


async def test_token_of_somebody_else_buys_no_guesses(house: House) -> None:
    alice = await _provision(house)
    door = _strict(house, max_wrong_logins=2)
    for _ in range(2):
        assert await _try(door, "wrong", token=alice.token) == "ok"
        assert await _try(door, None, token=alice.token) == "ok"

    assert await _try(door, "s3cret") == "too_many_attempts"


async def test_token_is_looked_at_where_passwords_are_not(house: House) -> None:
    alice = await _provision(house)
    door = _strict(house, per_address=1)
    await _try(door, "wrong")

    assert await _try(door, "s3cret") == "too_many_attempts"
    assert await _try(door, None, token=alice.token) == "ok"
    assert await _try(door, "s3cret", token=alice.token) == "ok"


async def test_being_shut_out_is_one_line_in_the_log_and_not_one_an_attempt(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await _provision(house)
    lines: list[str] = []

    class _Log:
        def warning(self, event: str, **_: object) -> None:
            lines.append(event)

    monkeypatch.setattr("gateway.auth.attempts._log", _Log())
    monkeypatch.setattr("gateway.auth.authenticator._log", _Log())
    door = _strict(house, max_wrong_logins=2)

    for _ in range(20):
        await _try(door, "wrong")

    assert lines == ["login_refused", "address_shut_out", "login_refused"]
