"""A call that we make: the `OutgoingCall` of `call.py`."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from gateway.domain.ids import Sdp, SipCallId
from gateway.sip.call import OnSipCallEvent, Rejected, Target
from gateway.sip.core.accepted import Timers
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.capabilities import ALLOW, SDP, SUPPORTED
from gateway.sip.core.context import Context
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.replaces import format_replaces
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.invite_client import InviteClient
from gateway.sip.core.message import Headers, Request
from gateway.sip.core.reasons import reason_phrase
from gateway.sip.core.reliability import Reliability, option_headers
from gateway.sip.core.session_timer import asking
from gateway.sip.core.upward import unheard
from gateway.sip.driver import Driver
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.in_dialog import InDialog
from gateway.sip.tasks import TaskOwner

RESERVED: Final = frozenset(
    {"via", "from", "to", "call-id", "cseq", "contact", "max-forwards", "route", "record-route", "content-length"}
    | {"content-type", "allow", "supported", "require", "proxy-require", "user-agent"}
    | {"authorization", "proxy-authorization", "replaces", "session-expires", "min-se", "rseq", "rack"}
)
"""Header fields that are ours to set; `Target.headers` may not name them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a user agent lends to its calls. `tokens` gives unguessable tags and nonces, `random` 0 up to 1."""

    endpoint: Endpoint
    tasks: TaskOwner
    timers: Timers
    user_agent: str
    session_expires: int
    failover_after: float
    tokens: Callable[[], str]
    random: Callable[[], float]

    def now(self) -> float:
        """The running loop's clock."""
        return asyncio.get_running_loop().time()

    def authentication(
        self, username: str | None, password: str | None, *, hosts: tuple[str, ...], realm: str | None
    ) -> Authentication | None:
        """What answers challenges from these hosts; None without user name or password."""
        if username is None or password is None:
            return None
        return Authentication(username, password, hosts=hosts, new_cnonce=self.tokens, realm=realm)

    def context(self, contact_uri: str, reliability: Reliability) -> Context:
        """The context of a call's core."""
        return Context(
            contact=f"<{contact_uri}>",
            user_agent=self.user_agent,
            timers=self.timers,
            random=self.random,
            session_expires=self.session_expires,
            reliability=reliability,
        )


class Outgoing(InDialog):
    """One call of ours. Before its destination is resolved there is nothing to cancel: `hangup` just drops it.

    Args:
        refusal: the outcome, if it shall not even be tried.
        on_over: called once when nothing is left of it.
    Raises:
        ValueError: a header field of the target that is reserved, or that no message could carry.
    """

    def __init__(
        self,
        target: Target,
        sdp: Sdp,
        on_event: OnSipCallEvent,
        *,
        services: Services,
        refusal: Rejected | None,
        on_over: Callable[["Outgoing"], None],
    ) -> None:
        super().__init__()
        self.sip_call_id = SipCallId(services.tokens() + services.tokens())
        self.local_tag = services.tokens()
        self._target, self._sdp, self._on_event = target, sdp, on_event
        self._services, self._on_over = services, on_over
        self.reliability = target.reliable_provisional
        self._headers = _extra_headers(target.headers)
        self.driver = None
        self._refusal = refusal
        self._is_ended = False
        self._dialing = services.tasks.start(self._dial())

    @property
    def dialog_count(self) -> int:
        """Dialogs that live."""
        return 0 if self.driver is None else self.driver.usage.dialog_count

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Drop it, CANCEL or BYE."""
        if self.driver is not None:
            self.driver.stay()
            self.driver.run(self.driver.usage.hangup(q850, self.driver.now(), tuple(headers)))
        elif not self._is_ended:
            self._dialing.cancel()
            self._fail(Rejected(487, "Request Terminated"))

    def abort(self) -> None:
        """Let everything go at once."""
        self._is_ended = True
        self._dialing.cancel()
        if self.driver is not None:
            self.driver.abort()
        self._be_gone()

    async def _dial(self) -> None:
        if self._refusal is not None:
            self._fail(self._refusal)
            return
        try:
            target, caller = SipUri.parse(self._target.uri), SipUri.parse(self._target.from_uri)
            flow = self._target.flow
            here = (flow.remote,) if flow is not None and flow.is_open else None
            self._start(target, caller, here or await self._services.endpoint.resolve_all(self._next_hop))
        except SipError as exc:
            self._fail(Rejected(exc.sip_status, reason_phrase(exc.sip_status)))
        except Exception:  # a defect of ours: the call must not stay, the loop reports it
            self._fail(Rejected(500, "Server Internal Error"))
            raise

    def _start(self, target: SipUri, caller: SipUri, destinations: tuple[Destination, ...]) -> None:
        services, flow = self._services, self._target.flow
        contact_uri = partial(services.endpoint.contact_uri, caller.user or "", is_sips=target.scheme == "sips")
        context = services.context(contact_uri(destinations[0]), self.reliability)
        core = InviteClient(
            self._invite(context),
            next_hop=self._next_hop,
            context=context,
            authentication=services.authentication(
                self._target.username,
                self._target.password,
                hosts=(target.host, SipUri.parse(self._next_hop).host, *(one.host for one in destinations)),
                realm=self._target.realm,
            ),
            follows_redirects=self._target.follow_redirects,
            silence_limit=services.failover_after * len(destinations) if self._target.has_alternative else None,
            now=services.now(),
        )
        self.driver = Driver(
            core,
            endpoint=services.endpoint,
            tasks=services.tasks,
            flow=flow,
            on_over=self._over,
            is_bound_to_flow=flow is not None,
            prepare=partial(_under_contact, context, contact_uri),
            may_open_keys=self._target.may_open_keys,
        )
        self.driver.listen(self._on_event)
        self.driver.know(self._next_hop, destinations)
        self.driver.run(core.start())

    @property
    def _next_hop(self) -> str:
        """The first proxy on the way, or the target itself (RFC 3261 section 8.1.2)."""
        routes = self._target.routes
        return NameAddr.parse(routes[0]).uri if routes else self._target.uri

    def _invite(self, context: Context) -> Request:
        from_ = NameAddr(self._target.from_uri, self._target.from_name)
        headers = Headers(
            (
                ("Max-Forwards", str(self._target.max_forwards)),
                *(("Route", route) for route in self._target.routes),
                ("From", f"{from_};tag={self.local_tag}"),
                ("To", f"<{_address_of_record(self._target.to_uri or self._target.uri)}>"),
                ("Call-ID", self.sip_call_id),
                ("CSeq", "1 INVITE"),
                ("Contact", context.contact),
                ALLOW,
                *option_headers(SUPPORTED[1], context.reliability),
                *self._replacing(),
                *asking(context.session_expires),
                ("User-Agent", context.user_agent),
                *self._headers,
                ("Content-Type", SDP),
            )
        )
        return Request("INVITE", self._target.uri, headers, self._sdp.encode())

    def _replacing(self) -> tuple[tuple[str, str], ...]:
        """RFC 3891 section 4: Require, because a far end that does not know Replaces would ring a second phone."""
        replaces = self._target.replaces
        return () if replaces is None else (("Replaces", format_replaces(replaces)), ("Require", "replaces"))

    def _over(self) -> None:
        self._on_over(self)
        self._be_gone()
        self._on_event = unheard  # whoever listens holds this call

    def _fail(self, rejected: Rejected) -> None:
        self._is_ended = True
        tell = self._on_event
        self._over()
        tell(rejected)


def _under_contact(
    context: Context, contact_uri: Callable[[Destination], str], request: Request, destination: Destination
) -> Request:
    """The INVITE for one of several addresses: its Contact is the one under which that far end reaches us.

    The call then stays under it; a request in a dialog changes nothing.
    """
    if request.method != "INVITE" or request.to.tag is not None:
        return request
    contact = f"<{contact_uri(destination)}>"
    if contact == request.headers.get("Contact"):
        return request
    context.contact = contact
    headers = request.headers.copy()
    headers.set("Contact", contact)
    return Request(request.method, request.uri, headers, request.body)


def _extra_headers(headers: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    if reserved := [name for name, _ in headers if name.lower() in RESERVED]:
        raise ValueError(f"header fields that are not the caller's to set: {reserved}")
    return tuple(Headers(headers).items())


def _address_of_record(uri: str) -> str:
    """The Request-URI without what may not stand in To (RFC 3261 section 19.1.1, table 1)."""
    parsed = SipUri.parse(uri)
    params = tuple((name, value) for name, value in parsed.params if name.lower() == "user")
    return str(replace(parsed, port=None, params=params, headers=()))
