"""In which order trunks are tried (priority and weight as of SRV records, RFC 2782). Pure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One trunk that a call could take.

    Attributes:
        priority: lower ones first.
        weight: its share among those of the same priority. Those of weight 0 come behind them, in their order.
        is_usable: false for one that is down, not registered, or has asked to be left alone for a while.
    """

    name: str
    priority: int = 0
    weight: int = 0
    is_usable: bool = True


def in_order(candidates: Sequence[Candidate], random: Callable[[], float]) -> tuple[str, ...]:
    """The names in the order in which they are tried; unusable ones are left out, unless all are.

    Args:
        random: from 0 up to but not including 1, called once a drawing.
    """
    chosen = [candidate for candidate in candidates if candidate.is_usable] or list(candidates)
    ordered: list[str] = []
    for _, same in groupby(sorted(chosen, key=lambda one: one.priority), key=lambda one: one.priority):
        ordered += _by_weight(list(same), random)
    return tuple(ordered)


def _by_weight(candidates: list[Candidate], random: Callable[[], float]) -> list[str]:
    weighted = [candidate for candidate in candidates if candidate.weight > 0]
    names: list[str] = []
    while weighted:
        drawn = _draw(weighted, random())
        weighted.remove(drawn)
        names.append(drawn.name)
    return names + [candidate.name for candidate in candidates if candidate.weight == 0]


def _draw(candidates: Sequence[Candidate], random: float) -> Candidate:
    mark = random * sum(candidate.weight for candidate in candidates)
    for candidate in candidates:
        mark -= candidate.weight
        if mark < 0:
            return candidate
    return candidates[-1]
