"""Runs the scenarios in a network of their own, whose hosts file says that rtc.telnyx.com is this machine."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

from gateway.http.names import TELNYX_NAMES

DEADLINE: Final = 300.0
"""Seconds for all scenarios, a browser included."""

STOLEN: Final = "mybank.com"
"""A name that our authority must not be good for."""

_ENTER: Final = """
set -e
ip link set lo up
mount --bind "$HOSTS_FILE" /etc/hosts
exec "$@"
"""


async def run_inside(folder: Path) -> Any:  # Any: JSON
    """What `scenarios` prints. A user of the machine may do this, root as well.

    Raises:
        AssertionError: it could not; its standard error is in there.
    """
    hosts = folder / "hosts"
    hosts.write_text("".join(f"127.0.0.1 {name}\n" for name in ("localhost", STOLEN, *TELNYX_NAMES)))
    command = [sys.executable, "-m", "tests.interop.real_name.scenarios", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *("unshare", "--map-root-user", "--net", "--mount", "--", "sh", "-c", _ENTER, "sh", *command),
        env={**os.environ, "HOSTS_FILE": str(hosts), "HOME": str(folder)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(DEADLINE):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()[-4000:]
    return json.loads(out.splitlines()[-1])
