"""What is said the same way in every state of a call: answers to INFO and OPTIONS, reasons, refusals."""

from gateway.sip.call import Rejected
from gateway.sip.core.actions import Action, Notify, Respond, Responder
from gateway.sip.core.capabilities import CAPABILITIES, SUPPORTED
from gateway.sip.core.headers.reason import COMPLETED_ELSEWHERE, NON_SELECTED_USER, Reason, q850_cause
from gateway.sip.core.info_dtmf import parse_info_dtmf
from gateway.sip.core.message import Headers, Request, Response, response_to
from gateway.sip.core.reliability import Reliability, option_headers


def answer_options(request: Request, *, to_tag: str | None = None, reliability: Reliability = "off") -> Response:
    """200 to an OPTIONS, within a dialog or outside (section 11.2), where `reliability` says more of what we do."""
    headers = Headers(CAPABILITIES)
    headers.set(*option_headers(SUPPORTED[1], "off" if reliability == "off" else "supported")[0])
    return response_to(request, 200, to_tag=to_tag, headers=tuple(headers.items()))


def answer_early(request: Request, responder: Responder) -> list[Action]:
    """The answer to a request in a dialog that is not confirmed yet, other than INVITE, PRACK, UPDATE and BYE."""
    match request.method:
        case "INFO":
            return answer_info(request, responder)
        case "OPTIONS":
            return [Respond(responder, answer_options(request))]
        case "REFER":
            return [Respond(responder, response_to(request, 403, "No REFER Before The Answer"))]
        case _:
            return [Respond(responder, response_to(request, 481))]


def rejection(response: Response) -> Rejected:
    """A 3xx to 6xx as call control sees it."""
    retry_after = (response.headers.get("Retry-After") or "").split("(")[0].partition(";")[0].strip()
    return Rejected(
        response.status,
        response.reason,
        q850_of(response),
        float(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 10 else None,
    )


def answer_info(request: Request, responder: Responder) -> list[Action]:
    """200 to an INFO, with the digit in it for call control; an empty one is a probe of the dialog."""
    dtmf = parse_info_dtmf(request.content_type, request.body)
    actions: list[Action] = [Respond(responder, response_to(request, 200))]
    return actions if dtmf is None else [*actions, Notify(dtmf)]


def reason_headers(q850: int | None) -> tuple[tuple[str, str], ...]:
    """Reason header fields for a BYE, a CANCEL or a refusal (RFC 3326); phones look for the one of SIP."""
    elsewhere = (("Reason", str(COMPLETED_ELSEWHERE)),) if q850 == NON_SELECTED_USER else ()
    return () if q850 is None else (("Reason", str(Reason("Q.850", q850))), *elsewhere)


def q850_of(message: Request | Response) -> int | None:
    """The Q.850 cause in its Reason header fields, None when there is none."""
    return q850_cause(message.headers.get_all("Reason"))


def custom_headers(message: Request | Response) -> tuple[tuple[str, str], ...]:
    """The X- and User-to-User (RFC 7433) header fields, in order: what applications put there."""
    fields = ((name.lower(), name, value) for name, value in message.headers.items())
    return tuple((name, value) for key, name, value in fields if key.startswith("x-") or key == "user-to-user")
