"""Engines and far ends for tests that every engine passes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack

import pytest

from gateway.domain.ids import LegName
from gateway.media.engine import LegStats, MediaEngine, MediaSession
from gateway.media.engines.choice import make_engine as engine_of
from gateway.media.settings import MediaSettings
from gateway.observability.metrics import RTP_PACKETS_REJECTED
from tests.harness.ports import OWN_PORTS

from .browser import Browser
from .stranger import Stranger
from .trunk import Trunk

MakeEngine = Callable[..., Awaitable[MediaEngine]]
AddBrowser = Callable[..., Browser]
AddTrunk = Callable[..., Awaitable[Trunk]]
PeerStack = AsyncExitStack


FULL_ICE = pytest.mark.parametrize("make_engine", ["aiortc"], indirect=True)
"""For what only an engine does that makes checks of its own: `native` answers those of the browser."""


@pytest.fixture(params=["aiortc", "native"])
async def make_engine(request: pytest.FixtureRequest) -> AsyncIterator[MakeEngine]:
    """Makes a started engine with the settings given; afterwards nothing of it may be left."""
    async with AsyncExitStack() as stack:

        async def make(**settings: object) -> MediaEngine:
            chosen = {"engine": request.param, "rtp_ports": OWN_PORTS, "workers": 2, **settings}
            engine = engine_of(MediaSettings(**chosen))
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


def rejected(reason: str) -> float:
    """Datagrams that this process has not taken so far. A shared port does not know whose a stranger's would be."""
    return float(RTP_PACKETS_REJECTED.labels(reason)._value.get())


async def until(is_so: Callable[[], bool]) -> None:
    """Return as soon as it is: a thread brings it about, and nothing tells of it."""
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(30):
        while not is_so():
            later = loop.create_future()
            loop.call_later(0.01, later.set_result, None)
            await later


async def count_rejected(session: MediaSession, reason: str, count: float) -> float:
    """How many it has not taken, as soon as it is that many."""
    # Asked for its totals, a session has what all of them share counted.
    await until(lambda: bool(session.stats()) and rejected(reason) >= count)
    return rejected(reason)


async def counted(session: MediaSession, leg: LegName, *, received: int, rejected: int) -> LegStats:
    """Its totals, as soon as it has counted so many of both; what is heard first was not the last that was sent."""

    def is_counted() -> bool:
        stats = session.stats()[leg]
        return stats.packets_received >= received and stats.packets_rejected >= rejected

    await until(is_counted)
    return session.stats()[leg]
