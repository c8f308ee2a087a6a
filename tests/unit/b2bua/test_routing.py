"""Where a destination goes."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.b2bua.routing import (
    Destination,
    Refused,
    Route,
    Router,
    ToClient,
    ToPhones,
    ToTrunks,
    ToUser,
    Trunk,
    parse_destination,
    refusing_without_store,
)
from gateway.domain.causes import (
    INVALID_NUMBER_FORMAT,
    NO_ROUTE_DESTINATION,
    NO_ROUTE_REASON,
    NORMAL_TEMPORARY_FAILURE,
    SUBSCRIBER_ABSENT,
)
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId
from gateway.domain.push import Device
from gateway.sip.registrar import PhoneUser
from gateway.store.errors import StoreUnavailable
from tests.fakes.clients import RecordingSession

CARRIER = Trunk(name="carrier", uri="sip:127.0.0.2:5060", codecs=("PCMU",))
BACKUP = Trunk(name="backup", uri="sip:127.0.0.3:5060", codecs=("PCMA",))
LAB = Trunk(name="lab", uri="sip:127.0.0.1:5070", codecs=("PCMU",), is_lab=True)
ME = Identity(connection_id="1", credential_id=None, username="alice")
BOB = RecordingSession("bob")
CALL = CallId("call")


def router(*trunks: Trunk) -> Router:
    async def connection_of(number: str) -> str | None:
        return {"+12025550190": "connection of bob", "+12025550191": "nobody's"}.get(number)

    return Router(
        domain="sip.telnyx.com",
        trunks=trunks,
        find_client=lambda username: BOB if username == "bob" else None,
        find_connection_of_number=connection_of,
        find_client_of_connection=lambda connection: BOB if connection == "connection of bob" else None,
        is_magic_number=lambda user: user.endswith("2025550100"),
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+1-872-231-5806", Destination("+18722315806", None)),
        (" (202) 555-0100 ", Destination("2025550100", None)),
        ("tel:+12025550100;ext=3", Destination("+12025550100", None)),
        ("sip:bob@SIP.telnyx.com", Destination("bob", "sip.telnyx.com")),
        ("sips:+12025550100@host.example;user=phone", Destination("+12025550100", "host.example")),
        ("gencredAbC123", Destination("gencredAbC123", None)),
        ("*67", Destination("*67", None)),
    ],
)
def test_destination_is_normalised(text: str, expected: Destination) -> None:
    assert parse_destination(text) == expected


@pytest.mark.parametrize("text", ["", "   ", "bob alice", "<sip:bob@x>", "bob@", "bob@ho st", "a\r\nTo: x", "x" * 300])
def test_what_can_be_no_address_is_refused(text: str) -> None:
    assert parse_destination(text) is None


@given(st.text(max_size=300))
def test_any_text_is_parsed_or_refused_and_never_carries_control_characters(text: str) -> None:
    parsed = parse_destination(text)

    if parsed is not None:
        assert parsed.user
        assert not any(character in parsed.user for character in "\r\n\0<>@ ")


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("bob", ToClient(BOB)),
        ("bob@sip.telnyx.com", ToClient(BOB)),
        ("sip:bob@sip.telnyx.com", ToClient(BOB)),
        ("nobody@sip.telnyx.com", Refused(SUBSCRIBER_ABSENT, "User not registered")),
        ("nobody", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
        ("+1 202 555 0100", ToTrunks((LAB,), "+12025550100")),
        ("+12025550190", ToClient(BOB)),
        ("+12025550191", ToTrunks((CARRIER, BACKUP), "+12025550191")),
        ("+4930123456", ToTrunks((CARRIER, BACKUP), "+4930123456")),
        ("bob@elsewhere.example", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
        ("<script>", Refused(INVALID_NUMBER_FORMAT)),
    ],
)
async def test_client_reaches_clients_then_lab_then_numbers_then_trunks(dialled: str, expected: Route) -> None:
    assert await router(CARRIER, LAB, BACKUP).from_client(CALL, ME, dialled, shown="") == expected


async def test_magic_number_is_an_ordinary_one_without_the_lab() -> None:
    assert await router(CARRIER).from_client(CALL, ME, "+12025550100", shown="") == ToTrunks((CARRIER,), "+12025550100")


async def test_number_without_any_trunk_has_no_route() -> None:
    assert await router(LAB).from_client(CALL, ME, "+4930123456", shown="") == Refused(
        NO_ROUTE_DESTINATION, NO_ROUTE_REASON
    )


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("bob", ToClient(BOB)),
        ("+12025550190", ToClient(BOB)),
        ("+12025550191", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
        ("+12025550100", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
    ],
)
async def test_trunk_reaches_clients_and_never_another_trunk(user: str, expected: Route) -> None:
    assert await router(CARRIER, LAB).from_trunk(CALL, user, "127.0.0.1") == expected


CAROL, CAROL_TOO = RecordingSession("carol", "session-c1"), RecordingSession("carol", "session-c2")
PHONE = Device(username="dave", provider="android", token="fcm-1")


@dataclass(frozen=True)
class Group:
    others: tuple[RecordingSession, ...] = ()
    is_pushed: bool = False


class KnownDevices:
    """Dave has one, and so have carol and the connection of +12025550192."""

    async def of_user(self, username: str) -> tuple[Device, ...]:
        return (replace(PHONE, username=username),) if username in ("dave", "carol") else ()

    async def of_connection(self, connection_id: str) -> tuple[Device, ...]:
        return (PHONE,) if connection_id == "connection of dave" else ()


def pushing_router(*, has_devices: bool = True) -> Router:
    async def connection_of(number: str) -> str | None:
        return {"+12025550192": "connection of dave", "+12025550193": "connection of carol"}.get(number)

    return Router(
        domain="sip.telnyx.com",
        trunks=[],
        find_client=lambda username: {"bob": BOB, "carol": CAROL}.get(username),
        find_connection_of_number=connection_of,
        find_client_of_connection=lambda connection: CAROL if connection == "connection of carol" else None,
        is_magic_number=lambda _user: False,
        ring_group=lambda client: Group((CAROL_TOO,), is_pushed=True) if client is CAROL else Group(),
        devices=KnownDevices() if has_devices else None,
    )


@pytest.mark.parametrize(
    ("dialled", "expected"),
    [
        ("bob", ToClient(BOB)),
        ("carol", ToUser("carol", (CAROL, CAROL_TOO), (replace(PHONE, username="carol"),))),
        ("+12025550193", ToUser("carol", (CAROL, CAROL_TOO), (replace(PHONE, username="carol"),))),
        ("dave", ToUser("dave", (), (PHONE,))),
        ("dave@sip.telnyx.com", ToUser("dave", (), (PHONE,))),
        ("+12025550192", ToUser("dave", (), (PHONE,))),
        ("erin@sip.telnyx.com", Refused(SUBSCRIBER_ABSENT, "User not registered")),
        ("dave@elsewhere.example", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
        ("+4930123456", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
    ],
)
async def test_v54_clients_that_ask_ring_together_and_devices_where_there_is_no_client(
    dialled: str, expected: Route
) -> None:
    assert await pushing_router().from_client(CALL, ME, dialled, shown="") == expected


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("dave", ToUser("dave", (), (PHONE,))),
        ("+12025550192", ToUser("dave", (), (PHONE,))),
        ("erin", Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)),
    ],
)
async def test_a_trunk_reaches_devices_too(user: str, expected: Route) -> None:
    assert await pushing_router().from_trunk(CALL, user, "127.0.0.1") == expected


async def test_without_anybody_to_deliver_pushes_only_clients_ring() -> None:
    lone = pushing_router(has_devices=False)

    assert await lone.from_client(CALL, ME, "carol", shown="") == ToUser("carol", (CAROL, CAROL_TOO), ())
    assert await lone.from_client(CALL, ME, "dave", shown="") == Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)
    assert await lone.from_client(CALL, ME, "+12025550192", shown="") == Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)


async def test_call_that_the_database_cannot_place_is_refused_for_the_moment() -> None:
    @refusing_without_store
    async def find(user: str) -> Route:
        if user == "gone":
            raise StoreUnavailable("the database is not reachable")
        return ToTrunks((CARRIER,), user)

    assert await find("gone") == Refused(NORMAL_TEMPORARY_FAILURE)
    assert await find("bob") == ToTrunks((CARRIER,), "bob")


@dataclass(frozen=True)
class OnePhone:
    """A registrar with one user."""

    user: PhoneUser

    def of_user(self, username: str) -> PhoneUser | None:
        return self.user if username == self.user.username else None

    def of_connection(self, connection_id: str) -> PhoneUser | None:
        return self.user if connection_id == "connection of bob" else None


def with_phone(
    username: str, *, later_by: float, credential_id: str | None = None, client: RecordingSession | None = BOB
) -> tuple[Router, PhoneUser]:
    """A router whose registrar knows phones of that user, which came later than the client."""
    owner = Identity(connection_id="connection of bob", credential_id=credential_id, username=username)
    user = OnePhoneUser(
        username=username, phones=(), registered_at=BOB.logged_in_at + timedelta(seconds=later_by), owner=owner
    )

    async def connection_of(_number: str) -> str | None:
        return "connection of bob"

    made = Router(
        domain="sip.telnyx.com",
        trunks=(CARRIER,),
        find_client=lambda name: client if name == "bob" else None,
        find_connection_of_number=connection_of,
        find_client_of_connection=lambda _connection: client,
        is_magic_number=lambda _user: False,
        phones=OnePhone(user),
    )
    return made, user


@dataclass(frozen=True, slots=True, kw_only=True)
class OnePhoneUser(PhoneUser):
    """Phones of that owner, which nobody calls."""

    owner: Identity

    @property
    def identity(self) -> Identity:
        return self.owner


@pytest.mark.parametrize("later_by", [1.0, -1.0])
async def test_whoever_came_last_under_a_name_rings_phone_or_client(later_by: float) -> None:
    found, user = with_phone("bob", later_by=later_by)

    route = await found.from_client(CALL, ME, "bob@sip.telnyx.com", shown="alice")

    assert route == (ToPhones(user) if later_by > 0 else ToClient(BOB))


async def test_a_phone_rings_where_no_client_is() -> None:
    found, user = with_phone("carol", later_by=-100.0)

    assert await found.from_client(CALL, ME, "carol", shown="alice") == ToPhones(user)
    assert await found.from_trunk(CALL, "carol", "192.0.2.1") == ToPhones(user)


@pytest.mark.parametrize(
    ("credential_id", "later_by", "rings_phone"), [(None, 1.0, True), (None, -1.0, False), ("credential", 1.0, False)]
)
async def test_a_number_rings_the_connections_own_name_before_its_credentials(
    credential_id: str | None, later_by: float, rings_phone: bool
) -> None:
    found, user = with_phone("desk", later_by=later_by, credential_id=credential_id)

    route = await found.from_trunk(CALL, "+12025550190", "192.0.2.1")

    assert route == (ToPhones(user) if rings_phone else ToClient(BOB))


async def test_a_number_rings_a_phone_where_no_client_is() -> None:
    found, user = with_phone("desk", later_by=0.0, client=None)

    assert await found.from_trunk(CALL, "+12025550190", "192.0.2.1") == ToPhones(user)
