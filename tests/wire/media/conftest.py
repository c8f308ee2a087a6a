"""Engines and far ends for the tests of the embedded engine."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from gateway.media.engines.aiortc_engine import AiortcEngine
from gateway.media.settings import MediaSettings

from .browser import Browser
from .stranger import Stranger
from .trunk import Trunk

PORTS = "20000-49999"
MakeEngine = Callable[..., Awaitable[AiortcEngine]]
AddBrowser = Callable[..., Browser]
AddTrunk = Callable[..., Awaitable[Trunk]]
PeerStack = AsyncExitStack


@pytest.fixture
async def make_engine() -> AsyncIterator[MakeEngine]:
    """Makes a started engine with the settings given; afterwards nothing of it may be left."""
    async with AsyncExitStack() as stack:

        async def make(**settings: object) -> AiortcEngine:
            engine = AiortcEngine(MediaSettings(**{"rtp_ports": PORTS, **settings}))  # type: ignore[arg-type] # names are the tests'
            await engine.start()
            stack.push_async_callback(engine.stop)
            return engine

        yield make
    assert not asyncio.all_tasks() - {asyncio.current_task()}


@pytest.fixture
async def peers(make_engine: MakeEngine) -> AsyncIterator[AsyncExitStack]:
    """Closes the far ends, before the engine."""
    async with AsyncExitStack() as stack:
        yield stack


@pytest.fixture
async def add_browser(peers: AsyncExitStack) -> AddBrowser:
    """Makes a browser, closed at the end."""

    def add(*args: object, **options: object) -> Browser:
        browser = Browser(*args, **options)  # type: ignore[arg-type] # as Browser itself
        peers.push_async_callback(browser.close)
        return browser

    return add


@pytest.fixture
async def add_trunk(peers: AsyncExitStack) -> AddTrunk:
    """Makes a trunk, closed at the end."""

    async def add(**options: object) -> Trunk:
        trunk = await Trunk(**options).open()  # type: ignore[arg-type] # as Trunk itself
        peers.push_async_callback(trunk.close)
        return trunk

    return add


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    """A sender on another address, closed at the end."""
    stranger = Stranger()
    yield stranger
    stranger.close()
