"""The session timer of one dialog (RFC 4028): who refreshes, when, and when the session is over. Pure."""

from contextlib import suppress
from enum import Enum
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.session_expires import Refresher, SessionExpires, min_se_of, session_expires_of
from gateway.sip.core.message import Request, Response
from gateway.sip.core.session_interval import MINIMUM

LEAST_TAKEN: Final = 2
"""Seconds; the least that a 2xx can bind us to. Below our Min-SE it breaks the rules; it is taken at its word down to
this, so that a far end that plays with short intervals can be tested."""

SLACK: Final = 32.0
"""Seconds before the end of the session at which the BYE goes out, or a third of the interval (section 10)."""

LAST_TRY: Final = 4.0
"""Seconds: with less than this left, a refresh that failed is not tried again."""

TIMER: Final = "timer"

HeaderLines = tuple[tuple[str, str], ...]


class Due(Enum):
    """What the time asks for."""

    NOTHING = "nothing"
    REFRESH = "refresh"
    END = "end"


def asking(interval: int) -> HeaderLines:
    """What an INVITE of ours says; nothing when we want no timer. The far end chooses who refreshes."""
    return (("Session-Expires", str(interval)), ("Min-SE", str(MINIMUM))) if interval else ()


def raised(headers: Headers, response: Response) -> Headers | None:
    """The header fields of a request that got a 422, with the interval that it asks for (section 7.3).

    None when it does not ask for more than the request has.
    """
    try:
        asked, wanted = session_expires_of(headers), min_se_of(response.headers)
    except SipParseError:
        return None
    if wanted is None or (asked is not None and wanted <= asked.interval):
        return None
    raised_headers = headers.copy()
    raised_headers.set("Session-Expires", str(SessionExpires(wanted, None if asked is None else asked.refresher)))
    raised_headers.set("Min-SE", str(wanted))
    return raised_headers


class SessionTimer:
    """The interval that was agreed last, and its two deadlines.

    Args:
        wanted: seconds that we ask for of a far end that knows session timers and asked for none itself; 0: none.
    """

    def __init__(self, wanted: int) -> None:
        self._wanted = wanted
        self._interval: int | None = None
        self._min_se = MINIMUM
        self._is_refresher = False
        self._refresh_at: float | None = None
        self._end_at: float | None = None
        self._tried_at = 0.0
        self._is_raised = False

    @property
    def is_running(self) -> bool:
        """Whether an interval is agreed."""
        return self._interval is not None

    @property
    def deadline(self) -> float | None:
        """When `due` says more than NOTHING."""
        return self._end_at if self._refresh_at is None else self._refresh_at

    @property
    def tried_at(self) -> float:
        """When the last refresh was due."""
        return self._tried_at

    def answer(self, request: Request, now: float, *, demanded: int | None = None) -> HeaderLines:
        """Begin anew with our 2xx to an INVITE or UPDATE; returns what it says about the timer.

        Args:
            demanded: an interval that call control wants, whatever was asked for, refreshed by the far end.
        """
        asked = _lenient(request.headers)
        knows_timers = TIMER in supported(request.headers)
        if demanded is not None:
            agreed = SessionExpires(demanded, "uac" if knows_timers else "uas")
        elif asked is not None:
            agreed = SessionExpires(max(asked.interval, MINIMUM), self._choose(asked.refresher, knows_timers))
        elif knows_timers and self._wanted:
            agreed = SessionExpires(max(self._wanted, _min_se(request.headers)), "uas")
        else:
            self.stop()
            return ()
        self._start(agreed.interval, is_refresher=agreed.refresher == "uas", now=now)
        return (("Session-Expires", str(agreed)), *((("Require", TIMER),) if knows_timers else ()))

    def take(self, response: Response, now: float) -> None:
        """Begin anew with the far end's 2xx to an INVITE or UPDATE of ours; without an interval in it, stop."""
        agreed = _lenient(response.headers)
        if agreed is None:
            self.stop()
            return
        self._start(max(agreed.interval, LEAST_TAKEN), is_refresher=agreed.refresher != "uas", now=now)

    def request_lines(self) -> HeaderLines:
        """What a re-INVITE or UPDATE of ours says: the interval that was agreed, and no change of roles (7.4)."""
        if self._interval is None:
            return ()
        refresher: Refresher = "uac" if self._is_refresher else "uas"
        return (("Session-Expires", str(SessionExpires(self._interval, refresher))), ("Min-SE", str(self._min_se)))

    def raise_to(self, response: Response) -> bool:
        """Take the interval that a 422 asks for; False when it asks for no more, or for the second time in a row."""
        wanted = _min_se(response.headers)
        if self._interval is None or wanted <= self._interval or self._is_raised:
            return False
        self._interval = self._min_se = wanted
        self._is_raised = True
        return True

    def due(self, now: float) -> Due:
        """What is to be done now. A refresh is asked for once; `try_again` when it failed."""
        if self._end_at is not None and now >= self._end_at:
            self.stop()
            return Due.END
        if self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at, self._tried_at = None, now
            return Due.REFRESH
        return Due.NOTHING

    def try_again(self) -> None:
        """The refresh failed for now: once more in the middle of what is left."""
        if self._end_at is not None and self._is_refresher and self._refresh_at is None:
            left = self._end_at - self._tried_at
            self._refresh_at = self._tried_at + left / 2 if left > LAST_TRY else None

    def stop(self) -> None:
        """No timer any more."""
        self._interval = self._refresh_at = self._end_at = None

    def _choose(self, asked: Refresher | None, knows_timers: bool) -> Refresher:
        """RFC 4028 section 9, table 2; where it leaves the choice, roles stay, and at first the caller refreshes."""
        if not knows_timers:
            return "uas"
        if asked is not None:
            return asked
        return "uas" if self.is_running and self._is_refresher else "uac"

    def _start(self, interval: int, *, is_refresher: bool, now: float) -> None:
        self._interval, self._is_refresher, self._is_raised = interval, is_refresher, False
        self._refresh_at = now + interval / 2 if is_refresher else None
        self._end_at = now + interval - min(SLACK, interval / 3)


def supported(headers: Headers) -> frozenset[str]:
    """The option tags that its sender supports, in lower case."""
    return frozenset(tag.lower() for tag in headers.get_all("Supported"))


def _lenient(headers: Headers) -> SessionExpires | None:
    with suppress(SipParseError):
        return session_expires_of(headers)
    return None


def _min_se(headers: Headers) -> int:
    with suppress(SipParseError):
        return max(min_se_of(headers) or MINIMUM, MINIMUM)
    return MINIMUM
