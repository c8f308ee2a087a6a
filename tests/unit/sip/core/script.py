"""Messages and small builders for the tests of the SIP cores. Everything has its name, nothing is random."""

from typing import TypeVar

from gateway.domain.ids import Sdp
from gateway.sip.core.accepted import Timers
from gateway.sip.core.actions import Action, ClientRequest, Notify, Respond, Send, SendAck
from gateway.sip.core.context import Context
from gateway.sip.core.message import Headers, Request, Response, response_to

OFFER = Sdp("v=0\r\ns=offer\r\n")
ANSWER = Sdp("v=0\r\ns=answer\r\n")
OTHER = Sdp("v=0\r\ns=other\r\n")
NOW = 1000.0
T = Timers(t1=0.5, t2=4.0)
CONTEXT = Context(contact="<sip:us@192.0.2.1>", user_agent="gw", timers=T, random=lambda: 0.5)

ActionT = TypeVar("ActionT")


class Seat:
    """A server transaction that a core must not touch: it only hands it back."""

    def respond(self, response: Response) -> None:
        raise AssertionError(f"a core sent {response.status} by itself")


def request(
    method: str,
    *,
    cseq: int = 1,
    from_: str = "<sip:peer@192.0.2.9>;tag=theirs",
    to: str = "<sip:us@192.0.2.1>",
    call_id: str = "c1",
    contact: str | None = "<sip:peer@192.0.2.9:5070>",
    sdp: Sdp | None = None,
    more: tuple[tuple[str, str], ...] = (),
) -> Request:
    headers = Headers(
        (
            ("Via", "SIP/2.0/UDP 192.0.2.9:5070;branch=z9hG4bK1"),
            ("From", from_),
            ("To", to),
            ("Call-ID", call_id),
            ("CSeq", f"{cseq} {method}"),
        )
    )
    if contact is not None:
        headers.add("Contact", contact)
    for name, value in more:
        headers.add(name, value)
    if sdp is not None:
        headers.add("Content-Type", "application/sdp")
    return Request(method, "sip:us@192.0.2.1", headers, (sdp or "").encode())


def in_dialog(method: str, *, cseq: int = 2, sdp: Sdp | None = None, **more: str) -> Request:
    """A request of the far end in the dialog that `request("INVITE")` and our tag `ours` made."""
    extra = tuple((name.replace("_", "-"), value) for name, value in more.items())
    return request(method, cseq=cseq, to="<sip:us@192.0.2.1>;tag=ours", sdp=sdp, more=extra)


def our_invite(*, more: tuple[tuple[str, str], ...] = ()) -> Request:
    headers = Headers(
        (
            ("From", '"Us" <sip:us@192.0.2.1>;tag=ours'),
            ("To", "<sip:peer@trunk.test>"),
            ("Call-ID", "c1"),
            ("CSeq", "1 INVITE"),
            ("Contact", "<sip:us@192.0.2.1>"),
            ("Content-Type", "application/sdp"),
            *more,
        )
    )
    return Request("INVITE", "sip:peer@trunk.test", headers, OFFER.encode())


def reply(
    to: Request,
    status: int,
    *,
    tag: str | None = "theirs",
    contact: str | None = "<sip:peer@192.0.2.9:5070>",
    sdp: Sdp | None = None,
    more: tuple[tuple[str, str], ...] = (),
) -> Response:
    """A response of the far end to a request of ours."""
    headers = more if contact is None else (("Contact", contact), *more)
    body = (sdp or "").encode()
    return response_to(
        to, status, to_tag=tag, headers=headers, body=body, content_type="application/sdp" if sdp else None
    )


def only(actions: list[Action], kind: type[ActionT]) -> ActionT:
    """The one action of that kind."""
    found = [action for action in actions if isinstance(action, kind)]
    assert len(found) == 1, actions
    return found[0]


def kinds(actions: list[Action]) -> list[str]:
    """The actions in short: what is sent, and what call control hears."""
    return [_kind(action) for action in actions]


def sent(actions: list[Action]) -> ClientRequest:
    """The request that is sent."""
    return only(actions, Send).client_request


def status(actions: list[Action]) -> int:
    """The status of the response that is sent."""
    return only(actions, Respond).response.status


def _kind(action: Action) -> str:
    match action:
        case Send(client_request=client_request):
            return client_request.request.method
        case SendAck():
            return "ACK"
        case Respond(response=response):
            return str(response.status)
        case Notify(event=event):
            return type(event).__name__
        case _:
            return type(action).__name__
