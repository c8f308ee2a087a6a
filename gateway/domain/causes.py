"""One table of hang-up causes: Verto name and code (Q.850) <-> SIP status. Nowhere else.

Sources: ITU-T Q.850; RFC 3398 section 7.2.4.1 and 8.2.6.1 (ISUP <-> SIP); RFC 4497; the names and the codes
above 400 are FreeSWITCH's (`switch_types.h`), which the Verto clients know. Telnyx' own rejections: rest-v2 H.1, H.2.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a leg or a call ended.

    Attributes:
        name: Verto's `cause`.
        code: Verto's `causeCode`: the Q.850 value, or FreeSWITCH's number above 127.
        sip_status: what a SIP peer is told when this ends a call that was not answered.
        sip_reason: the reason phrase beside it.
    """

    name: str
    code: int
    sip_status: int
    sip_reason: str


UNALLOCATED_NUMBER: Final = Cause("UNALLOCATED_NUMBER", 1, 404, "Not Found")
NO_ROUTE_DESTINATION: Final = Cause("NO_ROUTE_DESTINATION", 3, 404, "Not Found")
NORMAL_CLEARING: Final = Cause("NORMAL_CLEARING", 16, 480, "Temporarily Unavailable")
USER_BUSY: Final = Cause("USER_BUSY", 17, 486, "Busy Here")
NO_USER_RESPONSE: Final = Cause("NO_USER_RESPONSE", 18, 408, "Request Timeout")
NO_ANSWER: Final = Cause("NO_ANSWER", 19, 480, "Temporarily Unavailable")
SUBSCRIBER_ABSENT: Final = Cause("SUBSCRIBER_ABSENT", 20, 480, "Temporarily Unavailable")
CALL_REJECTED: Final = Cause("CALL_REJECTED", 21, 603, "Decline")
NUMBER_CHANGED: Final = Cause("NUMBER_CHANGED", 22, 410, "Gone")
DESTINATION_OUT_OF_ORDER: Final = Cause("DESTINATION_OUT_OF_ORDER", 27, 502, "Bad Gateway")
INVALID_NUMBER_FORMAT: Final = Cause("INVALID_NUMBER_FORMAT", 28, 484, "Address Incomplete")
NORMAL_UNSPECIFIED: Final = Cause("NORMAL_UNSPECIFIED", 31, 480, "Temporarily Unavailable")
NORMAL_CIRCUIT_CONGESTION: Final = Cause("NORMAL_CIRCUIT_CONGESTION", 34, 503, "Service Unavailable")
NETWORK_OUT_OF_ORDER: Final = Cause("NETWORK_OUT_OF_ORDER", 38, 503, "Service Unavailable")
NORMAL_TEMPORARY_FAILURE: Final = Cause("NORMAL_TEMPORARY_FAILURE", 41, 503, "Service Unavailable")
SWITCH_CONGESTION: Final = Cause("SWITCH_CONGESTION", 42, 503, "Service Unavailable")
OUTGOING_CALL_BARRED: Final = Cause("OUTGOING_CALL_BARRED", 52, 403, "Forbidden")
BEARERCAPABILITY_NOTAUTH: Final = Cause("BEARERCAPABILITY_NOTAUTH", 57, 403, "Forbidden")
SERVICE_NOT_IMPLEMENTED: Final = Cause("SERVICE_NOT_IMPLEMENTED", 79, 501, "Not Implemented")
INCOMPATIBLE_DESTINATION: Final = Cause("INCOMPATIBLE_DESTINATION", 88, 488, "Not Acceptable Here")
RECOVERY_ON_TIMER_EXPIRE: Final = Cause("RECOVERY_ON_TIMER_EXPIRE", 102, 504, "Server Time-out")
MANDATORY_IE_MISSING: Final = Cause("MANDATORY_IE_MISSING", 96, 400, "Bad Request")
INTERWORKING: Final = Cause("INTERWORKING", 127, 500, "Server Internal Error")
ORIGINATOR_CANCEL: Final = Cause("ORIGINATOR_CANCEL", 487, 487, "Request Terminated")
LOSE_RACE: Final = Cause("LOSE_RACE", 502, 487, "Request Terminated")
BLIND_TRANSFER: Final = Cause("BLIND_TRANSFER", 600, 480, "Temporarily Unavailable")
ATTENDED_TRANSFER: Final = Cause("ATTENDED_TRANSFER", 601, 480, "Temporarily Unavailable")
PICKED_OFF: Final = Cause("PICKED_OFF", 805, 487, "Request Terminated")
MEDIA_TIMEOUT: Final = Cause("MEDIA_TIMEOUT", 604, 500, "Media Timeout")
SYSTEM_SHUTDOWN: Final = Cause("SYSTEM_SHUTDOWN", 501, 503, "Service Unavailable")

ALL: Final[tuple[Cause, ...]] = (
    UNALLOCATED_NUMBER,
    NO_ROUTE_DESTINATION,
    NORMAL_CLEARING,
    USER_BUSY,
    NO_USER_RESPONSE,
    NO_ANSWER,
    SUBSCRIBER_ABSENT,
    CALL_REJECTED,
    NUMBER_CHANGED,
    DESTINATION_OUT_OF_ORDER,
    INVALID_NUMBER_FORMAT,
    NORMAL_UNSPECIFIED,
    NORMAL_CIRCUIT_CONGESTION,
    NETWORK_OUT_OF_ORDER,
    NORMAL_TEMPORARY_FAILURE,
    SWITCH_CONGESTION,
    OUTGOING_CALL_BARRED,
    BEARERCAPABILITY_NOTAUTH,
    SERVICE_NOT_IMPLEMENTED,
    INCOMPATIBLE_DESTINATION,
    RECOVERY_ON_TIMER_EXPIRE,
    MANDATORY_IE_MISSING,
    INTERWORKING,
    ORIGINATOR_CANCEL,
    LOSE_RACE,
    BLIND_TRANSFER,
    ATTENDED_TRANSFER,
    PICKED_OFF,
    MEDIA_TIMEOUT,
    SYSTEM_SHUTDOWN,
)

BY_NAME: Final[Mapping[str, Cause]] = {cause.name: cause for cause in ALL}
BY_CODE: Final[Mapping[int, Cause]] = {cause.code: cause for cause in reversed(ALL)}

_BY_SIP_STATUS: Final[Mapping[int, Cause]] = {
    # RFC 3398 section 8.2.6.1, with FreeSWITCH's choice where the RFC leaves one (nua status to cause)
    400: MANDATORY_IE_MISSING,
    401: CALL_REJECTED,
    402: CALL_REJECTED,
    403: CALL_REJECTED,
    404: UNALLOCATED_NUMBER,
    405: SERVICE_NOT_IMPLEMENTED,
    406: INCOMPATIBLE_DESTINATION,
    407: CALL_REJECTED,
    408: RECOVERY_ON_TIMER_EXPIRE,
    410: NUMBER_CHANGED,
    413: INTERWORKING,
    414: INTERWORKING,
    415: SERVICE_NOT_IMPLEMENTED,
    416: INTERWORKING,
    420: INTERWORKING,
    421: INTERWORKING,
    423: INTERWORKING,
    480: NO_USER_RESPONSE,
    481: NORMAL_TEMPORARY_FAILURE,
    482: INTERWORKING,
    483: INTERWORKING,
    484: INVALID_NUMBER_FORMAT,
    485: NO_ROUTE_DESTINATION,
    486: USER_BUSY,
    487: ORIGINATOR_CANCEL,
    488: INCOMPATIBLE_DESTINATION,
    500: NORMAL_TEMPORARY_FAILURE,
    501: SERVICE_NOT_IMPLEMENTED,
    502: DESTINATION_OUT_OF_ORDER,
    503: NORMAL_TEMPORARY_FAILURE,
    504: RECOVERY_ON_TIMER_EXPIRE,
    505: INTERWORKING,
    513: INTERWORKING,
    600: USER_BUSY,
    603: CALL_REJECTED,
    604: NO_ROUTE_DESTINATION,
    606: INCOMPATIBLE_DESTINATION,
}


REJECTIONS: Final[Mapping[str, Cause]] = {
    code: Cause(CALL_REJECTED.name, CALL_REJECTED.code, status, f"{words} {code}")
    for code, status, words in (
        ("D1", 403, "Channel limit of the account exceeded"),
        ("D2", 403, "Channel limit of the outbound voice profile exceeded"),
        ("D3", 403, "Channel limit of the connection exceeded"),
        ("D10", 403, "Forbidden"),
        ("D11", 403, "Destination number is invalid"),
        ("D12", 403, "Destination is not whitelisted"),
        ("D18", 404, "Connection is inactive"),
        ("D22", 403, "Inbound channel limit exceeded"),
        ("D24", 403, "Rate of the destination exceeds the limit"),
        ("D25", 403, "Connection validation failed"),
        ("D30", 403, "SIP URI calls are not allowed"),
        ("D35", 403, "Caller Origination Number is Invalid"),
        ("D38", 403, "Connection has no outbound voice profile"),
        ("B3", 488, "Media Encryption Required"),
    )
}
"""What the service itself refuses a call with, by its own code, which stands at the end of the reason phrase.

Source: rest-v2 H.1, H.2; for the client all of them are a rejected call.
"""

NO_ROUTE_REASON: Final = "No route D40"
"""The phrase for a destination that nobody serves; its cause is NO_ROUTE_DESTINATION."""

_TELNYX_CODE: Final = re.compile(r"(?:^|\s)[BD][0-9]{1,2}$")


def is_telnyx_rejection(reason: str) -> bool:
    """Whether a reason phrase ends with a code of Telnyx: that says more than the status beside it."""
    return _TELNYX_CODE.search(reason) is not None


def from_sip_response(status: int, reason: str) -> Cause:
    """The cause of a final response; a code of Telnyx at the end of its phrase says that it was rejected."""
    return CALL_REJECTED if is_telnyx_rejection(reason) else from_sip_status(status)


def from_sip_status(status: int) -> Cause:
    """The cause that a final SIP response to an INVITE stands for.

    An unlisted 4xx counts as rejected, 5xx as a temporary failure, 6xx as rejected, anything else as
    interworking.
    """
    if (cause := _BY_SIP_STATUS.get(status)) is not None:
        return cause
    return {4: CALL_REJECTED, 5: NORMAL_TEMPORARY_FAILURE, 6: CALL_REJECTED}.get(status // 100, INTERWORKING)


def from_q850(code: int) -> Cause:
    """The cause with that Q.850 value (as in a `Reason: Q.850;cause=N`, RFC 3326); unknown ones are unspecified."""
    return BY_CODE.get(code, NORMAL_UNSPECIFIED)


def from_verto(name: str | None, code: int | None) -> Cause:
    """The cause that a client named in its `bye`; the name wins over the number, unknown ones are clearing."""
    if name is not None and name in BY_NAME:
        return BY_NAME[name]
    if code is not None and code in BY_CODE:
        return BY_CODE[code]
    return NORMAL_CLEARING
