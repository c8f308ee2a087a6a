"""What is made for the command line, the demo and the REST API."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from gateway.auth.errors import CredentialExpired, InvalidValue
from gateway.auth.jwt import Tokens
from gateway.store.connections import Connection
from gateway.store.errors import Duplicate, NotFound
from tests.unit.auth.conftest import KEY, House


async def _alice(house: House) -> Connection:
    return await house.provisioning.add_connection(name="lab", user_name="alice", password="s3cret")


async def test_connection_gets_an_id_like_the_services_and_a_hashed_password(house: House) -> None:
    connection = await _alice(house)

    assert re.fullmatch(r"[1-9]\d{18}", connection.connection_id)
    assert int(connection.connection_id) < 2**63
    assert connection.password_hash.startswith("$argon2id$")
    assert await house.provisioning.connections.get(connection.connection_id) == connection


@pytest.mark.parametrize(
    "user_name", ["abc", "a" * 33, "12345a", "ali ce", "alice@x", "ålice", "", "gencredabc", "alice\n"]
)
async def test_user_name_against_the_rules_is_refused_and_named(house: House, user_name: str) -> None:
    with pytest.raises(InvalidValue) as refused:
        await house.provisioning.add_connection(name="lab", user_name=user_name, password="s3cret")

    assert refused.value.field == "user_name"


@pytest.mark.parametrize("user_name", ["demo", "a123", "1234a", "A" * 32])
async def test_user_name_within_the_rules_is_taken(house: House, user_name: str) -> None:
    await house.provisioning.add_connection(name="lab", user_name=user_name, password="s3cret")


@pytest.mark.parametrize(
    ("name", "password", "field"),
    [
        ("", "x", "name"),
        ("a\nb", "x", "name"),
        ("a", "", "password"),
        ("a", "x" * 129, "password"),
        ("a", "\ud800", "password"),
    ],
)
async def test_name_and_password_against_the_rules_are_named(
    house: House, name: str, password: str, field: str
) -> None:
    with pytest.raises(InvalidValue) as refused:
        await house.provisioning.add_connection(name=name, user_name="alice", password=password)

    assert refused.value.field == field
    assert await house.provisioning.connections.all() == ()


async def test_credential_looks_like_the_services(house: House) -> None:
    made = await house.provisioning.add_credential((await _alice(house)).connection_id)

    assert re.fullmatch(r"gencred[A-Za-z0-9]{22}", made.credential.sip_username)
    assert re.fullmatch(r"[0-9a-f]{32}", made.sip_password)
    assert made.credential.name == "2026-03-01 12:00:00.000000Z"
    assert made.credential.expires_at == datetime(2048, 3, 1, 12, tzinfo=UTC)
    assert made.sip_password not in repr(made)


async def test_credential_of_a_leap_day_ends_on_the_day_before_march(house: House) -> None:
    house.clock.now = datetime(2028, 2, 29, tzinfo=UTC)

    made = await house.provisioning.add_credential((await _alice(house)).connection_id)

    assert made.credential.expires_at == datetime(2050, 2, 28, tzinfo=UTC)


async def test_credential_that_would_be_born_expired_is_refused(house: House) -> None:
    with pytest.raises(InvalidValue, match="expires_at"):
        await house.provisioning.add_credential((await _alice(house)).connection_id, expires_at=house.clock.now)


async def test_credential_needs_a_connection(house: House) -> None:
    with pytest.raises(NotFound):
        await house.provisioning.add_credential("1500000000000000000")


@pytest.mark.parametrize(
    "number",
    [
        "2025550190",
        "+0202555019",
        "+1",
        "+1202555O190",
        "+12025550190 ",
        "+1234567890123456",
        "+１２０２５５５０１９０",
    ],
)
async def test_number_that_is_not_e164_is_refused(house: House, number: str) -> None:
    with pytest.raises(InvalidValue, match="phone_number"):
        await house.provisioning.add_number(number, "1500000000000000000")


async def test_number_belongs_to_one_connection(house: House) -> None:
    connection = await _alice(house)

    number = await house.provisioning.add_number("+12025550190", connection.connection_id)

    assert await house.provisioning.numbers.find("+12025550190") == number
    with pytest.raises(Duplicate):
        await house.provisioning.add_number("+12025550190", connection.connection_id)


async def test_token_lasts_as_asked_but_not_longer_than_its_credential(house: House) -> None:
    connection = await _alice(house)
    made = await house.provisioning.add_credential(
        connection.connection_id, expires_at=house.clock.now + timedelta(hours=1)
    )
    tokens, now = Tokens(KEY, clock_skew=0), house.clock.now.timestamp()

    short = await house.provisioning.create_token(made.credential.credential_id, ttl=60)
    long = await house.provisioning.create_token(made.credential.credential_id, ttl=86_400)

    assert tokens.verify(short, now=now).expires_at == now + 60
    assert tokens.verify(long, now=now).expires_at == now + 3600


async def test_token_of_an_expired_or_unknown_credential_is_refused(house: House) -> None:
    connection = await _alice(house)
    made = await house.provisioning.add_credential(
        connection.connection_id, expires_at=house.clock.now + timedelta(hours=1)
    )
    house.clock.advance(3600)

    with pytest.raises(CredentialExpired):
        await house.provisioning.create_token(made.credential.credential_id, ttl=60)
    with pytest.raises(NotFound):
        await house.provisioning.create_token("none", ttl=60)


async def test_token_of_no_time_is_refused(house: House) -> None:
    made = await house.provisioning.add_credential((await _alice(house)).connection_id)

    with pytest.raises(InvalidValue, match="ttl"):
        await house.provisioning.create_token(made.credential.credential_id, ttl=0)


async def test_new_password_replaces_the_old(house: House) -> None:
    connection = await _alice(house)

    await house.provisioning.set_password(connection.connection_id, "n3w")

    kept = (await house.provisioning.connections.get(connection.connection_id)).password_hash
    assert (await house.passwords.verify("n3w", kept)).is_right
    with pytest.raises(InvalidValue):
        await house.provisioning.set_password(connection.connection_id, "")
