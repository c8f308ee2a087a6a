"""A machine that sets up calls, on paper: one loop that does a step of each call in turn, as an event loop does."""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.b2bua.core.overload import PROBE_INTERVAL, OverloadControl
from gateway.domain.ids import CallId

IDLE_TURN: Final = 0.0005
"""Seconds that a turn takes of which nothing comes."""


@dataclass(slots=True)
class Run:
    """What became of the calls.

    Attributes:
        accepted: when each came that was let in.
        refused: when each came that was not.
        done: when each came that was set up, and the seconds that it took.
        limits: the limit after each probe, with its time.
    """

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    done: list[tuple[float, float]] = field(default_factory=list)
    limits: list[tuple[float, float | None]] = field(default_factory=list)

    def rate(self, begin: float, end: float) -> float:
        """Calls a second that were let in between the two."""
        return sum(begin <= at < end for at in self.accepted) / (end - begin)

    def slowest(self, begin: float, end: float) -> float:
        """Seconds that the slowest call took of those that came between the two."""
        return max(took for at, took in self.done if begin <= at < end)


@dataclass(slots=True)
class _Call:
    call_id: CallId
    came_at: float
    steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelServer:
    """Sets up so many calls a second, each in so many turns of its loop.

    Attributes:
        later_turns: those that a call needs beyond, after it was released.
        other_work: seconds that each turn takes besides, by the time.
    """

    capacity: float
    turns: int = 20
    later_turns: int = 0
    other_work: Callable[[float], float] = lambda now: 0.0

    def run(self, control: OverloadControl, offered: Callable[[float], float], seconds: float, seed: int = 1) -> Run:
        """Let calls come, by a Poisson process with that rate at that time, which is above 0."""
        dice, run, live = random.Random(seed), Run(), list[_Call]()
        step = 1.0 / (self.capacity * (self.turns + self.later_turns))
        now, comes_at, probe_at, count = 0.0, 0.0, PROBE_INTERVAL, 0
        while now < seconds:
            while comes_at <= now:
                if control.may_begin():
                    count += 1
                    live.append(_Call(CallId(str(count)), comes_at, self.turns + self.later_turns))
                    control.take(live[-1].call_id, now)
                    run.accepted.append(comes_at)
                else:
                    run.refused.append(comes_at)
                comes_at += dice.expovariate(offered(comes_at))
            if probe_at <= now:
                control.probe(now - probe_at, now)
                run.limits.append((now, control.limit))
                probe_at = now + PROBE_INTERVAL
            now += IDLE_TURN + len(live) * step + self.other_work(now)
            live = self._step(live, control, run, now)
        return run

    def _step(self, live: list[_Call], control: OverloadControl, run: Run, now: float) -> list[_Call]:
        """One of each; the calls that have more of them."""
        for call in live:
            call.steps -= 1
            if call.steps == self.later_turns:
                control.release(call.call_id)
            if not call.steps:
                run.done.append((call.came_at, now - call.came_at))
        return [call for call in live if call.steps]
