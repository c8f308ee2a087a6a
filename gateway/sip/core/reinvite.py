"""The re-INVITEs of ours in one confirmed dialog (RFC 3261 section 14.1). Does no I/O."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Rejected
from gateway.sip.core.actions import Action, Cancel, ClientRequest, Failure, OnResult, Report, Send, SendAck
from gateway.sip.core.authentication import Authentication, ack_headers, retried
from gateway.sip.core.capabilities import SDP, sdp_of
from gateway.sip.core.context import Context
from gateway.sip.core.message import Response
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.offer_answer import Move
from gateway.sip.core.referee import SendInDialog
from gateway.sip.core.replies import rejection

Lose = Callable[[str], list[Action]]
"""Ends the dialog from our side, for that reason (`call.Ended.reason`)."""


class ReinviteState(Enum):
    """Where a re-INVITE of ours stands."""

    WAITING = "waiting"
    """Not sent, or refused with 491: the time of section 14.1 runs."""
    SENT = "sent"
    """No response yet; the transaction's timer B is its deadline."""
    PROCEEDING = "proceeding"
    """A provisional response came; 64*T1 are left for the final one."""
    CANCELLING = "cancelling"
    """That time ran out and a CANCEL went after it; 64*T1 are left."""


@dataclass(slots=True)
class Reinvite:
    """The one re-INVITE of ours. `is_retry`: it has waited once for a 491 or for an INVITE of the far end.

    `on_result` is None for one that only refreshes the session.
    """

    sdp: Sdp
    on_result: OnResult | None
    state: ReinviteState = ReinviteState.WAITING
    client_request: ClientRequest | None = None
    deadline: float | None = None
    is_retry: bool = False


def glare_delay(random: float, *, is_call_id_owner: bool) -> float:
    """Seconds to wait after a 491, in steps of 10 ms: 2.1-4 for the owner of the Call-ID, else 0-2 (section 14.1).

    Args:
        random: from 0 up to but not including 1.
    """
    first, last = (210, 400) if is_call_id_owner else (0, 200)
    return (first + int(random * (last - first + 1))) / 100


class Reinviter:
    """Sends one re-INVITE at a time; a second one waits only for the end of a refresh.

    Args:
        send: makes a request within the dialog.
        lose: ends the dialog.
        is_call_id_owner: we sent the INVITE that made the dialog (for the waiting time after a 491).
        is_blocked: whether an INVITE of the far end is under way.
    """

    def __init__(
        self,
        negotiation: Negotiation,
        *,
        context: Context,
        authentication: Authentication | None,
        send: SendInDialog,
        lose: Lose,
        is_call_id_owner: bool,
        is_blocked: Callable[[], bool],
    ) -> None:
        self._negotiation, self._context, self._authentication = negotiation, context, authentication
        self._send, self._lose = send, lose
        self._is_call_id_owner, self._is_blocked = is_call_id_owner, is_blocked
        self._current: Reinvite | None = None
        self._queued: Reinvite | None = None
        """One that waits for the end of a re-INVITE that only refreshes."""

    @property
    def is_sent(self) -> bool:
        """Whether one is on the wire."""
        return self._current is not None and self._current.state is not ReinviteState.WAITING

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        return None if self._current is None else self._current.deadline

    def offer(self, sdp: Sdp, on_result: OnResult, now: float) -> list[Action]:
        """Offer again. While an INVITE of the far end is under way it waits once, as after a 491."""
        if self._current is not None and self._current.on_result is None and self._queued is None:
            self._queued = Reinvite(sdp, on_result)
            return []
        if self._current is not None:
            return [Report(on_result, Rejected(491, "Request Pending"))]
        self._current = Reinvite(sdp, on_result)
        return self._try(self._current, now)

    def refresh(self, now: float) -> list[Action]:
        """Say the same once more (RFC 4028 section 7.4), unless one under way refreshes as well."""
        if self._current is not None or (sdp := self._negotiation.local_sdp) is None:
            return []
        self._current = Reinvite(sdp, None)
        return self._try(self._current, now)

    def forget(self) -> None:
        """Call control has hung up: there is no result any more."""
        self._current = self._queued = None

    def end(self) -> list[Action]:
        """The dialog is over: so are all of them."""
        actions: list[Action] = []
        while self._current is not None:
            actions += self._finish(Rejected(487, "Request Terminated"))
        return actions

    def handle_timeout(self, now: float) -> list[Action]:
        """Send what waited, cancel what only rings, give up what does not end."""
        reinvite = self._current
        if reinvite is None or reinvite.deadline is None or now < reinvite.deadline:
            return []
        if reinvite.state is ReinviteState.WAITING:
            return self._try(reinvite, now)
        assert reinvite.client_request is not None
        if reinvite.state is ReinviteState.PROCEEDING:
            reinvite.state, reinvite.deadline = ReinviteState.CANCELLING, now + self._context.timers.limit
            return [Cancel(reinvite.client_request)]
        return self._lose_by(Rejected(408, "Request Timeout"))

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to one of ours; every 2xx is acknowledged."""
        reinvite = self._current
        is_current = reinvite is not None and reinvite.client_request is client_request
        if 200 <= response.status < 300:
            actions: list[Action] = [self._acknowledge(client_request, response)]
            return [*actions, *self._take_answer(response, now)] if is_current else actions
        if reinvite is None or not is_current:
            return []  # of a re-INVITE that a hang-up has overtaken
        if response.status >= 300:
            return self._on_refused(reinvite, response, now)
        if reinvite.state is ReinviteState.SENT:
            reinvite.state, reinvite.deadline = ReinviteState.PROCEEDING, now + self._context.timers.limit
        return []

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response (sections 8.1.3.1 and 12.2.1.2)."""
        reinvite = self._current
        if reinvite is None or reinvite.client_request is not client_request:
            return []
        if failure == "transport":
            return self._finish(Rejected(503, "Service Unavailable"), Move.REFUSED)
        return self._lose_by(Rejected(408, "Request Timeout"))

    def _try(self, reinvite: Reinvite, now: float) -> list[Action]:
        """Send it, or wait once when an INVITE of the far end is under way."""
        if self._is_blocked():
            return self._wait_once(reinvite, now)
        self._negotiation.exchange.make(Move.WE_OFFER)
        headers = (
            *self._context.invite_headers,
            *self._negotiation.timer.request_lines(),
            ("User-Agent", self._context.user_agent),
            ("Content-Type", SDP),
        )
        send = self._send("INVITE", headers, reinvite.sdp.encode())
        reinvite.state, reinvite.client_request, reinvite.deadline = ReinviteState.SENT, send.client_request, None
        return [send]

    def _wait_once(self, reinvite: Reinvite, now: float) -> list[Action]:
        if reinvite.is_retry:
            return self._finish(Rejected(491, "Request Pending"))
        reinvite.is_retry, reinvite.state, reinvite.client_request = True, ReinviteState.WAITING, None
        reinvite.deadline = now + glare_delay(self._context.random(), is_call_id_owner=self._is_call_id_owner)
        return []

    def _on_refused(self, reinvite: Reinvite, response: Response, now: float) -> list[Action]:
        assert reinvite.client_request is not None
        negotiation = self._negotiation
        retry = retried(self._authentication, reinvite.client_request, response, negotiation.dialog)
        if retry is not None:
            reinvite.client_request, reinvite.state, reinvite.deadline = retry, ReinviteState.SENT, None
            return [Send(retry)]
        if response.status in (408, 481):
            return self._lose_by(rejection(response))
        if response.status == 422 and negotiation.timer.raise_to(response):
            negotiation.exchange.make(Move.REFUSED)
            return self._try(reinvite, now)
        if response.status != 491:
            return self._finish(rejection(response), Move.REFUSED)
        negotiation.exchange.make(Move.REFUSED)
        return self._wait_once(reinvite, now)

    def _acknowledge(self, client_request: ClientRequest, response: Response) -> SendAck:
        dialog = self._negotiation.dialog
        if client_request.ack is None:
            dialog.refresh_target(response)
            invite = client_request.request
            client_request.ack = dialog.ack(invite, ack_headers(self._authentication, invite, dialog.next_hop))
        return SendAck(client_request.ack, dialog.next_hop)

    def _take_answer(self, response: Response, now: float) -> list[Action]:
        assert self._current is not None
        if (sdp := sdp_of(response)) is None:  # RFC 3261 section 13.2.1: the 2xx must carry it
            return [*self._finish(Rejected(488, "No Answer In 2xx"), Move.REFUSED), *self._lose("no_answer")]
        self._negotiation.established(response, now)
        self._negotiation.local_sdp, self._negotiation.remote_sdp = self._current.sdp, sdp
        return self._finish(Answered(sdp, dict(response.headers.items())), Move.THEY_ANSWER)

    def _finish(self, result: Answered | Rejected, move: Move | None = None) -> list[Action]:
        reinvite, self._current, self._queued = self._current, self._queued, None
        assert reinvite is not None
        if self._current is not None:
            self._current.deadline = self._negotiation.timer.tried_at  # which has passed: at once
        if move is not None:
            self._negotiation.exchange.make(move)
        if isinstance(result, Rejected):
            self._negotiation.timer.try_again()
        return [] if reinvite.on_result is None else [Report(reinvite.on_result, result)]

    def _lose_by(self, result: Rejected) -> list[Action]:
        """408 and 481 to a request end the dialog (section 12.2.1.2)."""
        return [*self._finish(result, Move.REFUSED), *self._lose("dialog_lost")]
