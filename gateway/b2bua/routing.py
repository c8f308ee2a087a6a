"""Where a destination goes: to another client or phone, to the lab, to one by its number, or to the trunks.

The order is the contract's: `user@domain` or a bare user name of a registered client or phone; with the lab on, a magic
number; a number assigned to a connection whose client or phone is registered; the trunks, by their priority and weight.
"""

import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import wraps
from typing import Any, Final, ParamSpec, Protocol
from urllib.parse import unquote

from gateway.b2bua.admission import Admission
from gateway.domain.admission import Admitted
from gateway.domain.causes import (
    INVALID_NUMBER_FORMAT,
    NO_ROUTE_DESTINATION,
    NO_ROUTE_REASON,
    NORMAL_TEMPORARY_FAILURE,
    OUTGOING_CALL_BARRED,
    SUBSCRIBER_ABSENT,
    Cause,
)
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId
from gateway.domain.media_encryption import MediaEncryption
from gateway.domain.push import Device
from gateway.observability.logging import get_logger
from gateway.sip.core.reliability import Reliability
from gateway.sip.registrar import PhoneUser
from gateway.store.errors import StoreError
from gateway.trunks.core.rules import TrunkRules
from gateway.vsp.control import ClientSession

_P = ParamSpec("_P")

_log = get_logger()

MAX_DESTINATION: Final = 256
"""Characters; a longer destination is no address of anything."""

_NUMBER: Final = re.compile(r"^\+?[0-9]{1,20}$")
_FEATURE_CODE: Final = re.compile(r"^[0-9*#]{1,20}$")
_PUNCTUATION: Final = re.compile(r"[\s().\-/]")
_USER: Final = re.compile(r"^[A-Za-z0-9_.!~*'&=+$,;?/%-]{1,128}$")
_HOST: Final = re.compile(r"^[A-Za-z0-9._:\[\]-]{1,253}$")


@dataclass(frozen=True, slots=True)
class Destination:
    """What a client asked for, normalised. `host` is None for a number or a bare user name."""

    user: str
    host: str | None

    @property
    def is_number(self) -> bool:
        """Whether the user part can be dialled at a trunk."""
        return bool(_NUMBER.match(self.user) or _FEATURE_CODE.match(self.user))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A trunk as routing and the SIP leg need it.

    Attributes:
        uri: ``sip:host:port;transport=...``, without a user part.
        encryption: of its media.
        may_open_keys: see `sip.call.Target`.
        rules: how it wants numbers, identities and header fields.
        is_lab: whether it is the built-in lab trunk, which takes magic numbers only.
        follow_redirects: whether a 3xx of it sends the call to another place.
        dtmf: how it gets digits.
        reliable_provisional: whether its 101 to 199 may, or must, be reliable (RFC 3262).
    """

    name: str
    uri: str
    codecs: tuple[str, ...]
    username: str | None = None
    password: str | None = None
    realm: str | None = None
    encryption: MediaEncryption = MediaEncryption.OFF
    may_open_keys: bool = False
    rules: TrunkRules = field(default_factory=TrunkRules)
    is_lab: bool = False
    reliable_provisional: Reliability = "off"
    follow_redirects: bool = False
    dtmf: DtmfMode = DtmfMode.RFC_2833


@dataclass(frozen=True, slots=True)
class ToClient:
    """To a registered client. `media` is what its connection asks for."""

    session: ClientSession
    media: ClientMedia = DEFAULT_CLIENT_MEDIA


@dataclass(frozen=True, slots=True)
class ToUser:
    """To several clients of a user at once, and to those of its devices that a push wakes up; see `ToClient`."""

    username: str
    sessions: tuple[ClientSession, ...]
    devices: tuple[Device, ...]
    media: ClientMedia = DEFAULT_CLIENT_MEDIA


@dataclass(frozen=True, slots=True)
class ToPhones:
    """To the registered SIP phones of a user; see `ToClient`."""

    user: PhoneUser
    media: ClientMedia = DEFAULT_CLIENT_MEDIA


@dataclass(frozen=True, slots=True)
class ToTrunks:
    """To these trunks, tried in order, with that user part.

    Attributes:
        caller_number: what the called side sees, where admission says so; else what the caller shows.
    """

    trunks: tuple[Trunk, ...]
    user: str
    caller_number: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """Nowhere."""

    cause: Cause
    sip_reason: str | None = None


Route = ToClient | ToUser | ToPhones | ToTrunks | Refused


def parse_destination(text: str) -> Destination | None:
    """Normalise what a client dialled: punctuation out of numbers, scheme and parameters off addresses.

    Returns None for what can be no address: empty, too long, or with characters that may not stand in one.
    """
    if len(text) > MAX_DESTINATION:
        return None
    text = re.sub(r"^\s*(?:sips?|tel):", "", text, flags=re.IGNORECASE).strip()
    text = text.split(";", 1)[0].split("?", 1)[0]
    user, at, host = text.rpartition("@")
    if not at:
        user, host = text, ""
    number = _PUNCTUATION.sub("", unquote(user))
    if _NUMBER.match(number) or _FEATURE_CODE.match(number):
        user = number
    elif not _USER.match(user):
        return None
    if at and not _HOST.match(host):
        return None
    return Destination(user, host.lower() if at else None)


class Neighbours(Protocol):
    """`vsp.registry.RingGroup`: who rings beside one client."""

    @property
    def others(self) -> Sequence[ClientSession]: ...

    @property
    def is_pushed(self) -> bool: ...


class RegisteredPhones(Protocol):
    """`sip.registrar.Registrar`."""

    def of_user(self, username: str) -> PhoneUser | None: ...

    def of_connection(self, connection_id: str) -> PhoneUser | None: ...


class PushDevices(Protocol):
    """`store.devices.Devices`."""

    async def of_user(self, username: str) -> tuple[Device, ...]: ...

    async def of_connection(self, connection_id: str) -> tuple[Device, ...]: ...


def refusing_without_store(
    find: Callable[_P, Awaitable[Route]],
) -> Callable[_P, Coroutine[Any, Any, Route]]:  # Any: what a coroutine is sent, which is nothing
    """A database that does not answer is no defect of the call: it is refused, and may be made again."""

    @wraps(find)
    async def found(*args: _P.args, **kwargs: _P.kwargs) -> Route:
        try:
            return await find(*args, **kwargs)
        except StoreError as error:
            _log.error("call_not_routed", error_code=error.code, detail=str(error))
            return Refused(NORMAL_TEMPORARY_FAILURE)

    return found


class Router:
    """Turns identity and destination into a `Route`; a refusal is a value."""

    def __init__(
        self,
        *,
        domain: str,
        trunks: Sequence[Trunk],
        find_client: Callable[[str], ClientSession | None],
        find_connection_of_number: Callable[[str], Awaitable[str | None]],
        find_client_of_connection: Callable[[str], ClientSession | None],
        is_magic_number: Callable[[str], bool],
        order_trunks: Callable[[Sequence[str]], Sequence[str]] = tuple,
        ring_group: Callable[[ClientSession], Neighbours] | None = None,
        devices: PushDevices | None = None,
        admission: Admission | None = None,
        phones: RegisteredPhones | None = None,
    ) -> None:
        """
        Args:
            domain: the SIP domain of our clients (`[sip] domain`).
            find_client: the last registered client of a user name.
            find_connection_of_number: the id of the connection to which an E.164 number is assigned.
            find_client_of_connection: the client that registered last with any user name of that connection.
            is_magic_number: whether the lab trunk plays a part for that number.
            order_trunks: the names of trunks in the order in which a call tries them now.
            ring_group: who else rings with a client; without it nobody does.
            devices: what can be pushed; None where nothing delivers a push.
            admission: what the accounts allow; without it everything is.
            phones: the SIP phones that are registered; None where none may be.
        """
        self._domain = domain.lower()
        self._trunks = {trunk.name: trunk for trunk in trunks if not trunk.is_lab}
        self._order_trunks = order_trunks
        self._lab = tuple(trunk for trunk in trunks if trunk.is_lab)
        self._find_client = find_client
        self._find_connection_of_number = find_connection_of_number
        self._find_client_of_connection = find_client_of_connection
        self._is_magic_number = is_magic_number
        self._ring_group, self._devices, self._admission = ring_group, devices, admission
        self._phones = phones

    async def from_client(self, call_id: CallId, caller: Identity, text: str, *, shown: str) -> Route:
        """Where a call of that client to that destination goes, if it may be made.

        Args:
            shown: the number that the client wants to show.
        """
        route = await self._from_client(text)
        if self._admission is None:
            return route
        number = _number_without_route(route, text)
        if isinstance(route, ToTrunks) or number is not None:
            # A number that nobody serves is first of all one that may or may not be called.
            dialled = route.user if isinstance(route, ToTrunks) else number or ""
            verdict = await self._admission.to_trunk(call_id, caller, dialled, shown)
            if not isinstance(verdict, Admitted):
                return Refused(verdict)
            return replace(route, caller_number=verdict.caller_number) if isinstance(route, ToTrunks) else route
        return await self._admitted(call_id, route, caller=caller, text=text)

    async def _from_client(self, text: str) -> Route:
        destination = parse_destination(text)
        if destination is None:
            return Refused(INVALID_NUMBER_FORMAT)
        is_ours = destination.host is None or destination.host == self._domain
        if is_ours and (route := await self._to_user(destination)) is not None:
            return route
        if destination.host is not None and destination.host == self._domain and not destination.is_number:
            return Refused(SUBSCRIBER_ABSENT, "User not registered")
        return await self._by_number(destination)

    async def from_trunk(self, call_id: CallId, user: str, host: str) -> Route:
        """Where a call that a trunk sent us goes, if it may: to a client, never back to a trunk."""
        return await self._admitted(call_id, await self._from_trunk(user, host), caller=None, text=user)

    async def _admitted(self, call_id: CallId, route: Route, *, caller: Identity | None, text: str) -> Route:
        """The route to a client, or why it may not be called."""
        if self._admission is None or isinstance(route, Refused | ToTrunks):
            return route
        username, connection_id = _called(route)
        destination = parse_destination(text)
        cause = await self._admission.to_client(
            call_id,
            username,
            connection_id,
            caller=caller,
            is_by_uri=destination is not None and destination.user == username,
        )
        return route if cause is None else Refused(cause)

    async def _from_trunk(self, user: str, host: str) -> Route:
        destination = parse_destination(f"{user}@{host}") or parse_destination(user)
        if destination is None:
            return Refused(INVALID_NUMBER_FORMAT)
        # Trunks put our address, not our domain, into the Request-URI: the user part alone decides.
        if (route := await self._to_user(destination)) is not None:
            return route
        return await self._to_owner_of_number(destination) or Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)

    async def from_refer(
        self, call_id: CallId, uri: str, *, may_dial_out: bool, payer: Identity | None, shown: str
    ) -> Route:
        """Where a transfer leads that a trunk's far end asked for.

        To a client or the lab; to the trunks only if `may_dial_out`, for it is not the caller who pays for it: that
        call is one of the payer's, with all its limits.

        Args:
            payer: the client that remains, None where it is a far end behind a trunk.
            shown: the number that the target is to see.
        """
        route = await self._from_refer(uri, may_dial_out=may_dial_out)
        if self._admission is None or not isinstance(route, ToTrunks):
            return route
        verdict = await self._admission.to_trunk(call_id, payer, route.user, shown)
        if not isinstance(verdict, Admitted):
            return Refused(verdict)
        return replace(route, caller_number=verdict.caller_number)

    async def _from_refer(self, uri: str, *, may_dial_out: bool) -> Route:
        destination = parse_destination(uri)
        if destination is None:
            return Refused(INVALID_NUMBER_FORMAT)
        # As in `from_trunk`: what stands beside the user part is an address of ours, or of the trunk.
        if (route := await self._to_user(destination)) is not None:
            return route
        if self._lab and self._is_magic_number(destination.user):
            return ToTrunks(self._lab, destination.user)
        if (route := await self._to_owner_of_number(destination)) is not None:
            return route
        if not may_dial_out:
            return Refused(OUTGOING_CALL_BARRED, "this gateway transfers to its own clients only")
        return await self._by_number(destination)

    async def _to_user(self, destination: Destination) -> Route | None:
        """To whoever registered last under that name, phones or clients; where nobody is, to its devices."""
        phones = None if self._phones is None else self._phones.of_user(destination.user)
        client = self._find_client(destination.user)
        if phones is not None and (client is None or client.logged_in_at < phones.registered_at):
            return ToPhones(phones)
        if client is not None:
            return await self._to_clients(client)
        if self._devices is None or destination.is_number:
            return None
        devices = await self._devices.of_user(destination.user)
        return ToUser(destination.user, (), devices) if devices else None

    async def _to_clients(self, client: ClientSession) -> Route:
        group = None if self._ring_group is None else self._ring_group(client)
        if group is None or not group.is_pushed:
            return ToClient(client)
        username = client.identity.username
        devices = () if self._devices is None else await self._devices.of_user(username)
        return ToUser(username, (client, *group.others), devices)

    async def _to_owner_of_number(self, destination: Destination) -> Route | None:
        """To the client of the connection that has that number, or to the devices of its user name."""
        connection_id = await self._find_connection_of_number(destination.user) if destination.is_number else None
        if connection_id is None:
            return None
        phones = None if self._phones is None else self._phones.of_connection(connection_id)
        client = self._find_client_of_connection(connection_id)
        if phones is not None and (client is None or _rank(client) < _phone_rank(phones)):
            return ToPhones(phones)
        if client is not None:
            return await self._to_clients(client)
        devices = () if self._devices is None else await self._devices.of_connection(connection_id)
        return ToUser(devices[0].username, (), devices) if devices else None

    async def _by_number(self, destination: Destination) -> Route:
        if self._lab and self._is_magic_number(destination.user):
            return ToTrunks(self._lab, destination.user)
        if (route := await self._to_owner_of_number(destination)) is not None:
            return route
        if not destination.is_number or not self._trunks:
            return Refused(NO_ROUTE_DESTINATION, NO_ROUTE_REASON)
        ordered = tuple(self._trunks[name] for name in self._order_trunks(tuple(self._trunks)))
        return ToTrunks(ordered, destination.user)


def _called(route: ToClient | ToUser | ToPhones) -> tuple[str, str | None]:
    """The user that a route leads to, and its connection, as far as it is known."""
    match route:
        case ToPhones(user):
            return user.username, user.identity.connection_id
        case ToUser(username, sessions):
            return username, sessions[0].identity.connection_id if sessions else None
        case ToClient(session):
            return session.identity.username, session.identity.connection_id


def _rank(client: ClientSession) -> tuple[bool, datetime]:
    """The connection's own user name before its credentials' (`vsp.registry`), then the last to come."""
    return client.identity.credential_id is None, client.logged_in_at


def _phone_rank(phones: PhoneUser) -> tuple[bool, datetime]:
    return phones.identity.credential_id is None, phones.registered_at


def _number_without_route(route: Route, text: str) -> str | None:
    """The number that was dialled and leads nowhere."""
    if not isinstance(route, Refused) or route.cause is not NO_ROUTE_DESTINATION:
        return None
    destination = parse_destination(text)
    return destination.user if destination is not None and destination.is_number else None
