"""What the usages of an INVITE (`invite_client`, `invite_server`, `session`) ask the shell to do."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.sip.call import Answered, OnReferProgress, ReferProgress, Rejected, SipCallEvent
from gateway.sip.core.message import Request, Response

Failure = Literal["timeout", "transport"]
"""Why a request of ours got no final response: timer B or F ran out, or it could not be sent."""

OnResult = Callable[[Answered | Rejected], None]


class Responder(Protocol):
    """The server transaction of a request. A core only hands it back in a `Respond`; it never calls it."""

    def respond(self, response: Response) -> None: ...


@dataclass(slots=True, eq=False)
class ClientRequest:
    """A request of ours under way. The shell gives it back with each response and each failure.

    Attributes:
        next_hop: the URI to resolve: the first route, or the remote target (RFC 3261 section 8.1.2).
        remote_tag: the dialog that it belongs to; None for the INVITE that makes one.
        answered: (header field, realm) of the challenges that were answered on the way to it, in order.
        ack: the ACK of its 2xx, kept because it goes out again with each retransmission (section 13.2.2.4).
    """

    request: Request
    next_hop: str
    remote_tag: str | None = None
    answered: tuple[tuple[str, str], ...] = ()
    ack: Request | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Send:
    """Start a client transaction."""

    client_request: ClientRequest


@dataclass(frozen=True, slots=True)
class SendAck:
    """Send the ACK of a 2xx, outside of any transaction."""

    request: Request
    next_hop: str


@dataclass(frozen=True, slots=True)
class Cancel:
    """CANCEL that INVITE, which has had a provisional response. `headers` go into the CANCEL."""

    client_request: ClientRequest
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Respond:
    """Send a response in that server transaction."""

    responder: Responder
    response: Response


@dataclass(frozen=True, slots=True)
class Notify:
    """Tell call control."""

    event: SipCallEvent


@dataclass(frozen=True, slots=True)
class Report:
    """Tell call control how its `reinvite` ended."""

    on_result: OnResult
    result: Answered | Rejected


@dataclass(frozen=True, slots=True)
class ReportRefer:
    """Tell call control how its `refer` goes."""

    on_progress: OnReferProgress
    progress: ReferProgress


Action = Send | SendAck | Cancel | Respond | Notify | Report | ReportRefer
