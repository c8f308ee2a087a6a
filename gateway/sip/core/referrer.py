"""A REFER of ours within a dialog, and the NOTIFYs about it (RFC 3515, 3892, 4488, 6665). Does no I/O."""

from dataclasses import dataclass
from typing import Final

from gateway.sip.call import OnReferProgress, ReferProgress, Replaces
from gateway.sip.core.actions import Action, ClientRequest, Failure, ReportRefer, Respond, Responder, Send
from gateway.sip.core.context import Context
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.params import Params
from gateway.sip.core.headers.refer_to import format_refer_to
from gateway.sip.core.headers.sipfrag import MEDIA_TYPE, parse_sipfrag
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.core.referee import SendInDialog

PATIENCE: Final = 300.0
"""Seconds from the REFER to its outcome; then it counts as 408. Longer than a phone may ring."""


@dataclass(slots=True)
class _Open:
    """The REFER of ours that is open.

    Attributes:
        client_request: the latest sending of it; its CSeq number is the id in the NOTIFYs.
        has_ended: call control has its final word; the far end may still end its subscription.
    """

    client_request: ClientRequest
    on_progress: OnReferProgress
    deadline: float
    has_ended: bool = False


class Referrer:
    """The REFERs of ours in one dialog, one at a time.

    Args:
        identity: our From value in the dialog; its URI goes into Referred-By.
    """

    def __init__(self, context: Context, send: SendInDialog, *, identity: str) -> None:
        self._context, self._send, self._identity = context, send, identity
        self._open: _Open | None = None

    def refer(self, uri: str, on_progress: OnReferProgress, replaces: Replaces | None, now: float) -> list[Action]:
        """Ask the far end to call that URI, and to take the place of that dialog there."""
        if self._open is not None and not self._open.has_ended:
            return [ReportRefer(on_progress, ReferProgress(491, "Request Pending", True))]
        try:
            refer_to = format_refer_to(uri, replaces)
        except SipError as error:
            return [ReportRefer(on_progress, ReferProgress(error.sip_status, "Bad Refer-To", True))]
        headers = (
            *self._context.invite_headers,
            ("Refer-To", refer_to),
            ("Referred-By", self._identity),
            ("User-Agent", self._context.user_agent),
        )
        send = self._send("REFER", headers, b"")
        self._open = _Open(send.client_request, on_progress, now + PATIENCE)
        return [send]

    def on_response(
        self, client_request: ClientRequest, response: Response, retry: ClientRequest | None
    ) -> list[Action]:
        """An answer to our REFER; `retry` is the REFER with credentials, when it was challenged for them."""
        one = self._open
        if one is None or one.client_request is not client_request or response.status < 200:
            return []
        if retry is not None:
            one.client_request = retry
            return [Send(retry)]
        if response.status >= 300:
            return self._finish(one, response.status, response.reason, is_gone=True)
        if one.has_ended:
            return []  # the NOTIFY with the outcome overtook it
        if (response.headers.get("Refer-Sub") or "").partition(";")[0].strip().lower() == "false":
            return self._finish(one, response.status, response.reason, is_gone=True)
        return [ReportRefer(one.on_progress, ReferProgress(response.status, response.reason, False))]

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No answer to our REFER."""
        one = self._open
        if one is None or one.client_request is not client_request:
            return []
        status, reason = (503, "Service Unavailable") if failure == "transport" else (408, "Request Timeout")
        return self._finish(one, status, reason, is_gone=True)

    def receive(self, request: Request, responder: Responder) -> list[Action]:
        """A NOTIFY in order."""
        event, semicolon, rest = (request.headers.get("Event") or "").partition(";")
        try:
            event_id = Params.parse(semicolon + rest).get("id")
            state = request.headers.get("Subscription-State") or "active"
        except SipError:
            return [Respond(responder, response_to(request, 400))]
        if event.strip().lower() != "refer":
            return [Respond(responder, response_to(request, 489, headers=(("Allow-Events", "refer"),)))]
        one = self._open
        if one is None or event_id not in (None, str(one.client_request.request.cseq.number)):
            return [Respond(responder, response_to(request, 481))]
        return [Respond(responder, response_to(request, 200)), *self._take(one, request, state)]

    def end(self) -> list[Action]:
        """The far end has ended the dialog: there will be no outcome."""
        one = self._open
        return [] if one is None else self._finish(one, 481, "Call/Transaction Does Not Exist", is_gone=True)

    def forget(self) -> None:
        """We have ended the dialog: nobody wants to know."""
        self._open = None

    @property
    def deadline(self) -> float | None:
        """When `handle_timeout` is due."""
        return None if self._open is None else self._open.deadline

    def handle_timeout(self, now: float) -> list[Action]:
        """There was no outcome in time."""
        one = self._open
        if one is None or now < one.deadline:
            return []
        return self._finish(one, 408, "Request Timeout", is_gone=True)

    def _take(self, one: _Open, request: Request, state: str) -> list[Action]:
        is_terminated = state.partition(";")[0].strip().lower() == "terminated"
        told = parse_sipfrag(request.body) if request.content_type == MEDIA_TYPE else None
        if told is not None and told[0] >= 200:
            return self._finish(one, *told, is_gone=is_terminated)
        if is_terminated:  # without an outcome, for example `reason=timeout`
            return self._finish(one, 408, "Request Timeout", is_gone=True)
        if told is None or one.has_ended:
            return []
        return [ReportRefer(one.on_progress, ReferProgress(*told, False))]

    def _finish(self, one: _Open, status: int, reason: str, *, is_gone: bool) -> list[Action]:
        """Tell call control the outcome, once."""
        had_ended, one.has_ended = one.has_ended, True
        if is_gone:
            self._open = None
        return [] if had_ended else [ReportRefer(one.on_progress, ReferProgress(status, reason, True))]
