"""What connections ask of the media of their clients, by the user name that calls or is called."""

import pytest
import pytest_asyncio

from gateway.accounts.client_media import ConnectionMedia
from gateway.accounts.connections import ConnectionChange, CredentialConnections
from gateway.accounts.core.connection import ConnectionSettings
from gateway.accounts.lookups import Lookups
from gateway.auth.sealing import Seal
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode
from tests.unit.auth.conftest import KEY, House

PLAIN = ClientMedia(codecs=("G722", "PCMU", "PCMA", "opus"))


@pytest_asyncio.fixture
async def connections(house: House) -> CredentialConnections:
    return CredentialConnections(house.database, passwords=house.passwords, seal=Seal(KEY), clock=house.clock)


@pytest_asyncio.fixture
async def media(house: House) -> ConnectionMedia:
    return ConnectionMedia(Lookups(house.database))


async def test_connection_of_the_command_line_asks_for_nothing_but_what_it_was_told(
    house: House, connections: CredentialConnections, media: ConnectionMedia
) -> None:
    alice = await house.provisioning.add_connection(name="lab", user_name="alice", password="s3cret")
    assert await media.of_user("alice") == DEFAULT_CLIENT_MEDIA

    await connections.change(alice.connection_id, ConnectionChange(given={"dtmf_type": "Inband"}))
    assert await media.of_user("alice") == ClientMedia(dtmf=DtmfMode.INBAND)

    await connections.change(alice.connection_id, ConnectionChange(given={"inbound": {"codecs": ["OPUS", "G729"]}}))
    assert await media.of_user("alice") == ClientMedia(codecs=("opus",), dtmf=DtmfMode.INBAND)


async def test_connection_of_the_api_offers_the_codecs_of_its_model_in_their_order(
    connections: CredentialConnections, media: ConnectionMedia
) -> None:
    settings = ConnectionSettings.model_validate({})
    await connections.create(name="shop", user_name="shop1", password="long enough", settings=settings)

    assert await media.of_user("shop1") == PLAIN


@pytest.mark.parametrize("kind", ["user name", "credential"])
async def test_encryption_and_digits_are_those_of_the_connection_whoever_logs_in_with_it(
    house: House, connections: CredentialConnections, media: ConnectionMedia, kind: str
) -> None:
    settings = ConnectionSettings.model_validate({"encrypted_media": "SRTP", "dtmf_type": "SIP INFO"})
    shop = await connections.create(name="shop", user_name="shop1", password="long enough", settings=settings)
    made = await house.provisioning.add_credential(shop.connection_id)

    found = await media.of_user("shop1" if kind == "user name" else made.credential.sip_username)

    assert found == ClientMedia(codecs=PLAIN.codecs, dtmf=DtmfMode.SIP_INFO, requires_encryption=True)


async def test_nothing_is_asked_for_a_name_that_nobody_has(media: ConnectionMedia) -> None:
    assert await media.of_user("nobody") == DEFAULT_CLIENT_MEDIA
    assert await media.of_user("") == DEFAULT_CLIENT_MEDIA
