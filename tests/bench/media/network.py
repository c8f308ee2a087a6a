"""A network namespace with one address, in which all parts of a run meet."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, Final

ADDRESS: Final = "198.18.0.1"
"""Of every media socket: RFC 2544's range for benchmarks."""

_ENTER: Final = f"""
set -e
ip link set lo up
ip link add bench0 type veth peer name bench1
ip addr add {ADDRESS}/24 dev bench0
ip link set bench0 up
ip link set bench1 up
exec "$@"
"""


class NoNamespace(Exception):
    """The namespace could not be made, or what ran in it failed; standard error has said why."""


async def run_inside(module: str, arguments: Sequence[str]) -> Any:  # Any: JSON
    """What `python -m` that module with these arguments prints, run in a namespace. Any user may make one.

    Raises:
        NoNamespace: see there.
    """
    # In a user namespace root may not raise priorities: only who is not root needs one.
    become_root = () if os.geteuid() == 0 else ("--map-root-user",)
    process = await asyncio.create_subprocess_exec(
        *("unshare", *become_root, "--net", "--", "sh", "-c", _ENTER, "sh"),
        *(sys.executable, "-m", module, *arguments),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.terminate()
            await process.wait()
    if process.returncode != 0:
        raise NoNamespace(f"{module}: ended with {process.returncode}")
    return json.loads(out)
