"""A network that loses, delays, reorders and doubles datagrams, by a seed: the same ones in each run.

The kernel's own way to do this, netem in a network namespace, is not in every kernel (`CONFIG_NET_SCH_NETEM`; not in
those of small virtual machines), wants root, and draws anew in each run.
"""

import random
from dataclasses import dataclass
from typing import Final

OVERTAKEN: Final = 0.045
"""Seconds by which a reordered datagram is late: two packets of 20 ms overtake it."""
_NEXT: Final = 1e-6
"""Seconds between two that leave a queue together, so that they have an order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """What a network does to datagrams.

    Attributes:
        loss, duplicate, reorder: shares of the datagrams.
        jitter: each is delayed by up to so many seconds.
        keeps_order: whether a delayed one delays those behind it (a queue), or is overtaken.
    """

    loss: float = 0.0
    duplicate: float = 0.0
    reorder: float = 0.0
    jitter: float = 0.0
    keeps_order: bool = True


class Network:
    """One direction of a network. Does no I/O and never reads a clock."""

    def __init__(self, weather: Weather, seed: int) -> None:
        self._weather, self._chance = weather, random.Random(seed)
        self._free_at = 0.0
        self._run = 0
        self.lost = self.longest_loss = 0
        """Datagrams that were lost, in all and in a row."""

    def arrivals(self, now: float) -> list[float]:
        """When a datagram that leaves now arrives: never, once or twice."""
        is_lost, delay, is_late, is_double = (self._chance.random() for _ in range(4))
        if is_lost < self._weather.loss:
            self.lost += 1
            self._run += 1
            self.longest_loss = max(self.longest_loss, self._run)
            return []
        self._run = 0
        at = now + delay * self._weather.jitter
        if is_late < self._weather.reorder:
            at += OVERTAKEN
        elif self._weather.keeps_order:
            self._free_at = at = max(at, self._free_at + _NEXT)
        return [at] * (1 + (is_double < self._weather.duplicate))
