"""Which lab call goes where: incoming ones by number, outgoing ones by order; finds them and ends them all."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

from gateway.domain.errors import GatewayError
from gateway.domain.ids import Sdp
from gateway.lab.calls import CallFacts, EndedBy, LabCall, Way
from gateway.lab.history import CallHistory
from gateway.lab.legs import IncomingLabCall, OutgoingLabCall
from gateway.lab.numbers import look_up
from gateway.lab.scenario import SCENARIOS, Scenario, rejecting
from gateway.lab.settings import LabSettings
from gateway.observability.logging import get_logger
from gateway.sip.call import IncomingCall, OnSipCallEvent, OutgoingCall, Target

_UNKNOWN: Final = rejecting("unknown_number", 404, "No Such Lab Number")
_FULL: Final = rejecting("too_many_calls", 503, "Too Many Lab Calls")
_USER_CHARACTERS: Final = "-_.!~*'()&=+$,"
"""What a SIP user part may have beside letters and digits (RFC 3261 section 25.1); the rest is percent-encoded."""

MINUTE: Final = 60.0
"""Seconds; scaled by `time_scale`."""

_log = get_logger(trunk="lab")


class TooManyLabCalls(GatewayError):
    """The lab has as many live calls as `max_calls` allows."""

    code = "too_many_lab_calls"
    sip_status = 503


class NotACallingScenario(GatewayError):
    """A scenario that does not exist, or that only makes sense for somebody who is called."""

    code = "not_a_calling_scenario"

    def __init__(self, name: str) -> None:
        super().__init__(
            f"the lab cannot call with scenario {name!r}, only with one of {', '.join(calling_scenarios())}"
        )


def calling_scenarios() -> tuple[str, ...]:
    """The scenarios with which the lab can call somebody."""
    return tuple(name for name, scenario in SCENARIOS.items() if scenario.may_call)


class Switchboard:
    """The calls of the lab trunk. Needs its user agent only for `invite`."""

    def __init__(
        self,
        settings: LabSettings,
        *,
        invite: Callable[[Target, Sdp, OnSipCallEvent], OutgoingCall],
        lab_address: Callable[[], str],
        gateway_uri: Callable[[], str],
    ) -> None:
        """
        Args:
            settings: of the lab.
            invite: sends an INVITE, as the lab's own user agent does.
            lab_address: host and port of the lab, for the From of its calls.
            gateway_uri: where the gateway listens, without a user: ``sip:127.0.0.1:5060;transport=udp``.
        """
        self._settings = settings
        self._invite, self._lab_address, self._gateway_uri = invite, lab_address, gateway_uri
        self._minutes: dict[str, tuple[float, int]] = {}
        """By scenario: when its minute began, and how many calls it has had since."""
        self.history = CallHistory()

    def take(self, leg: IncomingCall) -> None:
        """An INVITE came: play the scenario of its number. An unknown number gets 404."""
        name, scenario = self._scenario_for(leg.request_user)
        facts = CallFacts(
            lab_call_id=str(uuid.uuid4()),
            way=Way.INCOMING,
            caller=leg.caller_number,
            callee=leg.request_user,
            scenario=name,
        )
        call = IncomingLabCall(
            leg,
            facts,
            scenario,
            settings=self._settings,
            lab_address=self._lab_address(),
            replaced=next((one for one in self.history.live() if one.sip_call_id == leg.replaces), None),
            on_ended=self.history.ended,
        )
        self.history.add(call)
        _log.info("lab_call_received", lab_call_id=facts.lab_call_id, scenario=name, sip_call_id=leg.sip_call_id)
        call.start()

    def call(self, *, to: str, caller: str, scenario: str, duration: float | None = None) -> LabCall:
        """Call a user or number through the gateway.

        Args:
            to: user part of the Request-URI: a client's user name, or a number.
            caller: user part of From.
            scenario: of `calling_scenarios()`; it begins with the answer.
            duration: hang up that many seconds after the answer.
        Raises:
            NotACallingScenario, TooManyLabCalls, NoLabPort: see there; nothing was sent.
        """
        behaviour = SCENARIOS.get(scenario)
        if behaviour is None or not behaviour.may_call:
            raise NotACallingScenario(scenario)
        if self._is_full():
            raise TooManyLabCalls(f"{self._settings.max_calls} lab calls are live")
        scheme, _, address = self._gateway_uri().partition(":")
        target = Target(
            uri=f"{scheme}:{quote(to, safe=_USER_CHARACTERS)}@{address}",
            from_uri=f"sip:{quote(caller, safe=_USER_CHARACTERS)}@{self._lab_address()}",
        )
        facts = CallFacts(lab_call_id=str(uuid.uuid4()), way=Way.OUTGOING, caller=caller, callee=to, scenario=scenario)
        call = OutgoingLabCall(
            facts,
            behaviour,
            settings=self._settings,
            lab_address=self._lab_address(),
            duration=duration,
            on_ended=self.history.ended,
        )
        self.history.add(call)
        _log.info("lab_call_made", lab_call_id=facts.lab_call_id, scenario=scenario)
        call.start(lambda offer, on_event: self._invite(target, offer, on_event))
        return call

    def hang_up_all(self) -> None:
        """End every live call."""
        for call in self.history.live():
            call.hangup(EndedBy.LAB)

    def _scenario_for(self, user: str) -> tuple[str, Scenario]:
        entry = look_up(user)
        if entry is None:
            return _UNKNOWN.name, _UNKNOWN
        if self._is_full():
            return _FULL.name, _FULL
        return entry.scenario, self._turn_of(SCENARIOS[entry.scenario])

    def _turn_of(self, scenario: Scenario) -> Scenario:
        """The scenario, or what every second call of a minute gets instead."""
        if scenario.every_second is None:
            return scenario
        now = asyncio.get_running_loop().time()
        begin, count = self._minutes.get(scenario.name, (now, 0))
        if now - begin >= MINUTE * self._settings.time_scale:
            begin, count = now, 0
        self._minutes[scenario.name] = begin, count + 1
        return scenario.every_second if count % 2 else scenario

    def _is_full(self) -> bool:
        return len(self.history.live()) >= self._settings.max_calls
