"""Answers without a transaction: to what cannot be parsed, and to strangers (RFC 3261 section 8.2.7).

All of it is bounded, because anyone can ask for it; and nothing of it is larger than twice the question or sent twice,
because over UDP anyone can ask in the name of somebody else.
"""

import hashlib
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_MESSAGES_REFUSED
from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.headers.via import stamp
from gateway.sip.core.message import BrokenMessage, Request, Response, response_to, serialize
from gateway.sip.core.rate import TokenBucket
from gateway.sip.transport.flow import Flow
from gateway.sip.transport.locate import default_port

REPLIES_PER_SECOND: Final = 100.0
"""Stateless answers; beyond, silence."""

LINES_PER_SECOND: Final = 0.2
"""Log lines about broken messages and about strangers, each; the metric counts all of them."""

MAX_GROWTH: Final = 2
"""Over UDP, where a source address may be forged, an answer is at most so many times as long as what it answers."""

BURST_SECONDS: Final = 10
"""What may go out at once, counted in seconds of the rate: a handful of mistakes shows in full."""

_log = get_logger()


class Refusals:
    """Refuses requests without keeping anything about them.

    Args:
        salt: unguessable; makes the To tags, which must be the same for each repeat of a request.
        is_silent: never answer strangers.
    """

    def __init__(self, *, salt: str, is_silent: bool = False) -> None:
        self._salt, self._is_silent = salt, is_silent
        self._replies = TokenBucket(rate=REPLIES_PER_SECOND, burst=int(REPLIES_PER_SECOND))
        self._broken_lines = TokenBucket(rate=LINES_PER_SECOND, burst=BURST_SECONDS)
        self._stranger_lines = TokenBucket(rate=LINES_PER_SECOND, burst=BURST_SECONDS)

    def refuse_broken(self, error: BrokenMessage, flow: Flow, now: float, *, is_stranger: bool) -> None:
        """Count, log and, where the request and its Via are good enough, answer what could not be parsed.

        Strangers hear nothing: they are not to learn from their mistakes what would be taken.
        """
        SIP_MESSAGES_REFUSED.labels(_reason_of(error)).inc()
        if self._broken_lines.take(now):
            held_back = self._broken_lines.held_back()
            _log.warning("sip_message_refused", peer=str(flow.remote), error=str(error), not_logged=held_back)
        request = error.salvaged
        if request is not None and request.method != "ACK" and not is_stranger:
            stamp_via(request, flow)
            self._reply(request, error.status, flow, now)

    def refuse_stranger(self, request: Request, flow: Flow, now: float) -> None:
        """403 to an INVITE, so that a trunk that is set up wrongly learns why; silence for the rest.

        Silence for all of them where the settings want it.
        """
        SIP_MESSAGES_REFUSED.labels("source").inc()
        if self._stranger_lines.take(now):
            held_back = self._stranger_lines.held_back()
            _log.info("sip_stranger_refused", method=request.method, peer=str(flow.remote), not_logged=held_back)
        if request.method == "INVITE" and not self._is_silent:
            self._reply(request, 403, flow, now)

    def challenge(self, request: Request, refusal: Refusal, flow: Flow) -> tuple[bytes, Response, Flow] | None:
        """Say what a request lacks, and keep nothing: its sender proves its address by coming again.

        Returns:
            what has left, and which way; None when nothing has.
        """
        response = response_to(
            request, refusal.status, refusal.reason, to_tag=self._tag(request), headers=refusal.headers
        )
        data = serialize(response)
        back = reply_flow(request, flow)
        return (data, response, back) if not _is_too_much(data, request, flow) and back.send(data) else None

    def refuse_flood(self, request: Request, flow: Flow, now: float) -> None:
        """Drop a request because too many are open; its sender repeats it."""
        SIP_MESSAGES_REFUSED.labels("flood").inc()
        if self._broken_lines.take(now):
            held_back = self._broken_lines.held_back()
            _log.warning("sip_request_dropped", method=request.method, peer=str(flow.remote), not_logged=held_back)

    def _reply(self, request: Request, status: int, flow: Flow, now: float) -> None:
        data = serialize(response_to(request, status, to_tag=self._tag(request)))
        if not _is_too_much(data, request, flow) and self._replies.take(now):
            reply_flow(request, flow).send(data)

    def _tag(self, request: Request) -> str:
        parts = (self._salt, *(request.headers.get(name) or "" for name in ("Call-ID", "From", "CSeq")))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _is_too_much(data: bytes, request: Request, flow: Flow) -> bool:
    """Whether an answer is too long for its request; counted if so."""
    if flow.is_reliable or len(data) <= MAX_GROWTH * request.size:
        return False
    SIP_MESSAGES_REFUSED.labels("short").inc()
    return True


def stamp_via(request: Request, flow: Flow) -> None:
    """Note in the top Via where the request came from (RFC 3261 section 18.2.1, RFC 3581)."""
    remote = flow.remote
    top = stamp(request.headers.get_all("Via")[0], host=remote.host, port=remote.port)
    request.headers.replace_first("Via", [top])


def reply_flow(request: Request, flow: Flow) -> Flow:
    """The way for the responses (RFC 3261 section 18.2.2, RFC 3581 section 4).

    Always to the address that the request came from: with rport to its port, else to the one in Via. maddr is not
    followed: it would let a stranger send our answers to somebody else.
    """
    via = request.top_via
    return flow if "rport" in via.params else flow.to_port(via.port or default_port(flow.remote.transport))


def _reason_of(error: BrokenMessage) -> str:
    if error.is_via_unusable:
        return "via"
    return "size" if error.status == 513 else "parse"
