"""The part of `make bench`."""

import dataclasses
import json
import subprocess
from collections.abc import Sequence
from typing import Any

from tests.bench.media import generator, network
from tests.bench.media.part import NEEDED, SCRIPT
from tests.bench.rate.plan import Load


async def measure(loads: Sequence[Load], seconds: float, engine: str) -> list[dict[str, Any]]:  # Any: JSON
    """The `measure.Figures` of each load.

    Raises:
        NoNamespace: it does not run at all.
        subprocess.CalledProcessError: the generator does not compile.
    """
    if any(load.talking for load in loads):
        generator.build()
    subprocess.run([SCRIPT, *NEEDED], check=False)  # noqa: ASYNC221 # nothing else runs yet
    asked = {"loads": [dataclasses.asdict(load) for load in loads], "seconds": seconds, "engine": engine}
    found: list[dict[str, Any]] = await network.run_inside("tests.bench.rate", [json.dumps(asked)])
    return found
