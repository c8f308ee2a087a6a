"""A measurement that is told to stop takes with it what it has started."""

import signal
import subprocess
import sys

import pytest

from tests.bench.ending import TERMINATED, run

MEASURING = """
import asyncio
from tests.bench import ending

async def measure():
    child = await asyncio.create_subprocess_exec("cat", stdin=asyncio.subprocess.PIPE)
    try:
        print("measuring", flush=True)
        await child.wait()
    finally:
        child.terminate()
        print("child ended with", await child.wait(), flush=True)

ending.run(measure())
"""


async def measured() -> int:
    return 7


async def broken() -> None:
    raise LookupError("no such server")


def test_what_was_measured_is_returned() -> None:
    assert run(measured()) == 7


def test_failure_is_passed_on() -> None:
    with pytest.raises(LookupError, match="no such server"):
        run(broken())


def test_term_ends_the_children_first() -> None:
    with subprocess.Popen([sys.executable, "-c", MEASURING], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "measuring\n"

        process.terminate()

        assert process.stdout.readline() == f"child ended with {-signal.SIGTERM}\n"
        assert process.wait(10) == TERMINATED
