"""Logins of SIP phones: what is compared with the digest, and who learns what."""

from dataclasses import replace
from datetime import timedelta

import pytest

from gateway.accounts.connections import ConnectionChange, CredentialConnections
from gateway.auth.attempts import LoginAttempts
from gateway.auth.authenticator import Refusal, login_mark
from gateway.auth.digest_login import DigestLogins, WrongDigest
from gateway.auth.sealing import Seal
from gateway.domain.identity import Identity
from gateway.store.errors import StoreUnavailable
from tests.unit.auth.conftest import CHEAP, KEY, House


def logins(house: House, *, key: bytes = KEY, max_wrong_logins: int = 30) -> DigestLogins:
    return DigestLogins(
        connections=house.provisioning.connections,
        credentials=house.provisioning.credentials,
        authenticator=house.authenticator,
        attempts=LoginAttempts(replace(CHEAP, max_wrong_logins=max_wrong_logins)),
        seal=Seal(key),
    )


async def made(house: House) -> str:
    connection = await house.provisioning.add_connection(name="lab", user_name="alice", password="s3cret")
    await house.provisioning.add_number("+12025550190", connection.connection_id)
    return connection.connection_id


class Digest:
    """Fits one password, and remembers those that it was asked about."""

    def __init__(self, password: str) -> None:
        self.password = password
        self.asked: list[str] = []

    def __call__(self, password: str) -> bool:
        self.asked.append(password)
        return password == self.password


async def test_a_connection_logs_in_as_it_does_by_password(house: House) -> None:
    connection_id = await made(house)

    outcome = await logins(house).login("alice", "192.0.2.1", Digest("s3cret"))

    kept = await house.provisioning.connections.get(connection_id)
    assert outcome == Identity(
        connection_id=connection_id,
        credential_id=None,
        username="alice",
        caller_number="+12025550190",
        login_mark=login_mark("alice", kept.password_hash),
    )


async def test_a_credential_logs_in_until_it_expires(house: House) -> None:
    connection_id = await made(house)
    credential = await house.provisioning.add_credential(connection_id, expires_at=house.clock.now + timedelta(hours=1))
    name, digest = credential.credential.sip_username, Digest(credential.sip_password)

    before = await logins(house).login(name, "192.0.2.1", digest)
    house.clock.advance(3600)
    after = await logins(house).login(name, "192.0.2.1", digest)

    assert isinstance(before, Identity)
    assert (before.username, before.credential_id) == (name, credential.credential.credential_id)
    assert isinstance(after, Refusal)
    assert after.code == "credential_expired"


@pytest.mark.parametrize(("user", "is_known"), [("alice", True), ("nobody", False), ("no\x00body", False), ("", False)])
async def test_a_wrong_digest_and_an_unknown_user_cost_the_same_comparison(
    house: House, user: str, is_known: bool
) -> None:
    await made(house)
    digest = Digest("guessed")

    outcome = await logins(house).login(user, "192.0.2.1", digest)

    assert outcome == WrongDigest(is_user_known=is_known)
    assert len(digest.asked) == 1


async def test_no_digest_fits_a_user_that_does_not_exist(house: House) -> None:
    outcome = await logins(house).login("nobody", "192.0.2.1", lambda _password: True)

    assert outcome == WrongDigest(is_user_known=False)


async def test_a_password_that_was_sealed_under_another_key_logs_nobody_in(house: House) -> None:
    await made(house)

    outcome = await logins(house, key=b"x" * 64).login("alice", "192.0.2.1", Digest("s3cret"))

    assert outcome == WrongDigest(is_user_known=True)


async def test_a_connection_that_is_off_is_told_so_only_with_the_right_digest(house: House) -> None:
    connection_id = await made(house)
    accounts: CredentialConnections = house.provisioning.accounts.connections
    await accounts.change(connection_id, ConnectionChange(is_active=False))

    right = await logins(house).login("alice", "192.0.2.1", Digest("s3cret"))
    wrong = await logins(house).login("alice", "192.0.2.1", Digest("guessed"))

    assert isinstance(right, Refusal)
    assert right.code == "connection_inactive"
    assert wrong == WrongDigest(is_user_known=True)


async def test_who_was_wrong_too_often_is_refused_without_a_look(house: House) -> None:
    await made(house)
    ours = logins(house, max_wrong_logins=2)
    for _ in range(2):
        await ours.login("alice", "192.0.2.1", Digest("guessed"))
    digest = Digest("s3cret")

    refused = await ours.login("alice", "192.0.2.1", digest)
    elsewhere = await ours.login("alice", "192.0.2.2", digest)

    assert isinstance(refused, Refusal)
    assert refused.code == "too_many_attempts"
    assert isinstance(elsewhere, Identity)


async def test_a_database_that_does_not_answer_is_busy(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_name: str) -> None:
        raise StoreUnavailable("gone")

    monkeypatch.setattr(house.provisioning.connections, "find_by_user_name", fail)
    ours = logins(house)

    outcome = await ours.login("alice", "192.0.2.1", Digest("s3cret"))

    assert isinstance(outcome, Refusal)
    assert outcome.code == "busy"
