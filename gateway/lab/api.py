"""`/_lab`: the magic numbers, the lab's calls and what they heard, and calls from the lab to the gateway's clients.

Errors have the form of the REST API (`{"errors": [{"code", "title", "detail", "source"}]}`), so that one client reads
both.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final, Protocol

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gateway.domain.errors import GatewayError
from gateway.domain.ids import SessionId
from gateway.domain.push import masked, payload
from gateway.domain.registration import RegistrationState
from gateway.lab.calls import CallState, Heard, LabCall
from gateway.lab.numbers import MAGIC_NUMBERS
from gateway.lab.pushes import KeptPush, PushLog
from gateway.lab.scenario import MAX_TALK_S
from gateway.lab.switchboard import NotACallingScenario, Switchboard, TooManyLabCalls
from gateway.observability.logging import get_logger

Authorize = Callable[[web.Request], Awaitable[bool]]
"""Whether a request bears a key with scope `lab`. May also raise what its own middleware turns into a reply."""
_Handler = Callable[[web.Request], Awaitable[web.Response]]

DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 250
_CODES: Final = {"missing": ("10004", "Missing required parameter"), "json_invalid": ("10023", "Invalid JSON")}
_RANGE_ERRORS: Final = frozenset({"greater_than", "less_than_equal", "finite_number"})
_User = Annotated[str, StringConstraints(max_length=64, pattern=r"^[^\s@:;?<>\"]+$")]
"""A user part: what would make it more than that in a SIP URI is refused."""


class NewCall(BaseModel):
    """The body of `POST /_lab/calls`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: _User
    """A client's user name, or a number."""
    from_: _User = Field(alias="from")
    """The caller's number."""
    scenario: str
    """One of `calling_scenarios()`."""
    duration: Annotated[float, Field(gt=0, le=MAX_TALK_S, allow_inf_nan=False)] | None = None
    """Seconds after the answer at which the lab hangs up."""


class NewGatewayState(BaseModel):
    """The body of `POST /_lab/sessions/SESSION_ID/gateway_state`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    state: str
    """One of `RegistrationState`."""


class Sessions(Protocol):
    """The gateway's sessions, as far as the lab may meddle with them. `app.py` fills it in."""

    def set_registration(self, session_id: SessionId, state: RegistrationState) -> bool: ...


class LabApi:
    """The handlers. `routes` are for `Application.add_routes`."""

    def __init__(
        self,
        switchboard: Switchboard,
        authorize: Authorize,
        sessions: Sessions,
        pushes: PushLog,
        *,
        turn_away: Callable[[], int | None] = lambda: None,
    ) -> None:
        """
        Args:
            turn_away: asked for each new call: seconds after which to try again where the gateway would refuse it now.
        """
        self._switchboard, self._authorize, self._sessions, self._pushes = switchboard, authorize, sessions, pushes
        self._turn_away = turn_away

    def routes(self) -> list[web.RouteDef]:
        """The routes, each behind `authorize`."""
        return [
            web.get("/_lab/numbers", self._guarded(self._list_numbers), allow_head=False),
            web.post("/_lab/calls", self._guarded(self._create_call)),
            web.get("/_lab/calls", self._guarded(self._list_calls), allow_head=False),
            web.get("/_lab/calls/{lab_call_id}", self._guarded(self._show_call), allow_head=False),
            web.delete("/_lab/calls/{lab_call_id}", self._guarded(self._hang_up_call)),
            web.get("/_lab/pushes", self._guarded(self._list_pushes), allow_head=False),
            web.post("/_lab/sessions/{session_id}/gateway_state", self._guarded(self._set_gateway_state)),
        ]

    def _guarded(self, handler: _Handler) -> _Handler:
        async def guarded(request: web.Request) -> web.Response:
            if not await self._authorize(request):
                return _error(401, "10009", "Authentication failed", "send an API key with scope lab as a Bearer token")
            return await handler(request)

        return guarded

    async def _list_numbers(self, _request: web.Request) -> web.Response:
        numbers = [
            {
                "record_type": "lab_number",
                "number": entry.number,
                "scenario": entry.scenario,
                "description": entry.description,
                "is_available": entry.is_available,
            }
            for entry in MAGIC_NUMBERS
        ]
        return web.json_response({"data": numbers, "meta": {"total_results": len(numbers)}})

    async def _create_call(self, request: web.Request) -> web.Response:
        try:
            body = NewCall.model_validate_json(await request.read())
        except ValidationError as error:
            return _invalid(error)
        if (seconds := self._turn_away()) is not None:
            detail = f"the gateway has as many calls to set up as it can; try again in {seconds} s"
            return _error(503, "10011", "Too many requests", detail, retry_after=seconds)
        try:
            call = self._switchboard.call(to=body.to, caller=body.from_, scenario=body.scenario, duration=body.duration)
        except NotACallingScenario as error:
            return _error(422, "10032", "Invalid enumerated value", str(error), pointer="/scenario")
        except TooManyLabCalls as error:
            return _error(429, "10011", "Too many requests", str(error))
        except GatewayError as error:
            get_logger(trunk="lab").error("lab_call_failed", error_code=error.code, reason=str(error))
            return _error(503, "10007", "Unexpected error", str(error))
        return web.json_response({"data": await _view(call)}, status=201)

    async def _list_calls(self, request: web.Request) -> web.Response:
        """Newest first; `limit` and `before` (a call's id) as in the gateway's own list of calls.

        Without what was heard, which is measured for one call at a time.
        """
        limit = _limit(request)
        if isinstance(limit, web.Response):
            return limit
        found = self._switchboard.history.newest(limit + 1, before=request.query.get("before"))
        if found is None:
            return _error(400, "10015", "Bad Request", "before is no id of a lab call", parameter="before")
        next_before = found[limit - 1].facts.lab_call_id if len(found) > limit else None
        meta = {"limit": limit, "next_before": next_before}
        return web.json_response({"data": [_summary(call) for call in found[:limit]], "meta": meta})

    async def _show_call(self, request: web.Request) -> web.Response:
        call = self._find(request)
        return _unknown(request) if call is None else web.json_response({"data": await _view(call)})

    async def _hang_up_call(self, request: web.Request) -> web.Response:
        call = self._find(request)
        if call is None:
            return _unknown(request)
        if call.state is CallState.ENDED:
            return _error(422, "90018", "Call has already ended", f"lab call {call.facts.lab_call_id} is over")
        call.hangup()
        return web.json_response({"data": await _view(call)})

    async def _list_pushes(self, request: web.Request) -> web.Response:
        """What devices would have been sent, newest first."""
        limit = _limit(request)
        if isinstance(limit, web.Response):
            return limit
        found = self._pushes.newest(limit)
        return web.json_response({"data": [_push(kept) for kept in found], "meta": {"limit": limit}})

    async def _set_gateway_state(self, request: web.Request) -> web.Response:
        """Tell a client that its registration is in this state, and go on saying so until it is told otherwise."""
        try:
            body = NewGatewayState.model_validate_json(await request.read())
        except ValidationError as error:
            return _invalid(error)
        if body.state not in RegistrationState.__members__:
            expected = f"state is one of {', '.join(RegistrationState.__members__)}"
            return _error(422, "10032", "Invalid enumerated value", expected, pointer="/state")
        session_id = SessionId(request.match_info["session_id"])
        if not self._sessions.set_registration(session_id, RegistrationState[body.state]):
            return _error(404, "10005", "Resource not found", f"no connected session {session_id}")
        return web.json_response({"data": {"session_id": session_id, "state": body.state}})

    def _find(self, request: web.Request) -> LabCall | None:
        return self._switchboard.history.get(request.match_info["lab_call_id"])


def _limit(request: web.Request) -> int | web.Response:
    """The query's `limit`, or the reply to a wrong one."""
    text = request.query.get("limit", str(DEFAULT_LIMIT))
    if not text.isascii() or not text.isdigit():
        return _error(400, "10015", "Bad Request", "limit is a whole number", parameter="limit")
    limit = int(text[:9])
    if not 1 <= limit <= MAX_LIMIT:
        return _error(422, "10033", "Value outside of range", f"limit is 1 to {MAX_LIMIT}", parameter="limit")
    return limit


def _push(kept: KeptPush) -> dict[str, object]:
    push, device = kept.push, kept.push.device
    return {
        "record_type": "lab_push",
        "sent_at": _time(kept.at),
        "kind": push.kind,
        "username": device.username,
        "provider": device.provider,
        "environment": device.environment,
        "device": masked(device.token),
        "call_id": push.call_id,
        "payload": payload(push),
    }


def _summary(call: LabCall) -> dict[str, object]:
    return {
        "record_type": "lab_call",
        "id": call.facts.lab_call_id,
        "direction": call.facts.way.value,
        "from": call.facts.caller,
        "to": call.facts.callee,
        "scenario": call.facts.scenario,
        "state": call.state.value,
        "sip_call_id": call.sip_call_id,
        "created_at": _time(call.times.created),
        "ringing_at": _time(call.times.ringing),
        "answered_at": _time(call.times.answered),
        "ended_at": _time(call.times.ended),
        "ended_by": call.ended_by.value if call.ended_by is not None else None,
        "sip_status": call.sip_status,
        "reason": call.reason,
        "reinvite_status": call.reinvite_status,
        "refer_status": call.refer_status,
        "packets_sent": call.media.counts.sent if call.media is not None else 0,
    }


async def _view(call: LabCall) -> dict[str, object]:
    return {**_summary(call), "heard": _heard(await call.heard())}


def _heard(heard: Heard) -> dict[str, object]:
    level, frequency = heard.sound.level_dbov, heard.sound.frequency
    return {
        "codec": heard.codec,
        "packets": heard.packets,
        "packets_lost": heard.packets_lost,
        "packets_rejected": heard.packets_rejected,
        "level_dbov": round(level, 1) if level is not None else None,
        "frequency_hz": round(frequency, 1) if frequency is not None else None,
        "digit_count": heard.digit_count,
        "digits": "".join(digit.digit for digit in heard.digits),
        "digit_durations_s": [round(digit.duration, 3) for digit in heard.digits],
    }


def _time(at: datetime | None) -> str | None:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z") if at is not None else None


def _unknown(request: web.Request) -> web.Response:
    detail = f"no lab call {request.match_info['lab_call_id']}"
    return _error(404, "10005", "Resource not found", detail)


def _invalid(error: ValidationError) -> web.Response:
    """One error object a mistake, each with its pointer (RFC 6901)."""
    details = error.errors(include_url=False, include_context=False, include_input=False)
    errors = [_validation_error(detail["type"], detail["msg"], detail["loc"]) for detail in details]
    is_json = all(detail["type"] != "json_invalid" for detail in details)
    return web.json_response({"errors": errors}, status=422 if is_json else 400)


def _validation_error(kind: str, message: str, location: tuple[int | str, ...]) -> dict[str, object]:
    fallback = ("10033", "Value outside of range") if kind in _RANGE_ERRORS else ("10027", "Unprocessable entity")
    code, title = _CODES.get(kind, fallback)
    pointer = "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)
    return {"code": code, "title": title, "detail": message, "source": {"pointer": pointer or "/"}}


def _error(
    status: int,
    code: str,
    title: str,
    detail: str,
    *,
    pointer: str | None = None,
    parameter: str | None = None,
    retry_after: int | None = None,
) -> web.Response:
    error: dict[str, object] = {"code": code, "title": title, "detail": detail}
    if pointer is not None:
        error["source"] = {"pointer": pointer}
    elif parameter is not None:
        error["source"] = {"parameter": parameter}
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return web.json_response({"errors": [error]}, status=status, headers=headers)
