"""What the rounds come to: medians, and their ratios."""

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.media.cases import CASES, Case

TITLES: Final = {
    "native": "this gateway",
    "aiortc": "this gateway, aiortc",
    "rtpengine": "rtpengine",
    "janus": "Janus",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One server in one case. None is what was not measured, or of which no round counts.

    Attributes:
        rounds: those that count, and all.
        cpu: milliseconds of processor time for a call and second, median of the rounds.
        cpu_least, cpu_most: of those rounds.
        of_rtpengine: `cpu` over rtpengine's in the same run.
        of_janus: the same over Janus'.
        memory: KiB for a call.
        setup: milliseconds of processor time for setting up a call.
        lost: per cent, of the worse direction in the worst round.
        out_p50, out_p99: delay from browser to trunk, milliseconds, from a pass of its own.
        in_p50, in_p99: delay from trunk to browser.
        note: why it was not measured, or what was thrown away.
    """

    case: str
    server: str
    calls: int
    rounds: str
    cpu: float | None
    cpu_least: float | None
    cpu_most: float | None
    of_rtpengine: float | None
    of_janus: float | None
    memory: float | None
    setup: float | None
    lost: float | None
    out_p50: float | None
    out_p99: float | None
    in_p50: float | None
    in_p99: float | None
    note: str

    @property
    def title(self) -> str:
        """The server's name, as people say it."""
        return TITLES[self.server]

    def cost(self) -> dict[str, str]:
        """Processor time, for people; short heads first."""
        least, most = _text(self.cpu_least), _text(self.cpu_most)
        return {
            "case": f"{self.case}, {self.calls}",
            "server": self.title,
            "rounds": self.rounds,
            "ms/call-s": _text(self.cpu),
            "range": f"{least}-{most}" if self.cpu is not None else "-",
            "x rtpengine": _text(self.of_rtpengine),
            "x Janus": _text(self.of_janus),
        }

    def quality(self) -> dict[str, str]:
        """The other figures, for people."""
        return {
            "case": f"{self.case}, {self.calls}",
            "server": self.title,
            "KiB/call": _text(self.memory, 0),
            "set-up ms": _text(self.setup),
            "lost %": _text(self.lost, 3),
            "out p50/p99": f"{_text(self.out_p50)}/{_text(self.out_p99)}",
            "in p50/p99": f"{_text(self.in_p50)}/{_text(self.in_p99)}",
        }


def _text(value: float | None, digits: int = 2) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


Found = Mapping[str, Any]  # Any: a `Round` or `NotMeasured` of `rounds`, as JSON has it


def summed_up(found: Sequence[Found], *, calls: int = 0) -> list[Row]:
    """A row for each server of each case, in the order in which they ran; `calls` at once, 0 for the cases' own."""
    pairs = dict.fromkeys((one["case"], one["server"]) for one in found)
    cases = {case.name: case.with_calls(calls) for case in CASES}
    cpus = {pair: _cpu(found, *pair) for pair in pairs}
    return [_row(found, cases[case], server, cpus) for case, server in pairs]


def _of(found: Sequence[Found], case: str, server: str) -> list[Found]:
    return [one for one in found if (one["case"], one["server"]) == (case, server)]


def _counting(found: Sequence[Found], *, is_delay_pass: bool) -> list[Found]:
    measured = (one for one in found if one["is_measured"] and one["is_delay_pass"] is is_delay_pass)
    return [one for one in measured if not one["trouble"]]


def _cpu(found: Sequence[Found], case: str, server: str) -> float | None:
    return _median(one["cpu"] for one in _counting(_of(found, case, server), is_delay_pass=False))


def _median(values: Iterator[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def _row(found: Sequence[Found], case: Case, server: str, cpus: Mapping[tuple[str, str], float | None]) -> Row:
    here = _of(found, case.name, server)
    talks, delays = _counting(here, is_delay_pass=False), _counting(here, is_delay_pass=True)
    cpu = [one["cpu"] for one in talks]
    out_p50, out_p99, in_p50, in_p99 = (_median(one["delays"][at] for one in delays) for at in range(4))
    all_rounds = sum(one["is_measured"] and not one["is_delay_pass"] for one in here)
    return Row(
        case=case.name,
        server=server,
        calls=case.calls,
        rounds=f"{len(talks)}/{all_rounds}",
        cpu=cpus[case.name, server],
        cpu_least=min(cpu, default=None),
        cpu_most=max(cpu, default=None),
        of_rtpengine=_ratio(cpus, case, server, "rtpengine"),
        of_janus=_ratio(cpus, case, server, "janus"),
        memory=_median(one["memory"] for one in talks),
        setup=_median(one["setup_cpu"] for one in talks),
        lost=max((max(one["lost"]) for one in talks), default=None),
        out_p50=out_p50,
        out_p99=out_p99,
        in_p50=in_p50,
        in_p99=in_p99,
        note="; ".join(_notes(here)),
    )


def _ratio(cpus: Mapping[tuple[str, str], float | None], case: Case, server: str, other: str) -> float | None:
    ours, theirs = cpus.get((case.name, server)), cpus.get((case.name, other))
    return ours / theirs if ours is not None and theirs else None


def _notes(here: Sequence[Found]) -> Iterator[str]:
    for one in here:
        if not one["is_measured"]:
            yield f"not measured: {one['reason']}"
        elif one["trouble"]:
            yield f"{'delay' if one['is_delay_pass'] else 'round'} {one['number']} {one['trouble']}"
