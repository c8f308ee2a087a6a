"""Dialogs (RFC 3261 section 12): ids by tag pair, route sets, remote target, sequence numbers. Pure state."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Self

from gateway.domain.ids import SipCallId
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Headers, Request, Response

MAX_FORWARDS: Final = "70"


class Stage(Enum):
    """How far a dialog is, as RFC 3891 section 3 asks it."""

    EARLY_OURS = "early_ours"
    """Not confirmed; the INVITE is ours."""
    EARLY_THEIRS = "early_theirs"
    """Not confirmed; the INVITE is theirs."""
    CONFIRMED = "confirmed"
    OVER = "over"
    """Ended, or its BYE is under way."""


@dataclass(frozen=True, slots=True)
class DialogId:
    """What makes a dialog one (section 12): its own tag and the peer's change places at the other end."""

    sip_call_id: SipCallId
    local_tag: str
    remote_tag: str


@dataclass(slots=True, kw_only=True)
class Dialog:
    """One dialog, early or confirmed.

    Attributes:
        local: our From value with its tag, byte for byte as it was first sent or received.
        remote: the To value of our requests, likewise; without a tag if the peer is older than RFC 3261.
        route_set: Route values in the order in which our requests carry them.
        remote_target: URI of the peer's Contact.
        local_seq: CSeq number of our last request; `remote_seq` of the peer's. None before the first.
    """

    dialog_id: DialogId
    local: str
    remote: str
    route_set: tuple[str, ...]
    remote_target: str
    local_seq: int | None
    remote_seq: int | None

    @classmethod
    def from_invite(cls, invite: Request, *, local_tag: str) -> Self:
        """The server's side, section 12.1.1: Record-Route in the order of the request.

        Raises:
            SipError: From, To, CSeq, Contact or Record-Route are no good.
        """
        return cls(
            dialog_id=DialogId(SipCallId(invite.call_id), local_tag, invite.from_.tag or ""),
            local=f"{invite.headers.get('To')};tag={local_tag}",
            remote=invite.headers.get("From") or "",
            route_set=_record_route(invite.headers),
            remote_target=_contact(invite.headers) or invite.from_.uri,
            local_seq=None,
            remote_seq=invite.cseq.number,
        )

    @classmethod
    def from_response(cls, invite: Request, response: Response) -> Self:
        """The client's side, section 12.1.2: Record-Route reversed.

        A 2xx makes it anew even when a provisional response made it before (section 13.2.2.4: the route set is
        computed again). A response without Contact, which only a 1xx may lack, leaves the Request-URI as target.

        Raises:
            SipError: To, Contact or Record-Route are no good.
        """
        return cls(
            dialog_id=DialogId(SipCallId(invite.call_id), invite.from_.tag or "", response.to.tag or ""),
            local=invite.headers.get("From") or "",
            remote=response.headers.get("To") or "",
            route_set=tuple(reversed(_record_route(response.headers))),
            remote_target=_contact(response.headers) or invite.uri,
            local_seq=invite.cseq.number,
            remote_seq=None,
        )

    @property
    def next_hop(self) -> str:
        """The URI that our requests are sent to: the first route, strict or loose, else the remote target."""
        return NameAddr.parse(self.route_set[0]).uri if self.route_set else self.remote_target

    def request(self, method: str, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """A new request within the dialog (section 12.2.1.1), with the next CSeq number and without Via."""
        return self._build(method, self.next_number(), headers, body)

    def next_number(self) -> int:
        """Count one up for a request of ours."""
        self.local_seq = 1 if self.local_seq is None else self.local_seq + 1
        return self.local_seq

    def ack(self, invite: Request, headers: Sequence[tuple[str, str]] = (), body: bytes = b"") -> Request:
        """The ACK of a 2xx to that INVITE of ours (section 13.2.2.4): the INVITE's number, the dialog's route."""
        return self._build("ACK", invite.cseq.number, headers, body)

    def is_in_order(self, request: Request) -> bool:
        """Whether the CSeq is not lower than the last one (section 12.2.2); remembers it if so."""
        number = request.cseq.number
        if self.remote_seq is not None and number < self.remote_seq:
            return False
        self.remote_seq = number
        return True

    def refresh_target(self, message: Request | Response) -> None:
        """Take the Contact of a re-INVITE or of its 2xx as the new remote target, if there is a usable one (12.2)."""
        with suppress(SipError):
            self.remote_target = _contact(message.headers) or self.remote_target

    def _build(self, method: str, number: int, headers: Sequence[tuple[str, str]], body: bytes) -> Request:
        uri, routes = self._route()
        built = Headers()
        built.add("Max-Forwards", MAX_FORWARDS)
        for route in routes:
            built.add("Route", route)
        built.add("From", self.local)
        built.add("To", self.remote)
        built.add("Call-ID", self.dialog_id.sip_call_id)
        built.add("CSeq", f"{number} {method}")
        for name, value in headers:
            built.add(name, value)
        return Request(method, uri, built, body)

    def _route(self) -> tuple[str, tuple[str, ...]]:
        if not self.route_set:
            return self.remote_target, ()
        first = NameAddr.parse(self.route_set[0]).sip_uri
        if first.param("lr") is not None:
            return self.remote_target, self.route_set
        # A strict router (RFC 2543): it wants itself in the Request-URI and the target as the last route. Of the
        # URI's parts, `method` and header fields may not stand in a Request-URI (section 19.1.1).
        params = tuple((name, value) for name, value in first.params if name.lower() != "method")
        return str(replace(first, params=params, headers=())), (*self.route_set[1:], f"<{self.remote_target}>")


def _record_route(headers: Headers) -> tuple[str, ...]:
    routes = tuple(headers.get_all("Record-Route"))
    for route in routes:
        SipUri.parse(NameAddr.parse(route).uri)
    return routes


def _contact(headers: Headers) -> str | None:
    contacts = headers.get_all("Contact")
    if not contacts:
        return None
    uri = NameAddr.parse(contacts[0]).uri
    SipUri.parse(uri)
    return uri
