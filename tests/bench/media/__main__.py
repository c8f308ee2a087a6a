"""Inside of the namespace: `python -m tests.bench.media` with the arguments of `make bench` as JSON."""

import dataclasses
import json
import resource
import sys

from gateway.observability import logging as logs
from tests.bench import ending
from tests.bench.media import rounds
from tests.bench.media.cases import CASES
from tests.bench.media.generator import Talk


def main() -> None:
    """Measure, print JSON."""
    asked = json.loads(sys.argv[1])
    logs.configure(level="warning")
    # Three sockets a call
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    warm_up, seconds = asked["warm_up"], asked["seconds"]
    how = [Talk(warm_up=warm_up, seconds=seconds, is_delay_pass=is_delay_pass) for is_delay_pass in (False, True)]
    found = ending.run(
        rounds.measure(
            asked["servers"],
            [case.with_calls(asked["calls"], asked["delay_calls"]) for case in CASES if case.name in asked["cases"]],
            rounds=asked["rounds"],
            how=how,
            tell=lambda line: print(line, file=sys.stderr, flush=True),  # noqa: T201 # progress is for people
        )
    )
    json.dump([{"is_measured": isinstance(one, rounds.Round), **dataclasses.asdict(one)} for one in found], sys.stdout)


if __name__ == "__main__":
    main()
