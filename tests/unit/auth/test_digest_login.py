"""Logins by digest: an unknown user costs what a wrong password costs, so that time tells nobody who exists."""

from collections import Counter

import pytest

from gateway.auth.attempts import LoginAttempts
from gateway.auth.digest_login import DigestLogins, WrongDigest
from gateway.auth.sealing import Seal
from gateway.domain.identity import Identity
from gateway.store.connections import Connection, Connections
from gateway.store.credentials import Credential, Credentials
from tests.unit.auth.conftest import CHEAP, KEY, House

WORK: Counter[str] = Counter()
"""What the last login did, in counts."""


class CountingConnections(Connections):
    async def find_by_user_name(self, user_name: str) -> Connection | None:
        WORK["connection looked up"] += 1
        return await super().find_by_user_name(user_name)


class CountingCredentials(Credentials):
    async def find_by_sip_username(self, username: str) -> Credential | None:
        WORK["credential looked up"] += 1
        return await super().find_by_sip_username(username)


class CountingSeal(Seal):
    def open(self, sealed: str, *, owner: str) -> str:
        WORK["password opened"] += 1
        return super().open(sealed, owner=owner)


def logins(house: House) -> DigestLogins:
    return DigestLogins(
        connections=CountingConnections(house.database),
        credentials=CountingCredentials(house.database),
        authenticator=house.authenticator,
        attempts=LoginAttempts(CHEAP),
        seal=CountingSeal(KEY),
    )


async def work_of(one: DigestLogins, username: str) -> tuple[Counter[str], object]:
    WORK.clear()

    def is_right(password: str) -> bool:
        WORK["hashed"] += 1
        return password == "right password"

    outcome = await one.login(username, "192.0.2.9", is_right)
    return Counter(WORK), outcome


@pytest.mark.parametrize("unknown", ["nobody", "gencredUNKNOWN"])
async def test_unknown_user_costs_exactly_what_a_wrong_password_costs(house: House, unknown: str) -> None:
    await house.provisioning.add_connection(name="office", user_name="alice", password="another password")
    one = logins(house)

    wrong, told_wrong = await work_of(one, "alice")
    missing, told_missing = await work_of(one, unknown)

    assert wrong == missing
    assert set(wrong.values()) == {1}
    assert len(wrong) == 4
    assert (told_wrong, told_missing) == (WrongDigest(is_user_known=True), WrongDigest(is_user_known=False))


async def test_right_password_is_the_users_own(house: House) -> None:
    await house.provisioning.add_connection(name="office", user_name="alice", password="right password")

    _, outcome = await work_of(logins(house), "alice")

    assert isinstance(outcome, Identity)
    assert outcome.username == "alice"
