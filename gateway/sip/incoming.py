"""A call that comes to us: the `IncomingCall` of `call.py`."""

from collections.abc import Callable, Sequence
from contextlib import suppress

from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SipCallId
from gateway.sip.call import MAX_FORWARDS, OnSipCallEvent
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.uri import SipUri, check_uri
from gateway.sip.core.invite_server import InviteServer
from gateway.sip.core.message import Request
from gateway.sip.core.reliability import Reliability
from gateway.sip.core.replies import custom_headers
from gateway.sip.driver import Driver
from gateway.sip.endpoint import ServerTransaction
from gateway.sip.in_dialog import InDialog
from gateway.sip.outgoing import Services
from gateway.sip.trunk_settings import TrunkSettings


class Incoming(InDialog):
    """One call to us.

    Args:
        trunk: the trunk that it comes from; None for a phone, which `identity` then names.
        replaces: the call of ours that it names in a Replaces.
        on_over: called once when nothing is left of it.
    """

    driver: Driver

    def __init__(
        self,
        transaction: ServerTransaction,
        invite: Request,
        *,
        trunk: TrunkSettings | None,
        identity: Identity | None = None,
        services: Services,
        replaces: SipCallId | None,
        on_over: Callable[["Incoming"], None],
    ) -> None:
        super().__init__()
        self.invite = invite
        self.sip_call_id = SipCallId(invite.call_id)
        self.local_tag = transaction.to_tag
        self.trunk = "" if trunk is None else trunk.name
        self.max_forwards = int(invite.headers.get("Max-Forwards") or MAX_FORWARDS)
        self.reliability: Reliability = "supported" if trunk is None else trunk.reliable_provisional
        self.identity = identity
        self.is_secure = transaction.source.transport not in ("udp", "tcp")
        self.replaces = replaces
        self.request_user, self.request_host = _user_and_host(invite.uri)
        if trunk is not None and trunk.register and self.request_user == trunk.username:
            # The trunk calls the contact that we registered; the number that was dialled stands in To.
            self.request_user = _user_and_host(invite.to.uri)[0] or self.request_user
        caller: NameAddr = invite.from_
        self.caller_number, self.caller_name = _user_and_host(caller.uri)[0], caller.display_name
        self.headers: Sequence[tuple[str, str]] = custom_headers(invite)
        contact_uri = services.endpoint.contact_uri(
            self.request_user, transaction.source, is_sips=_asks_for_sips(invite)
        )
        self._core = InviteServer(
            invite,
            transaction,
            local_tag=self.local_tag,
            context=services.context(contact_uri, self.reliability),
            authentication=None
            if trunk is None
            else services.authentication(
                trunk.username,
                trunk.password,
                hosts=(transaction.source.host, _user_and_host(trunk.uri)[1]),
                realm=trunk.realm,
            ),
            now=services.now(),
        )
        self.driver = Driver(
            self._core,
            endpoint=services.endpoint,
            tasks=services.tasks,
            # RFC 3581: without rport, answers go to the port in Via, but a phone's requests to where it sends from.
            flow=transaction.flow if trunk is not None else transaction.flow.to_port(transaction.source.port),
            on_over=self._over,
            is_bound_to_flow=trunk is None,
            may_open_keys=trunk is not None and trunk.srtp_over_plain_sip,
        )
        self._on_over = on_over
        self.driver.run([])

    @property
    def dialog_count(self) -> int:
        """1 while its dialog lives, early or confirmed."""
        return self._core.dialog_count

    @property
    def offer(self) -> Sdp | None:
        """The offer in the INVITE."""
        return self._core.offer

    def show(self, *, called: str, caller_number: str, caller_name: str, headers: Sequence[tuple[str, str]]) -> None:
        """See `ArrivingCall`."""
        self.request_user, self.caller_number, self.caller_name = called, caller_number, caller_name
        self.headers = headers

    def listen(self, on_event: OnSipCallEvent) -> None:
        """Set the callback; what it missed is delivered at once."""
        self.driver.listen(on_event)

    def ring(self) -> None:
        """180 without SDP."""
        self.driver.run(self._core.ring(self.driver.now()))

    def progress(self, sdp: Sdp) -> None:
        """183 with SDP."""
        self.driver.run(self._core.progress(sdp, self.driver.now()))

    def answer(self, sdp: Sdp, *, session_expires: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """200 with SDP."""
        self.driver.run(self._core.answer(sdp, self.driver.now(), session_expires, tuple(headers)))

    def reject(self, status: int, reason: str, *, q850: int | None = None, retry_after: int | None = None) -> None:
        """A final 3xx to 6xx."""
        self.driver.run(self._core.reject(status, reason, q850, retry_after))

    def hangup(self, *, q850: int | None = None, headers: Sequence[tuple[str, str]] = ()) -> None:
        """480 before the answer, BYE after it."""
        self.driver.run(self._core.hangup(q850, self.driver.now(), tuple(headers)))

    def abort(self) -> None:
        """Let everything go at once."""
        self.driver.abort()
        self._be_gone()

    def _over(self) -> None:
        self._on_over(self)
        self._be_gone()


def _asks_for_sips(invite: Request) -> bool:
    """Whether our Contact must be a SIPS URI (RFC 3261 section 12.1.1)."""
    routes = invite.headers.get_all("Record-Route") or invite.headers.get_all("Contact")
    with suppress(SipError):
        return "sips" in (check_uri(invite.uri), check_uri(NameAddr.parse(routes[0]).uri) if routes else "")
    return False


def _user_and_host(uri: str) -> tuple[str, str]:
    try:
        parsed = SipUri.parse(uri)
    except SipError:
        return "", ""
    return parsed.user or "", parsed.host
