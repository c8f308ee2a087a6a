"""A request that is tried at one address after the other (RFC 3263 section 4.3)."""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Protocol

from gateway.observability.logging import get_logger
from gateway.sip.core.message import Response
from gateway.sip.core.replies import rejection
from gateway.sip.core.upward import unheard
from gateway.sip.transactions import ClientTransaction
from gateway.sip.transport.flow import Destination

_log = get_logger()


class Send(Protocol):
    """Starts a client transaction at one address."""

    def __call__(
        self,
        destination: Destination,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
    ) -> ClientTransaction: ...


class Attempts:
    """One request as its sender sees it, over as many client transactions as it takes.

    The next address is tried when one cannot be reached, says 503, or stays silent, as long as nothing else was heard.
    RFC 3263 lets timer B or F run out for silence; we wait less, and therefore do not forget the older attempt: a
    ringing phone there gets a CANCEL, a 2xx is passed on like that of any other fork.

    Args:
        destinations: at least one, in the order to try them.
        silence: seconds without any response after which the next one is tried.
        on_proved: told which one has answered.
        on_address_failed: told which one did not, and the Retry-After of a 503 in seconds.
    """

    def __init__(
        self,
        destinations: Sequence[Destination],
        *,
        send: Send,
        silence: float,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
        on_proved: Callable[[Destination], None],
        on_address_failed: Callable[[Destination, float | None], None],
    ) -> None:
        self._left = list(destinations)
        self._send: Send | None = send
        self._silence = silence
        self._on_response, self._on_failure = on_response, on_failure
        self._on_proved: Callable[[Destination], None] = on_proved
        self._on_address_failed: Callable[[Destination, float | None], None] = on_address_failed
        self._attempts: list[ClientTransaction] = []
        self._current = self._left[0]
        self._is_settled = False
        """Something was heard, or is not wanted any more: no further address is tried."""
        self._is_final = False
        self._timer: asyncio.TimerHandle | None = None
        self._next()

    def cancel(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """CANCEL an INVITE wherever it went, as `ClientTransaction.cancel`."""
        self._settle()
        for attempt in self._attempts:
            attempt.cancel(tuple(headers))

    def stay(self) -> None:
        """Try no further address: nobody wants the request any more, but where it went its end is waited for."""
        self._settle()

    def abandon(self) -> None:
        """Forget it at once: no callback comes any more."""
        self._settle()
        self._is_final = True
        for attempt in self._attempts:
            attempt.abandon()

    def _try_next(self, reason: str) -> None:
        _log.info("sip_next_address_tried", peer=str(self._left[0]), failed=str(self._current), reason=reason)
        self._next()

    def _next(self) -> None:
        assert self._send is not None
        self._disarm()
        self._current = self._left.pop(0)
        number = len(self._attempts)
        self._attempts.append(
            self._send(self._current, partial(self._take_response, number), partial(self._take_failure, number))
        )
        if self._left:
            self._timer = asyncio.get_running_loop().call_later(self._silence, self._on_silence)

    def _take_response(self, number: int, response: Response) -> None:
        if number < len(self._attempts) - 1:
            self._take_late_response(number, response)
            return
        if response.status == 503 and not self._is_settled:
            self._on_address_failed(self._current, rejection(response).retry_after)
            # The same server by another transport is no other server.
            place = (self._current.host, self._current.port)
            self._left = [one for one in self._left if (one.host, one.port) != place]
            if self._left:
                self._try_next("503")
                return
        elif not self._is_settled:
            proved = self._on_proved
            self._settle()
            proved(self._current)
        self._pass_on(response)

    def _take_late_response(self, number: int, response: Response) -> None:
        """From an address that we had given up."""
        attempt = self._attempts[number]
        is_invite = attempt.request.method == "INVITE"
        if response.is_provisional:
            if is_invite:
                attempt.cancel()
            return
        if response.is_success and not (self._is_final and not is_invite):
            self._settle()
            if is_invite:
                self._attempts[-1].cancel()
            self._pass_on(response)

    def _take_failure(self, number: int, reason: str) -> None:
        if number < len(self._attempts) - 1:
            return
        if not self._is_settled:
            self._on_address_failed(self._current, None)
            if self._left:
                self._try_next(reason)
                return
        self._settle()
        if not self._is_final:
            self._is_final = True
            self._on_failure(reason)

    def _pass_on(self, response: Response) -> None:
        if not response.is_provisional:
            if self._is_final and not (response.is_success and response.cseq_method == "INVITE"):
                return
            self._settle()
            self._is_final = True
        self._on_response(response)

    def _on_silence(self) -> None:
        self._timer = None
        self._on_address_failed(self._current, None)
        self._try_next("silence")

    def _settle(self) -> None:
        self._is_settled = True
        # The transaction of an INVITE holds this for half a minute: what tries further addresses need not wait as well.
        self._send, self._on_proved, self._on_address_failed = None, unheard, unheard
        self._disarm()

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
