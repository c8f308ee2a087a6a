"""How a program that was started is ended."""

import asyncio
import os
import signal


async def end(process: asyncio.subprocess.Process, *, patience: float, leads_session: bool = False) -> None:
    """Ask it to end, and kill it if it has not after `patience` seconds. One that has ended already is left alone.

    Args:
        leads_session: it was started with `start_new_session`: what it has started itself is killed with it.
    """
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(patience):
            await process.wait()
    except TimeoutError:
        if leads_session:
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()
        await process.wait()
