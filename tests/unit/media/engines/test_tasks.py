"""Tasks that a media session owns end with it."""

import asyncio

from gateway.media.engines.tasks import OwnedTasks


async def turn() -> None:
    """Let everything go on that can, once."""
    done = asyncio.Event()
    asyncio.get_running_loop().call_soon(done.set)
    await done.wait()


async def test_task_that_loses_its_cancellation_to_a_datagram_ends_all_the_same() -> None:
    arrived: asyncio.Queue[bytes] = asyncio.Queue()
    read: list[bytes] = []

    async def reader() -> None:
        """As aiortc reads during a handshake."""
        while True:
            read.append(await asyncio.wait_for(arrived.get(), timeout=30.0))

    tasks = OwnedTasks()
    tasks.start(reader())
    await turn()
    await turn()
    arrived.put_nowait(b"a flight")
    await turn()

    async with asyncio.timeout(20.0):
        await tasks.close()

    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_task_that_ignores_one_cancellation_is_cancelled_again() -> None:
    cancelled = 0

    async def stubborn() -> None:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = 1
        await asyncio.Event().wait()

    tasks = OwnedTasks()
    tasks.start(stubborn())
    await turn()

    async with asyncio.timeout(20.0):
        await tasks.close()

    assert cancelled == 1
    assert asyncio.all_tasks() == {asyncio.current_task()}
