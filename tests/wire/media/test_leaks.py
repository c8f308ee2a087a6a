"""After a call nothing of it is left: no task, no socket, no port, no timer."""

import asyncio
import gc
import os
from pathlib import Path

from gateway.domain.ids import CallId
from gateway.media.engine import MediaEvent, Profile
from gateway.media.engines.session import Session
from gateway.observability.metrics import RTP_PORTS_IN_USE

from .call import A, B, calling, connect_inbound, connect_internal, connect_outbound
from .conftest import AddBrowser, AddTrunk, MakeEngine

WEBRTC, RTP = Profile.WEBRTC, Profile.RTP


def open_files() -> int:
    return len(list(Path(f"/proc/{os.getpid()}/fd").iterdir()))


def tasks() -> set["asyncio.Task[object]"]:
    return asyncio.all_tasks()


async def test_thirty_calls_of_every_kind_leave_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    files, running, ports = open_files(), tasks(), RTP_PORTS_IN_USE._value.get()

    for round_ in range(10):
        browser, other = add_browser(), add_browser()
        async with calling(engine, WEBRTC, RTP, codecs_b=("PCMU",)) as call:
            await connect_outbound(call, browser, trunk)
        await browser.close()
        browser = add_browser()
        async with calling(engine, RTP, WEBRTC, codecs_a=("PCMU",)) as call:
            await connect_inbound(call, trunk, browser)
            if round_ % 2:
                await call.session.offer(B)  # a restart that is never answered
        await browser.close()
        browser = add_browser()
        async with calling(engine, WEBRTC, WEBRTC) as call:
            await connect_internal(call, browser, other)
        await browser.close()
        await other.close()

    del call
    gc.collect()
    assert tasks() == running
    assert open_files() == files
    assert ports == RTP_PORTS_IN_USE._value.get()
    assert not [each for each in gc.get_objects() if isinstance(each, Session)]


async def test_calls_that_end_half_way_leave_nothing(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, trunk = await make_engine(), await add_trunk()
    browsers = [add_browser() for _ in range(3)]
    offers = [await browser.offer() for browser in browsers]
    files, running, ports = open_files(), tasks(), RTP_PORTS_IN_USE._value.get()

    async with calling(engine, WEBRTC, RTP):
        pass
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, offers[0])
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, offers[1])
        await call.session.take_offer(A, offers[2])
        await call.session.offer(B)
    async with calling(engine, WEBRTC, RTP) as call:
        await call.session.take_offer(A, offers[0])
        await call.session.answer(A)  # checks are under way
        await call.session.offer(B)
        await call.session.accept(B, trunk.describe())

    assert tasks() == running
    assert open_files() == files
    assert ports == RTP_PORTS_IN_USE._value.get()


async def test_no_event_comes_after_close(
    make_engine: MakeEngine, add_browser: AddBrowser, add_trunk: AddTrunk
) -> None:
    engine, browser, trunk = await make_engine(), add_browser(), await add_trunk()
    events: list[MediaEvent] = []
    session = await engine.open(
        call_id=CallId("x"), a=RTP, b=WEBRTC, codecs_a=("PCMU",), codecs_b=("PCMU",), on_event=events.append
    )
    await session.take_offer(A, trunk.describe())
    await session.answer(A)  # its MediaReady is on its way

    await session.close()
    await browser.offer()  # some iterations of the loop

    assert events == []
