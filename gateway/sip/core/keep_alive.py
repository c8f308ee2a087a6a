"""The refreshes of ours that keep the session of one confirmed dialog alive (RFC 4028 section 7.4). Does no I/O."""

from gateway.sip.core.actions import Action, ClientRequest, Failure, Send
from gateway.sip.core.authentication import Authentication, retried
from gateway.sip.core.context import Context
from gateway.sip.core.message import Response
from gateway.sip.core.negotiation import Negotiation
from gateway.sip.core.referee import SendInDialog
from gateway.sip.core.reinvite import Lose, Reinviter


class KeepAlive:
    """Refreshes by UPDATE where the far end takes it, else by a re-INVITE that says the same once more."""

    def __init__(
        self,
        negotiation: Negotiation,
        *,
        context: Context,
        authentication: Authentication | None,
        reinviter: Reinviter,
        send: SendInDialog,
        lose: Lose,
    ) -> None:
        self._negotiation, self._context, self._authentication = negotiation, context, authentication
        self._reinviter, self._send, self._lose = reinviter, send, lose
        self._update: ClientRequest | None = None

    def refresh(self, now: float) -> list[Action]:
        """Say that the session goes on."""
        if not self._negotiation.may_update:
            return self._reinviter.refresh(now)
        headers = (
            *self._context.invite_headers,
            *self._negotiation.timer.request_lines(),
            ("User-Agent", self._context.user_agent),
        )
        send = self._send("UPDATE", headers, b"")
        self._update = send.client_request
        return [send]

    def on_response(self, client_request: ClientRequest, response: Response, now: float) -> list[Action]:
        """A response to our UPDATE."""
        negotiation = self._negotiation
        if client_request is not self._update or response.status < 200:
            return []
        self._update = retried(self._authentication, client_request, response, negotiation.dialog)
        if self._update is not None:
            return [Send(self._update)]
        if response.status < 300:
            negotiation.dialog.refresh_target(response)
            negotiation.established(response, now)
            return []
        if response.status in (408, 481):
            return self._lose("dialog_lost")
        if response.status in (405, 501):
            negotiation.may_update = False
            return self.refresh(now)
        if response.status == 422 and negotiation.timer.raise_to(response):
            return self.refresh(now)
        negotiation.timer.try_again()
        return []

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No response to our UPDATE."""
        if client_request is not self._update:
            return []
        self._update = None
        if failure == "timeout":
            return self._lose("dialog_lost")
        self._negotiation.timer.try_again()
        return []
