"""Which transaction a message belongs to (RFC 3261 sections 17.1.3, 17.2.3, 9.2)."""

from dataclasses import dataclass

from gateway.sip.core.headers.via import MAGIC_COOKIE, Via
from gateway.sip.core.message import Request, Response


@dataclass(frozen=True, slots=True)
class ClientKey:
    """Branch, sent-by and method: sent-by, because a response with another one is not for us (section 18.1.2)."""

    branch: str
    sent_by: tuple[str, int]
    method: str


@dataclass(frozen=True, slots=True)
class ServerKey:
    """What makes two requests one transaction.

    `identity` is the branch for peers of RFC 3261 and, for older ones, whose branch does not start with the magic
    cookie, the fields of RFC 2543 that all repeats share.
    """

    identity: tuple[str, ...]
    sent_by: tuple[str, int]
    method: str


def client_key_of(message: Request | Response) -> ClientKey | None:
    """The key of our request, or of a response to it; None when it has no branch."""
    via = message.top_via
    return None if via.branch is None else ClientKey(via.branch, via.sent_by, message.cseq.method)


def server_key_of(request: Request) -> ServerKey:
    """The key of a request's own transaction; an ACK has that of its INVITE."""
    return _server_key(request, "INVITE" if request.method == "ACK" else request.method)


def cancelled_key_of(cancel: Request) -> ServerKey:
    """The key of the INVITE that a CANCEL is for. Nothing else can be cancelled (section 9.1)."""
    return _server_key(cancel, "INVITE")


def _server_key(request: Request, method: str) -> ServerKey:
    via = request.top_via
    branch = via.branch
    if branch is not None and branch.startswith(MAGIC_COOKIE) and branch != MAGIC_COOKIE:
        return ServerKey((branch,), via.sent_by, method)
    return ServerKey(_old_identity(request, via), via.sent_by, method)


def _old_identity(request: Request, via: Via) -> tuple[str, ...]:
    # The To tag is left out: the ACK of a non-2xx has ours, the INVITE has none.
    return (
        request.uri,
        request.from_.tag or "",
        request.call_id,
        str(request.cseq.number),
        via.branch or "",
    )
