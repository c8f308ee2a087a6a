"""The digits of ours in one confirmed dialog: an INFO each, one at a time (`info_dtmf`, RFC 6086). Does no I/O."""

from collections import deque
from typing import Final

from gateway.sip.call import DigitsUnsent
from gateway.sip.core.actions import Action, ClientRequest, Failure, Notify, Send
from gateway.sip.core.context import Context
from gateway.sip.core.info_dtmf import RELAY, format_info_dtmf
from gateway.sip.core.message import Response
from gateway.sip.core.referee import SendInDialog
from gateway.sip.core.reinvite import Lose

MAX_WAITING: Final = 64
"""Digits that may wait while an INFO is under way: what one message of a client can ask for."""


class InfoSender:
    """Sends digits in their order: the next one goes out when the one before has its final response.

    Args:
        send: makes a request within the dialog.
        lose: ends the dialog.
    """

    def __init__(self, context: Context, *, send: SendInDialog, lose: Lose) -> None:
        self._context, self._send, self._lose = context, send, lose
        self._waiting: deque[tuple[str, float | None]] = deque()
        self._current: ClientRequest | None = None

    def press(self, digits: str, duration: float | None) -> list[Action]:
        """Send these as well; those that find no room are told of, once.

        Args:
            duration: seconds of each, None for the usual.
        """
        room = MAX_WAITING - len(self._waiting) + (self._current is None)
        self._waiting.extend((digit, duration) for digit in digits[:room])
        actions = self._send_next() if self._current is None else []
        left_out = len(digits) - room
        return [*actions, Notify(DigitsUnsent(left_out, None))] if left_out > 0 else actions

    def on_response(
        self, client_request: ClientRequest, response: Response, retry: ClientRequest | None
    ) -> list[Action]:
        """A final answer to our INFO; `retry` is the INFO with credentials, when it was challenged for them."""
        if client_request is not self._current:
            return []  # a hang-up has overtaken it
        if retry is not None:
            self._current = retry
            return [Send(retry)]
        if response.status < 300:
            self._current = None
            return self._send_next()
        if response.status in (408, 481):  # RFC 3261 section 12.2.1.2
            return self._lose("dialog_lost")
        return self._give_up(response.status)

    def on_failure(self, client_request: ClientRequest, failure: Failure) -> list[Action]:
        """No final response to our INFO."""
        if client_request is not self._current:
            return []
        return self._lose("dialog_lost") if failure == "timeout" else self._give_up(503)

    def forget(self) -> None:
        """The dialog ends: nothing more is sent."""
        self._current = None
        self._waiting.clear()

    def _send_next(self) -> list[Action]:
        if not self._waiting:
            return []
        headers = (("User-Agent", self._context.user_agent), ("Content-Type", RELAY))
        send = self._send("INFO", headers, format_info_dtmf(*self._waiting.popleft()))
        self._current = send.client_request
        return [send]

    def _give_up(self, status: int) -> list[Action]:
        """Whoever refuses one refuses the others: they are dropped, and told of once."""
        count = 1 + len(self._waiting)
        self.forget()
        return [Notify(DigitsUnsent(count, status))]
