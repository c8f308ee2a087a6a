"""One call through an engine: its session, its events, and the far ends around it."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from gateway.domain.ids import CallId, LegName
from gateway.media.engine import (
    DEFAULT_OPTIONS,
    DigitReceived,
    LegOptions,
    MediaEngine,
    MediaEvent,
    MediaFailed,
    MediaReady,
    MediaSession,
    Profile,
)

from .browser import Browser
from .trunk import Trunk

A, B = LegName.A, LegName.B
ALL_CODECS = ("opus", "G722", "PCMU", "PCMA")


class Call:
    """A session, and what it reported."""

    def __init__(self, session: MediaSession, events: "asyncio.Queue[MediaEvent]") -> None:
        self.session = session
        self.events = events

    async def ready(self, *legs: LegName) -> None:
        """Wait until these legs (both, if none is named) are ready."""
        waiting = set(legs or (A, B))
        while waiting:
            event = await self.events.get()
            assert isinstance(event, MediaReady), event
            waiting.discard(event.leg)

    async def failure(self) -> MediaFailed:
        """The first failure."""
        while True:
            event = await self.events.get()
            if isinstance(event, MediaFailed):
                return event

    async def digit(self) -> DigitReceived:
        """The next digit."""
        while True:
            event = await self.events.get()
            if isinstance(event, DigitReceived):
                return event


@asynccontextmanager
async def calling(
    engine: MediaEngine,
    a: Profile,
    b: Profile,
    *,
    codecs_a: Sequence[str] = ALL_CODECS,
    codecs_b: Sequence[str] = ALL_CODECS,
    options_a: LegOptions = DEFAULT_OPTIONS,
    options_b: LegOptions = DEFAULT_OPTIONS,
) -> AsyncIterator[Call]:
    """An open session, closed at the end."""
    events: asyncio.Queue[MediaEvent] = asyncio.Queue(1000)
    session = await engine.open(
        call_id=CallId("call"),
        a=a,
        b=b,
        codecs_a=codecs_a,
        codecs_b=codecs_b,
        on_event=events.put_nowait,
        options_a=options_a,
        options_b=options_b,
    )
    try:
        yield Call(session, events)
    finally:
        await session.close()


async def connect_outbound(call: Call, browser: Browser, trunk: Trunk) -> None:
    """Browser calls trunk; returns when audio flows."""
    await call.session.take_offer(A, await browser.offer())
    trunk.use(await call.session.offer(B))
    await call.session.accept(B, trunk.describe())
    await browser.accept(await call.session.answer(A))
    await call.ready()
    await browser.connected.wait()


async def connect_inbound(call: Call, trunk: Trunk, browser: Browser) -> None:
    """Trunk calls browser; returns when audio flows."""
    await call.session.take_offer(A, trunk.describe())
    await call.session.accept(B, await browser.answer(await call.session.offer(B)))
    trunk.use(await call.session.answer(A))
    await call.ready()
    await browser.connected.wait()


async def connect_internal(call: Call, caller: Browser, callee: Browser) -> None:
    """Browser calls browser; returns when audio flows."""
    await call.session.take_offer(A, await caller.offer())
    await call.session.accept(B, await callee.answer(await call.session.offer(B)))
    await caller.accept(await call.session.answer(A))
    await call.ready()
    await caller.connected.wait()
    await callee.connected.wait()
