"""The pump between transports and transactions: sockets below, a user agent above (RFC 3261 sections 9, 17, 18)."""

import asyncio
import random as random_numbers
import secrets
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_MESSAGES_REFUSED, SIP_REQUESTS, SIP_RESPONSES, closed
from gateway.sip.core.banning import Ban, Offence
from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.failed import FailedAddresses
from gateway.sip.core.framing import Broken
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.headers.via import MAGIC_COOKIE, Via
from gateway.sip.core.message import BrokenMessage, Request, Response, parse, response_to, salvage, serialize
from gateway.sip.core.methods import METHODS
from gateway.sip.core.transaction.invite_client import InviteClient, cancel_of
from gateway.sip.core.transaction.invite_server import InviteServer
from gateway.sip.core.transaction.machine import TimerValues
from gateway.sip.core.transaction.matching import (
    ClientKey,
    ServerKey,
    cancelled_key_of,
    client_key_of,
    server_key_of,
)
from gateway.sip.core.transaction.non_invite_client import NonInviteClient
from gateway.sip.core.transaction.non_invite_server import NonInviteServer
from gateway.sip.doorkeeper import Doorkeeper
from gateway.sip.failover import Attempts
from gateway.sip.observer import Observer, PassingMessage
from gateway.sip.refusals import Refusals, reply_flow, stamp_via
from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings
from gateway.sip.transactions import ClientTransaction, ServerTransaction
from gateway.sip.transport.flow import Destination, Flow
from gateway.sip.transport.locate import DEFAULT_PORT, Locator, default_port
from gateway.sip.transport.names import Names
from gateway.sip.transport.network import Listener, Network
from gateway.sip.transport.pinger import PING
from gateway.sip.transport.tls_contexts import TlsContexts

__all__ = ["ClientTransaction", "Destination", "Endpoint", "ServerTransaction"]

STRANGERS_SHARE: Final = 4
"""One of so many server transactions may belong to requests of sources that may not call us."""

MAX_FORWARDS: Final = ("Max-Forwards", "70")
"""RFC 3261 section 8.1.1.6; put into a request that has none."""

VIA_ROOM: Final = 120
"""Bytes that our Via adds to a request, at most but for very long host names."""

MTU_MARGIN: Final = 200
"""Bytes that a request over UDP stays below the path MTU, for the response, which is larger."""

_KEEP_ALIVE: Final = b"\r\n\x00\t "
"""Datagrams of these bytes only keep a NAT binding open: no message and no mistake."""

_log = get_logger()


def _token() -> str:
    return secrets.token_hex(8)


def _not_ready(transaction: ServerTransaction, request: Request) -> None:
    transaction.respond(response_to(request, 503, to_tag=transaction.to_tag))


class Endpoint:
    """Transports, transactions and timers of one SIP user agent.

    Set the callbacks before `start`. They are called on the loop's thread and must not block; what one raises
    is logged, and a request whose callback raised is answered 500.

    Args:
        tls: certificates and authorities; needed for a TLS listener, and for connections over TLS.
        tokens: fresh and unguessable at each call, a token of RFC 3261; for branches and tags.
        never_ban: networks of those that may call us, beside those that the settings allow.
        random: from 0 up to but not including 1; draws among servers of the same priority.
    """

    on_request: Callable[[ServerTransaction, Request], None]
    """Each new request once: no retransmissions, no ACK, no CANCEL. Must `respond` or `ignore`, now or later."""

    on_cancel: Callable[[ServerTransaction, Request], None]
    """A CANCEL for that INVITE, which has no final response yet: answer it 487. The CANCEL itself is answered."""

    on_ack: Callable[[Request, Destination], None]
    """An ACK that is not for a 3xx-6xx of ours."""

    accept: Callable[[Destination], bool]
    """Who may send us requests. Others get 403 for an INVITE and silence for the rest; but their requests with a To
    tag are passed on, because a dialog's far end may have several addresses: the user agent knows its dialogs."""

    on_flow_closed: Callable[[Flow], None]
    """A connection on which nothing can be sent any more."""

    screen: Callable[[Request, Destination], Refusal | bool]
    """Looks at each request outside of a dialog first. A refusal is sent at once and nothing is kept: a challenge, for
    one. True lets it in wherever it comes from, because it has an answer to one; False leaves it to `accept`."""

    observe: Observer | None
    """Told of each message of those whom `accept` or `screen` lets in, of challenged INVITEs, and of all within
    dialogs; None: nobody is."""

    def __init__(
        self,
        settings: SipSettings,
        *,
        security: SipSecuritySettings | None = None,
        never_ban: Iterable[IPv4Network | IPv6Network] = (),
        tls: TlsContexts | None = None,
        tokens: Callable[[], str] = _token,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self._settings, self._tokens = settings, tokens
        security = security or SipSecuritySettings()
        self._door = Doorkeeper(security, never_ban)
        self._values = TimerValues(settings.t1, settings.t2, settings.t4)
        self._clients: dict[ClientKey, ClientTransaction] = {}
        self._servers: dict[ServerKey, ServerTransaction] = {}
        self._strangers: set[ServerKey] = set()
        self._refusals = Refusals(salt=tokens(), is_silent=security.strangers == "silence")
        names = Names(settings.nameservers, timeout=settings.resolve_timeout / 2)
        self._locator = Locator(names, random=random, timeout=settings.resolve_timeout)
        self._failed: FailedAddresses[Destination] = FailedAddresses()
        self._network = Network(
            settings,
            accept=lambda source: self.accept(source),
            is_banned=lambda host: self._door.is_banned(host, self._now()),
            on_message=self._on_message,
            on_broken=self._on_broken,
            on_closed=self._on_flow_closed,
            tls=tls,
        )
        self.on_request = _not_ready
        self.on_cancel = lambda transaction, _cancel: _not_ready(transaction, transaction.request)
        self.on_ack = lambda _ack, _source: None
        self.accept = lambda _source: True
        self.on_flow_closed = lambda _flow: None
        self.screen = lambda _request, _source: False
        self.observe = None

    @property
    def listeners(self) -> tuple[Listener, ...]:
        """What is bound, with the real ports."""
        return self._network.listeners

    @property
    def transaction_count(self) -> int:
        """Client and server transactions that live; each ends by its timers."""
        return len(self._clients) + len(self._servers)

    @property
    def connection_count(self) -> int:
        """TCP connections that hold a socket or are being opened."""
        return self._network.connection_count

    async def start(self) -> None:
        """Bind the listeners; raises ListenFailed, with none left open."""
        await self._network.start()

    async def stop(self) -> None:
        """Forget all transactions, close all sockets and wait until they are closed; idempotent."""
        for transaction in [*self._clients.values(), *self._servers.values()]:
            transaction.end()
        await self._network.stop()

    # For the user agent

    def send_request(
        self,
        request: Request,
        destination: Destination,
        *,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
        flow: Flow | None = None,
    ) -> ClientTransaction:
        """Send a request in a client transaction; never for an ACK.

        Args:
            request: left as it is; a copy gets our Via and, if it has none, Max-Forwards.
            flow: the way to that destination, where it has to be this one: a phone's NAT lets nothing else in.
            on_response: each provisional response, then the final one; and every 2xx to an INVITE.
            on_failure: instead of a final response: `timeout` (timer B or F) or `transport`. Never called before
                this returns.
        Raises:
            ValueError: a request that cannot be written down (our bug).
        """
        if request.method == "ACK":
            raise ValueError("an ACK has no transaction of its own: use send_stateless")
        prepared = self._with_via(request, destination)
        transaction = self._start_client(prepared, flow or self._network.flow_to(destination), on_response, on_failure)
        self._door.spare(destination.host)
        return transaction

    def send_stateless(self, request: Request, destination: Destination, flow: Flow | None = None) -> None:
        """Send a request once, with a fresh branch and without a transaction: the ACK of a 2xx. For `flow` see above.

        Raises:
            ValueError: a request that cannot be written down (our bug).
        """
        data = serialize(self._with_via(request, destination))
        SIP_REQUESTS.labels(closed(request.method, METHODS), "out").inc()
        flow = flow or self._network.flow_to(destination)
        if flow is None or not flow.send(data):
            _log.warning("sip_request_not_sent", method=request.method, peer=str(destination))
        else:
            self.message_sent(data, request, flow)

    def hold(self, destination: Destination, on_lost: Callable[[], None] = lambda: None) -> Callable[[], None]:
        """Keep a connection of ours to that address alive (RFC 5626 section 4.4.1), until what this returns is called.

        No effect on UDP.

        Args:
            on_lost: told each time when such a connection ends; the next request there opens another one.
        """
        self._network.hold(destination, on_lost)
        return partial(self._network.release, destination, on_lost)

    def ping(self, destination: Destination) -> None:
        """Send a CRLF CRLF there to keep a NAT's mapping, over UDP only; a far end that has no use for it drops it."""
        if destination.transport == "udp" and (flow := self._network.flow_to(destination)) is not None:
            flow.send(PING)

    def contact_uri(self, user: str, destination: Destination, *, is_sips: bool = False) -> str:
        """Our Contact towards that destination; an empty `user` gives one without user part.

        Args:
            is_sips: whether the request is for a SIPS URI, so that the Contact must be one (section 8.1.1.8).
        """
        host, port = self._local_address(destination)
        transport = destination.transport
        params = () if is_sips or transport == "udp" else (("transport", transport),)
        scheme = "sips" if is_sips else "sip"
        return str(SipUri(scheme=scheme, host=host, port=port, user=user or None, params=params))

    async def resolve_all(self, uri: str) -> tuple[Destination, ...]:
        """The addresses that a request to that URI may go to, at least one, in the order to try them (RFC 3263).

        Raises:
            SipError: a broken URI, a transport without listener, or a host without usable address.
        """
        families = [(listener.transport, ":" in listener.host) for listener in self._network.listeners]
        return self._failed.in_order(await self._locator.locate(uri, families=families), self._now())

    async def resolve(self, uri: str) -> Destination:
        """The first of them; raises as `resolve_all`."""
        return (await self.resolve_all(uri))[0]

    def send_to_any(
        self,
        request: Request,
        destinations: Sequence[Destination],
        *,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
        prepare: Callable[[Request, Destination], Request] | None = None,
        on_proved: Callable[[Destination], None] | None = None,
        flow: Flow | None = None,
    ) -> Attempts:
        """Send a request to the first of these that takes it; never an ACK. Otherwise as `send_request`.

        Args:
            prepare: makes the request for one of them.
            on_proved: told which one has answered.
        """
        return Attempts(
            self._failed.in_order(
                self._with_streams(request, destinations) if flow is None else destinations, self._now()
            ),
            send=partial(self._send_one, request, prepare, flow),
            silence=self._settings.failover_after,
            on_response=on_response,
            on_failure=on_failure,
            on_proved=partial(self._on_proved, on_proved),
            on_address_failed=self._on_address_failed,
        )

    def _with_streams(self, request: Request, destinations: Sequence[Destination]) -> list[Destination]:
        """A large request goes over TCP first, and over UDP where nobody takes it there (RFC 3261 section 18.1.1)."""
        widened: list[Destination] = []
        for one in destinations:
            by_stream = replace(one, transport="tcp")
            if one.transport == "udp" and one.may_switch and self._network.listener_for(by_stream) is not None:
                widened.append(by_stream)
            widened.append(one)
        if len(widened) == len(destinations):
            return widened
        is_large = len(serialize(request)) + VIA_ROOM > self._settings.path_mtu - MTU_MARGIN
        return widened if is_large else list(destinations)

    def _send_one(
        self,
        request: Request,
        prepare: Callable[[Request, Destination], Request] | None,
        flow: Flow | None,
        destination: Destination,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
    ) -> ClientTransaction:
        prepared = request if prepare is None else prepare(request, destination)
        return self.send_request(prepared, destination, on_response=on_response, on_failure=on_failure, flow=flow)

    def _on_proved(self, tell: Callable[[Destination], None] | None, destination: Destination) -> None:
        self._failed.works(destination)
        if tell is not None:
            tell(destination)

    def _on_address_failed(self, destination: Destination, retry_after: float | None) -> None:
        seconds = self._settings.avoid_failed if retry_after is None else retry_after
        self._failed.note(destination, self._now(), seconds)

    # Who is heard

    def offend(self, source: Destination, offence: Offence) -> None:
        """Count an offence of that source, which may get it banned. Those that may call us are never banned."""
        self._door.offend(source, offence, self._now())

    def bans(self) -> tuple[Ban, ...]:
        """Who is banned, the newest ban first. Times are those of the loop's clock."""
        return self._door.bans(self._now())

    def lift_ban(self, host: str) -> bool:
        """Listen to that IP address again; whether it was banned."""
        return self._door.lift(host, self._now())

    # What comes in

    def _on_message(self, data: bytes, flow: Flow) -> None:
        now = self._now()
        if self._door.is_banned(flow.remote.host, now):
            flow.close()
            return
        if not data.strip(_KEEP_ALIVE):
            return
        if not self.accept(flow.remote) and self._door.is_beyond_rate(flow.remote, now):
            return
        try:
            message = parse(data)
        except BrokenMessage as error:
            self._refuse_broken(error, flow)
            return
        if isinstance(message, Response):
            self._receive_response(message, data, flow)
        else:
            self._receive_request(message, data, flow)

    def _saw(self, data: bytes, message: Request | Response, remote: Destination, *, is_inbound: bool) -> None:
        if self.observe is not None:
            self.observe(PassingMessage(is_inbound, data, message, remote, self._local_address(remote)))

    def _on_broken(self, frame: Broken, flow: Flow) -> None:
        self._refuse_broken(salvage(frame.head, frame.error), flow)

    def _refuse_broken(self, error: BrokenMessage, flow: Flow) -> None:
        is_stranger = not self.accept(flow.remote)
        self._refusals.refuse_broken(error, flow, self._now(), is_stranger=is_stranger)
        if is_stranger:
            self.offend(flow.remote, Offence.MALFORMED)

    def _on_flow_closed(self, flow: Flow) -> None:
        for client in [client for client in self._clients.values() if client.flow is flow]:
            client.flow_closed()
        self.on_flow_closed(flow)

    def _receive_response(self, response: Response, data: bytes, flow: Flow) -> None:
        _log.debug("sip_response_received", status=response.status, sip_call_id=response.call_id, peer=str(flow.remote))
        SIP_RESPONSES.labels(closed(response.cseq_method, METHODS), f"{response.status // 100}xx").inc()
        if len(response.headers.get_all("Via")) > 1:
            # RFC 3261 section 8.1.3.3: it was meant for somebody behind us, and we are no proxy.
            SIP_MESSAGES_REFUSED.labels("via").inc()
            return
        key = client_key_of(response)
        client = None if key is None else self._clients.get(key)
        if client is not None or self.accept(flow.remote):
            self._saw(data, response, flow.remote, is_inbound=True)
        if client is None:
            # RFC 6026 section 7: dropped, a late repeat and a forged one alike.
            _log.debug("sip_response_dropped", status=response.status, sip_call_id=response.call_id)
            return
        client.receive(response)

    def _receive_request(self, request: Request, data: bytes, flow: Flow) -> None:
        _log.debug("sip_request_received", method=request.method, sip_call_id=request.call_id, peer=str(flow.remote))
        SIP_REQUESTS.labels(closed(request.method, METHODS), "in").inc()
        stamp_via(request, flow)
        key = server_key_of(request)
        if (known := self._servers.get(key)) is not None:
            self._saw(data, request, flow.remote, is_inbound=True)
            known.receive(request)
            return
        if request.method == "ACK":
            self._saw(data, request, flow.remote, is_inbound=True)
            self.on_ack(request, flow.remote)
            return
        is_stranger = not self.accept(flow.remote)
        verdict = self._screened(request, flow)
        may_be_call = verdict is True or (isinstance(verdict, Refusal) and request.method == "INVITE")
        if not is_stranger or request.to.tag is not None or may_be_call:
            self._saw(data, request, flow.remote, is_inbound=True)
        if is_stranger and self._door.is_scanner(flow.remote, request):
            SIP_MESSAGES_REFUSED.labels("source").inc()
            self.offend(flow.remote, Offence.SCANNER)
        elif isinstance(verdict, Refusal):
            if (sent := self._refusals.challenge(request, verdict, flow)) is not None and may_be_call:
                self.message_sent(*sent)
        elif is_stranger and not verdict:
            self._refusals.refuse_stranger(request, flow, self._now())
        elif self._is_full(is_stranger=is_stranger):
            self._refusals.refuse_flood(request, flow, self._now())
        else:
            self._begin(key, request, flow, is_stranger=is_stranger)

    def _screened(self, request: Request, flow: Flow) -> Refusal | bool:
        """A refusal, or whether it may come in from anywhere: a REGISTER may have a To tag, but makes no dialog."""
        if request.to.tag is not None and request.method != "REGISTER":
            return True
        if request.method == "CANCEL" and cancelled_key_of(request) in self._servers:
            return True
        return self.screen(request, flow.remote)

    def _is_full(self, *, is_stranger: bool) -> bool:
        limit = self._settings.max_transactions
        return len(self._servers) >= limit or (is_stranger and len(self._strangers) >= limit // STRANGERS_SHARE)

    def _begin(self, key: ServerKey, request: Request, flow: Flow, *, is_stranger: bool) -> None:
        kind = InviteServer if request.method == "INVITE" else NonInviteServer
        transaction = ServerTransaction(
            kind(request, values=self._values, is_reliable=flow.is_reliable, now=self._now()),
            key=key,
            flow=reply_flow(request, flow),
            source=flow.remote,
            to_tag=self._tokens(),
            owner=self,
        )
        self._servers[key] = transaction
        if is_stranger:
            self._strangers.add(key)
        transaction.start()
        try:
            self._hand_over(transaction, request)
        except Exception:
            _log.exception("sip_request_crashed", method=request.method, sip_call_id=request.call_id)
            transaction.respond(response_to(request, 500, to_tag=transaction.to_tag))

    def _hand_over(self, transaction: ServerTransaction, request: Request) -> None:
        if request.method == "CANCEL":
            self._receive_cancel(transaction, request)
        elif request.method == "INVITE" and request.to.tag is None and request.headers.get("Max-Forwards") == "0":
            # RFC 7332: a gateway passes a call on, so that a loop through it must end here as at a proxy.
            transaction.respond(response_to(request, 483, to_tag=transaction.to_tag))
        else:
            self.on_request(transaction, request)

    def _receive_cancel(self, transaction: ServerTransaction, cancel: Request) -> None:
        invite = self._servers.get(cancelled_key_of(cancel))
        if invite is None:
            transaction.respond(response_to(cancel, 481, to_tag=transaction.to_tag))
            return
        # RFC 3261 section 9.2: the same To tag as in the responses to the INVITE.
        transaction.respond(response_to(cancel, 200, to_tag=invite.to_tag))
        if invite.is_pending:
            self.on_cancel(invite, cancel)

    # What goes out

    def _start_client(
        self,
        request: Request,
        flow: Flow | None,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
    ) -> ClientTransaction:
        is_reliable = flow is not None and flow.is_reliable
        kind = InviteClient if request.method == "INVITE" else NonInviteClient
        key = client_key_of(request)
        assert key is not None
        transaction = ClientTransaction(
            kind(request, values=self._values, is_reliable=is_reliable, now=self._now()),
            key=key,
            flow=flow,
            on_response=on_response,
            on_failure=on_failure,
            owner=self,
        )
        self._clients[key] = transaction
        SIP_REQUESTS.labels(closed(request.method, METHODS), "out").inc()
        transaction.start()
        return transaction

    def _with_via(self, request: Request, destination: Destination) -> Request:
        host, port = self._local_address(destination)
        params = Params((("branch", MAGIC_COOKIE + self._tokens()), ("rport", None)))
        headers = request.headers.copy()
        headers.prepend("Via", str(Via(destination.transport.upper(), host, port, params)))
        if "Max-Forwards" not in headers:
            headers.add(*MAX_FORWARDS)
        return Request(request.method, request.uri, headers, request.body)

    def _local_address(self, destination: Destination) -> tuple[str, int]:
        # Without a listener nothing can be sent there; the transaction then fails with `transport`.
        return self._network.local_address(destination) or ("invalid", DEFAULT_PORT)

    # For the transactions (`Owner`)

    def message_sent(self, data: bytes, message: Request | Response, flow: Flow) -> None:
        """See `Owner`."""
        self._saw(data, message, flow.remote, is_inbound=False)

    def client_over(self, key: ClientKey) -> None:
        """See `Owner`."""
        self._clients.pop(key, None)

    def server_over(self, key: ServerKey) -> None:
        """See `Owner`."""
        self._servers.pop(key, None)
        self._strangers.discard(key)

    def way_back(self, request: Request, source: Destination) -> Flow | None:
        """See `Owner`."""
        via = request.top_via
        port = via.port or default_port(source.transport)
        domain = via.host if source.transport == "tls" else ""
        return self._network.flow_to(Destination(source.transport, source.host, port, domain))

    def ack_received(self, ack: Request, source: Destination) -> None:
        """See `Owner`."""
        self.on_ack(ack, source)

    def send_cancel(self, flow: Flow | None, invite: Request, headers: Iterable[tuple[str, str]]) -> None:
        """See `Owner`. Its answer changes nothing: the INVITE's own final response ends the call, or 64*T1 (9.1)."""
        if flow is not None and not flow.is_open:
            flow = self._network.flow_to(flow.remote)
        self._start_client(cancel_of(invite, headers), flow, lambda _response: None, lambda _reason: None)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
