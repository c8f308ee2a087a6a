"""What we can do (Allow, Accept, Supported), and the refusal of requests that ask for more (RFC 3261 section 8.2)."""

from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.session_expires import min_se_of, session_expires_of
from gateway.sip.core.headers.via import MAGIC_COOKIE
from gateway.sip.core.info_dtmf import MEDIA_TYPES
from gateway.sip.core.message import Request, Response
from gateway.sip.core.methods import METHODS as KNOWN_METHODS
from gateway.sip.core.reliability import OPTION, Reliability, option_tags
from gateway.sip.core.session_interval import MINIMUM
from gateway.sip.core.session_timer import TIMER, supported

SDP: Final = "application/sdp"
ALLOW: Final = ("Allow", "INVITE, ACK, BYE, CANCEL, OPTIONS, INFO, UPDATE, PRACK, REFER, NOTIFY")
METHODS: Final = frozenset(ALLOW[1].split(", "))
SUPPORTED: Final = ("Supported", "timer, replaces, norefersub")
"""RFC 4028, RFC 3891 and RFC 4488."""
EXTENSIONS: Final = frozenset(SUPPORTED[1].split(", "))
CAPABILITIES: Final = (ALLOW, ("Accept", ", ".join((SDP, *MEDIA_TYPES))), SUPPORTED)

_ACCEPTED_BODIES: Final = {
    "INVITE": (SDP,),
    "ACK": (SDP,),
    "UPDATE": (SDP,),
    "PRACK": (SDP,),
    "INFO": MEDIA_TYPES,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A final response that refuses a request, without its copies of the request's header fields."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


def find_refusal(request: Request, *, reliability: Reliability = "off") -> Refusal | None:
    """Why a request other than ACK and CANCEL cannot be served, in the order of section 8.2; None if it can.

    Args:
        reliability: what its sender is allowed, and must have, of RFC 3262.
    """
    if request.method not in KNOWN_METHODS:
        return Refusal(501, "Not Implemented", (ALLOW,))
    if request.method not in METHODS:
        return Refusal(405, "Method Not Allowed", (ALLOW,))
    if not request.uri.lower().startswith(("sip:", "sips:", "tel:")):
        return Refusal(416, "Unsupported URI Scheme")
    extensions = EXTENSIONS if reliability == "off" else EXTENSIONS | {OPTION}
    if unknown := [tag for tag in request.headers.get_all("Require") if tag.lower() not in extensions]:
        return Refusal(420, "Bad Extension", (("Unsupported", ", ".join(unknown)),))
    if request.method == "REFER" and request.to.tag is None:
        return Refusal(403, "REFER Only Within A Dialog")
    if request.method == "INVITE" and not _takes_sdp(request):
        return Refusal(406, "Not Acceptable", (("Warning", f'399 gateway "answers are {SDP}"'),))
    if reliability == "required" and request.method == "INVITE" and not _knows_reliability(request):
        return Refusal(421, "Extension Required", (("Require", OPTION),))
    return _find_body_refusal(request) or _find_timer_refusal(request) or _find_dialog_refusal(request)


def sdp_of(message: Request | Response) -> Sdp | None:
    """The session description in the body, None when there is none."""
    if not message.body or message.content_type != SDP:
        return None
    return Sdp(message.body.decode("utf-8", "replace"))


def _takes_sdp(invite: Request) -> bool:
    """Whether an Accept, where there is one, lets us answer (RFC 3261 section 20.1)."""
    if "Accept" not in invite.headers:
        return True
    ranges = {value.partition(";")[0].strip().lower() for value in invite.headers.get_all("Accept")}
    return bool(ranges & {SDP, "application/*", "*/*"})


def _knows_reliability(invite: Request) -> bool:
    """Whether it may get reliable provisional responses; in a dialog nobody needs them."""
    offered = option_tags(invite.headers, "Supported") | option_tags(invite.headers, "Require")
    return OPTION in offered or invite.to.tag is not None


def _find_body_refusal(request: Request) -> Refusal | None:
    accepted = _ACCEPTED_BODIES.get(request.method, ())
    if not request.body or not accepted:
        return None  # nobody looks at the body of a BYE or an OPTIONS
    if (request.headers.get("Content-Encoding") or "identity").strip().lower() != "identity":
        return Refusal(415, "Unsupported Media Type", (("Accept-Encoding", "identity"),))
    if request.content_type not in accepted:
        return Refusal(415, "Unsupported Media Type", (("Accept", ", ".join(accepted)),))
    return None


def _find_timer_refusal(request: Request) -> Refusal | None:
    """A session interval below ours gets 422, if its sender knows what that means (RFC 4028 section 9)."""
    if request.method not in ("INVITE", "UPDATE"):
        return None
    try:
        asked = session_expires_of(request.headers)
        min_se_of(request.headers)
    except SipError:
        return Refusal(400, "Bad Session-Expires")
    if asked is None or asked.interval >= MINIMUM or TIMER not in supported(request.headers):
        return None
    return Refusal(422, "Session Interval Too Small", (("Min-SE", str(MINIMUM)),))


def _find_dialog_refusal(request: Request) -> Refusal | None:
    """An INVITE must be able to make a dialog, or to refresh one (section 8.1.1.8); only it may replace another."""
    if request.method != "INVITE":
        return Refusal(400, "Replaces In Another Request Than INVITE") if "Replaces" in request.headers else None
    # An RFC 2543 peer, which has no magic cookie either, may leave the Contact out: its From is where it is.
    if not request.headers.get("Contact") and (request.top_via.branch or "").startswith(MAGIC_COOKIE):
        return Refusal(400, "Missing Contact")
    try:
        Dialog.from_invite(request, local_tag="")
    except SipError:
        return Refusal(400, "Bad Request")
    return None
