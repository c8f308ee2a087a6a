"""The part of `make bench`: run it, sum it up."""

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.media import generator, network
from tests.bench.media.summary import Found, Row, summed_up

SCRIPT: Final = Path(__file__).parents[3] / "scripts/debian-packages.sh"
PEERS: Final = ("rtpengine-daemon", "janus")
NEEDED: Final = ("iproute2",)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which servers and cases, how many rounds of how many seconds; how many calls, and how many for the delay: 0 for
    each case's own."""

    servers: Sequence[str]
    cases: Sequence[str]
    rounds: int
    seconds: float
    calls: int = 0
    delay_calls: int = 0
    warm_up: float = 2.0


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it: each round, and the sums."""

    rounds: Sequence[Found]
    rows: Sequence[Row]


async def measure(wanted: Wanted) -> Measured:
    """Install the peers where that is allowed, and measure; a peer that is not there is a row without figures.

    Raises:
        NoNamespace: it does not run at all.
        subprocess.CalledProcessError: the generator does not compile.
    """
    generator.build()
    for package in (*NEEDED, *PEERS):
        # One after the other: what cannot be had is told by the script, and shown as not measured
        subprocess.run([SCRIPT, package], check=False)  # noqa: ASYNC221 # nothing else runs yet
    asked = {
        "servers": list(wanted.servers),
        "cases": list(wanted.cases),
        "rounds": wanted.rounds,
        "calls": wanted.calls,
        "delay_calls": wanted.delay_calls,
        "seconds": wanted.seconds,
        "warm_up": wanted.warm_up,
    }
    found = await network.run_inside("tests.bench.media", [json.dumps(asked)])
    return Measured(found, summed_up(found, calls=wanted.calls))
