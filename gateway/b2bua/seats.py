"""Who sits where in a call: its two legs, one that is to take a place, and those that have left one."""

from dataclasses import dataclass, field, replace
from typing import Any

from gateway.b2bua.core.events import Event, OfTarget
from gateway.b2bua.inbox import Door
from gateway.b2bua.legs.base import Leg
from gateway.domain.causes import Cause
from gateway.domain.ids import LegName
from gateway.media.engine import DetachedLeg


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """A leg on its way from one call into another, with its media, and what it has said that nobody has heard yet."""

    leg: Leg
    media: DetachedLeg
    is_told: bool
    is_holding: bool
    unheard: tuple[Event, ...]


@dataclass(slots=True)
class Seats:
    """The legs of one call. `target` is dialled, or called us, for a transfer; `given` came from another call."""

    target: Leg | None = None
    given: Handover | None = None
    _legs: dict[LegName, Leg] = field(default_factory=dict)
    _leaving: list[Leg] = field(default_factory=list)

    def __getitem__(self, name: LegName) -> Leg:
        return self._legs[name]

    def get(self, name: LegName) -> Leg | None:
        """The leg in that place, if there is one yet."""
        return self._legs.get(name)

    def put(self, name: LegName, leg: Leg) -> Leg | None:
        """Seat a leg; returns who sat there."""
        former = self._legs.get(name)
        self._legs[name] = leg
        return former

    def swap(self, former: Leg, successor: Leg) -> None:
        """Whatever place a leg has belongs to another one, which posts through the same door."""
        self._legs = {name: successor if leg is former else leg for name, leg in self._legs.items()}
        if self.target is former:
            self.target = successor

    def keep_leaving(self, leg: Leg) -> None:
        """That leg has left its place, and has some time to hang up by itself."""
        self._leaving.append(leg)

    def take_leaving(self) -> list[Leg]:
        """Those whose time is up."""
        leaving, self._leaving = self._leaving, []
        return leaving

    def placed(self, door: Door | None, event: Event) -> Event | OfTarget | None:
        """The event as the call takes it; None when it comes from a leg that we let go."""
        if door is None or any(leg.post is door for leg in self._legs.values()):
            return event
        if self.target is not None and self.target.post is door:
            return OfTarget(event)
        return None


def renamed(event: Event, name: LegName) -> Event:
    """What a leg said in another call, as it would say it here."""
    if not hasattr(event, "leg"):
        return event
    changes: dict[str, Any] = {"leg": name}  # Any: dataclasses.replace knows no narrower type
    return replace(event, **changes)


def hang_up(leg: Leg, cause: Cause) -> None:
    """Hang up with the SIP status of the cause."""
    leg.hangup(cause, cause.sip_status, cause.sip_reason, ())


__all__ = ["Handover", "Seats", "hang_up", "renamed"]
