"""Inside of the namespace: `python -m tests.bench.rate` with what is wanted as JSON."""

import dataclasses
import json
import resource
import sys

from gateway.observability import logging as logs
from tests.bench import ending
from tests.bench.rate.measure import measure
from tests.bench.rate.plan import Load


def main() -> None:
    """Measure, print JSON."""
    asked = json.loads(sys.argv[1])
    logs.configure(level="warning")
    # Three sockets a call that talks
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    found = ending.run(measure([Load(**load) for load in asked["loads"]], asked["seconds"], asked["engine"]))
    json.dump([dataclasses.asdict(one) for one in found], sys.stdout)


if __name__ == "__main__":
    main()
