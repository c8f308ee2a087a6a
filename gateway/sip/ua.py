"""The user agent: calls out, calls in from the trunks, and the refusal of everything else (RFC 3261 sections 8, 11)."""

import asyncio
import random as random_numbers
import secrets
from collections.abc import Callable, Sequence
from enum import Enum
from ipaddress import ip_address
from typing import Final

from gateway.domain.causes import SWITCH_CONGESTION
from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, SipCallId
from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_MESSAGES_REFUSED
from gateway.sip.call import ArrivingCall, DepartingCall, OnSipCallEvent, Rejected, Replaces, Target
from gateway.sip.call_table import CallTable
from gateway.sip.core.accepted import Timers
from gateway.sip.core.capabilities import Refusal, find_refusal
from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.replaces import replaces_of
from gateway.sip.core.message import Request, response_to
from gateway.sip.core.reliability import Reliability
from gateway.sip.core.replies import answer_options, reason_headers
from gateway.sip.endpoint import Destination, Endpoint, ServerTransaction
from gateway.sip.incoming import Incoming
from gateway.sip.keepalive import UdpKeepAlive
from gateway.sip.outgoing import Outgoing, Services
from gateway.sip.registrar import Registrar
from gateway.sip.settings import SipSettings
from gateway.sip.tasks import TaskOwner
from gateway.sip.trunk_settings import TrunkSettings

MAX_CALLS: Final = 5000
"""Calls at once, both ways; INVITEs beyond get 503. A bound against floods, above what one process carries."""

RETRY_AFTER: Final = ("Retry-After", "5")
"""Seconds; goes with a 503."""

_log = get_logger()


class State(Enum):
    """The life of a user agent."""

    STOPPED = "stopped"
    RUNNING = "running"
    DRAINING = "draining"
    """No new calls; the old ones are being hung up."""


def _token() -> str:
    return secrets.token_hex(8)


class UserAgent:
    """One SIP user agent on one endpoint, caller and callee.

    Args:
        trunks: whoever may call us; requests from addresses outside of all `accept_from` are refused.
        registrar: lets phones in from anywhere, where they may register.
        tokens: unguessable tags, Call-IDs and client nonces, 16 characters or more.
        random: from 0 up to but not including 1, for waiting times.
    """

    on_invite: Callable[[ArrivingCall], None]
    """Takes a new call; must be set before `start`, must not block. `listen` to the call before it returns."""

    turn_away: Callable[[], int | None]
    """Asked for each call that comes, before anything is done for it: seconds after which it may come again if it is
    refused because there is too much to do, None if it is let in."""

    find_registrar: Callable[[str, str], TrunkSettings | None]
    """The trunk whose registrar has that address, as long as we are registered there: its calls are taken as well. Of
    several, the one whose user name the Request-URI given names, if any."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: SipSettings,
        trunks: Sequence[TrunkSettings],
        *,
        registrar: Registrar | None = None,
        tokens: Callable[[], str] = _token,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self.state = State.STOPPED
        self.find_registrar = lambda _host, _uri: None
        self.turn_away = lambda: None
        self._endpoint, self._trunks, self._registrar = endpoint, tuple(trunks), registrar
        self._tasks = TaskOwner()
        self._services = Services(
            endpoint=endpoint,
            tasks=self._tasks,
            timers=Timers(settings.t1, settings.t2),
            user_agent=settings.user_agent,
            session_expires=settings.session_expires,
            failover_after=settings.failover_after,
            tokens=tokens,
            random=random,
        )
        self._keep_alive = UdpKeepAlive(endpoint, self._trunks)
        self._calls = CallTable()
        self._invites: dict[tuple[str, str, str], Incoming] = {}
        self._idle = asyncio.Event()

    # Live counts: all are 0 when nothing is left (transactions a while later, RFC 3261 timers)

    @property
    def calls(self) -> int:
        """Calls that live."""
        return len(self._calls)

    @property
    def dialogs(self) -> int:
        """Dialogs that live, early and confirmed."""
        return sum(call.dialog_count for call in self._calls.all())

    @property
    def tasks(self) -> int:
        """Resolutions under way."""
        return len(self._tasks)

    @property
    def transactions(self) -> int:
        """Client and server transactions of the endpoint."""
        return self._endpoint.transaction_count

    async def start(self) -> None:
        """Open the endpoint's sockets and take calls."""
        self._endpoint.on_request = self._on_request
        self._endpoint.on_cancel = self._on_cancel
        self._endpoint.on_ack = self._on_ack
        self._endpoint.accept = self._is_known
        if (registrar := self._registrar) is not None:
            self._endpoint.screen = lambda request, source: registrar.screen(
                request, source, is_trunk=self.is_trunk(source)
            )
            self._endpoint.on_flow_closed = registrar.flow_closed
        await self._endpoint.start()
        self._keep_alive.start()
        self.state = State.RUNNING

    async def stop(self, *, grace: float) -> None:
        """Hang up what is left, wait at most `grace` seconds for the far ends, release everything; idempotent."""
        if self.state is not State.RUNNING:
            return
        self.state = State.DRAINING
        for call in self._calls.all():
            call.hangup()
        try:
            async with asyncio.timeout(grace):
                while len(self._calls):
                    self._idle.clear()
                    await self._idle.wait()
        except TimeoutError:
            _log.warning("sip_calls_dropped", count=len(self._calls))
        for call in self._calls.all():
            call.abort()
        self._calls.clear()
        self._invites.clear()
        await self._keep_alive.stop()
        await self._tasks.close()
        if self._registrar is not None:
            self._registrar.close()
        await self._endpoint.stop()
        self.state = State.STOPPED

    def invite(
        self, target: Target, sdp: Sdp, on_event: OnSipCallEvent, *, refusal: Rejected | None = None
    ) -> DepartingCall:
        """Call somebody with that offer; returns at once, events come later.

        Args:
            refusal: the outcome, if it shall not even be tried.
        Raises:
            ValueError: a header field in the target that is not the caller's to set, or that breaks a line.
        """
        may_try = self.state is State.RUNNING and len(self._calls) < MAX_CALLS
        call = Outgoing(
            target,
            sdp,
            on_event,
            services=self._services,
            refusal=refusal if may_try else Rejected(503, "Service Unavailable"),
            on_over=self._forget,
        )
        self._calls.add(call)
        return call

    def find_replaced(self, replaces: Replaces) -> SipCallId | None:
        """The live call of ours that a third party names so, None when there is none that could be replaced."""
        found = self._calls.find_replaced(replaces)
        return None if isinstance(found, Refusal) else found

    # What comes from the endpoint

    def _on_request(self, transaction: ServerTransaction, request: Request) -> None:
        trunk = self._find_trunk(transaction.source, request.uri)
        local_tag = request.to.tag
        call = self._calls.get(request.call_id, local_tag)
        is_phones = self._is_phones(request, transaction.source, is_trunk=trunk is not None)
        if trunk is None and call is None and not is_phones:
            # A stranger that made a tag up (the endpoint has refused those without): not even a 481.
            SIP_MESSAGES_REFUSED.labels("source").inc()
            transaction.ignore()
        elif request.method == "REGISTER" and self._registrar is not None:
            self._tasks.start(self._registrar.register(transaction, request))
        elif (refusal := find_refusal(request, reliability=_reliability_of(call, trunk))) is not None:
            response = response_to(
                request, refusal.status, refusal.reason, to_tag=transaction.to_tag, headers=refusal.headers
            )
            transaction.respond(response)
        elif call is not None:
            self._on_request_in_call(call, transaction, request)
        elif request.method == "INVITE" and local_tag is None:
            self._on_new_call(transaction, request, trunk, is_phones=is_phones)
        elif request.method == "OPTIONS" and local_tag is None:
            reliability = _reliability_of(call, trunk)
            transaction.respond(answer_options(request, to_tag=transaction.to_tag, reliability=reliability))
        else:
            transaction.respond(response_to(request, 481, to_tag=transaction.to_tag))

    def _on_request_in_call(self, call: Incoming | Outgoing, transaction: ServerTransaction, request: Request) -> None:
        if (driver := call.driver) is None:  # we have not sent the INVITE yet: a guessed tag
            transaction.respond(response_to(request, 481))
            return
        driver.run(driver.usage.receive(request, transaction, request.from_.tag or "", driver.now()))

    def _is_phones(self, request: Request, source: Destination, *, is_trunk: bool) -> bool:
        if self._registrar is None:
            return False
        if request.to.tag is not None and request.method != "REGISTER":
            return self._registrar.is_registered(source)
        return self._registrar.is_from_phone(request, source, is_trunk=is_trunk)

    def _on_new_call(
        self, transaction: ServerTransaction, invite: Request, trunk: TrunkSettings | None, *, is_phones: bool
    ) -> None:
        """A phone or a trunk calls."""
        if self._is_turned_away(transaction, invite):
            return
        if is_phones and self._registrar is not None:
            self._tasks.start(self._admit_phone(self._registrar, transaction, invite))
        elif trunk is not None:
            self._on_invite(transaction, invite, trunk)

    def _is_turned_away(self, transaction: ServerTransaction, invite: Request) -> bool:
        """Whether there is too much to do for a new call, which is answered then (RFC 3261 section 21.5.4).

        Not one that takes the place of another (RFC 3891): that other call goes on by it.
        """
        if "Replaces" in invite.headers or (seconds := self.turn_away()) is None:
            return False
        headers = (("Retry-After", str(seconds)), *reason_headers(SWITCH_CONGESTION.code))
        transaction.respond(response_to(invite, 503, to_tag=transaction.to_tag, headers=headers))
        return True

    async def _admit_phone(self, registrar: Registrar, transaction: ServerTransaction, invite: Request) -> None:
        """A phone calls: it is let in as the user whose password it knows."""
        try:
            found = await registrar.identify(invite, transaction.source)
            if not transaction.is_pending:
                return  # cancelled meanwhile
            if isinstance(found, Identity):
                self._on_invite(transaction, invite, None, found)
                return
        except Exception:  # a defect of ours: the phone hears of it, and so does the loop
            transaction.respond(response_to(invite, 500, to_tag=transaction.to_tag))
            raise
        response = response_to(invite, found.status, found.reason, to_tag=transaction.to_tag, headers=found.headers)
        transaction.respond(response)

    def _on_invite(
        self,
        transaction: ServerTransaction,
        invite: Request,
        trunk: TrunkSettings | None,
        identity: Identity | None = None,
    ) -> None:
        merge_key = (invite.call_id, invite.from_.tag or "", str(invite.cseq))
        if merge_key in self._invites:  # the same request by another way (section 8.2.2.2)
            transaction.respond(response_to(invite, 482, to_tag=transaction.to_tag))
            return
        if self.state is not State.RUNNING or len(self._calls) >= MAX_CALLS:
            transaction.respond(response_to(invite, 503, to_tag=transaction.to_tag, headers=(RETRY_AFTER,)))
            return
        replaced = self._find_replaced(invite)
        if isinstance(replaced, Refusal):
            transaction.respond(response_to(invite, replaced.status, replaced.reason, to_tag=transaction.to_tag))
            return
        call = Incoming(
            transaction,
            invite,
            trunk=trunk,
            identity=identity,
            services=self._services,
            replaces=replaced,
            on_over=lambda call: self._forget_incoming(call, merge_key),
        )
        self._calls.add(call)
        self._invites[merge_key] = call
        try:
            self.on_invite(call)
        except BaseException:
            call.reject(500, "Server Internal Error")
            raise

    def _find_replaced(self, invite: Request) -> SipCallId | Refusal | None:
        """The call that the INVITE shall take the place of, or why it may not (RFC 3891 section 3)."""
        try:
            replaces = replaces_of(invite.headers)
        except SipParseError:
            return Refusal(400, "Bad Replaces")
        return None if replaces is None else self._calls.find_replaced(replaces)

    def _on_cancel(self, transaction: ServerTransaction, cancel: Request) -> None:
        invite = transaction.request
        call = self._calls.get(invite.call_id, invite.to.tag or transaction.to_tag)
        if call is not None and (driver := call.driver) is not None:
            driver.run(driver.usage.cancel(cancel))
        elif call is None:  # a phone's, whose digest is still being looked at
            transaction.respond(response_to(invite, 487, to_tag=transaction.to_tag))

    def _on_ack(self, ack: Request, _source: Destination) -> None:
        call = self._calls.get(ack.call_id, ack.to.tag)
        if call is not None and (driver := call.driver) is not None:
            driver.run(driver.usage.receive_ack(ack))

    # Who may call

    def is_trunk(self, source: Destination) -> bool:
        """Whether a trunk may call us from there."""
        return self._find_trunk(source) is not None

    def _is_known(self, source: Destination) -> bool:
        is_phone = self._registrar is not None and self._registrar.is_registered(source)
        return is_phone or self.is_trunk(source)

    def _find_trunk(self, source: Destination, request_uri: str = "") -> TrunkSettings | None:
        address = ip_address(source.host)
        known = (trunk for trunk in self._trunks if any(address in network for network in trunk.accept_from))
        return next(known, None) or self.find_registrar(source.host, request_uri)

    # The end of a call

    def _forget(self, call: Incoming | Outgoing) -> None:
        self._calls.forget(call)
        if not len(self._calls):
            self._idle.set()

    def _forget_incoming(self, call: Incoming, merge_key: tuple[str, str, str]) -> None:
        self._invites.pop(merge_key, None)
        self._forget(call)


def _reliability_of(call: Incoming | Outgoing | None, trunk: TrunkSettings | None) -> Reliability:
    """Of the call that a request belongs to, else of the trunk that it comes from; a phone may have it."""
    if call is not None:
        return call.reliability
    return "supported" if trunk is None else trunk.reliable_provisional
