"""After many calls of every ending nothing is left: no call, dialog, transaction, task or object."""

import asyncio
import gc
from collections.abc import Awaitable, Callable

import pytest

from gateway.sip.call import Answered, Cancelled, Confirmed, Ended, Provisional, Rejected
from gateway.sip.core.dialog import Dialog
from gateway.sip.driver import Driver
from gateway.sip.transport.flow import Transport
from tests.wire.sip.agents import ANSWER, Agent, Peer, connected, pair, running, settings

CALLS = 50

Ending = Callable[[Agent, Agent], Awaitable[None]]


async def caller_hangs_up(caller: Agent, callee: Agent) -> None:
    out, into = await connected(caller, callee)
    out.call.hangup()
    await into.ear.hears(Ended)


async def callee_hangs_up(caller: Agent, callee: Agent) -> None:
    out, into = await connected(caller, callee)
    into.call.hangup()
    await out.ear.hears(Ended)


async def callee_is_busy(caller: Agent, callee: Agent) -> None:
    out = caller.dials(callee.uri())
    (await callee.gets_call()).call.reject(486, "Busy Here")
    await out.ear.hears(Rejected)


async def caller_cancels(caller: Agent, callee: Agent) -> None:
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.ring()
    await out.ear.hears(Provisional)
    out.call.hangup()
    await into.ear.hears(Cancelled)
    await out.ear.hears(Rejected)


async def cancel_crosses_200(caller: Agent, callee: Agent) -> None:
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.ring()
    await out.ear.hears(Provisional)
    into.call.answer(ANSWER)
    out.call.hangup()
    await out.ear.hears(Rejected)
    await into.ear.hears(Confirmed)
    await into.ear.hears(Ended)


async def callee_takes_back_its_answer(caller: Agent, callee: Agent) -> None:
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.answer(ANSWER)
    into.call.hangup()
    await out.ear.hears(Answered)
    await out.ear.hears(Ended)


ENDINGS: tuple[Ending, ...] = (
    caller_hangs_up,
    callee_hangs_up,
    callee_is_busy,
    caller_cancels,
    cancel_crosses_200,
    callee_takes_back_its_answer,
)


def alive() -> tuple[int, int]:
    """Drivers and dialogs in this process; hypothesis keeps some of the unit tests' dialogs in its memory."""
    gc.collect()
    return not_gone()


def not_gone() -> tuple[int, int]:
    """The same, with those that only the garbage collector would find."""
    found = [type(one) for one in gc.get_objects()]
    return found.count(Driver), found.count(Dialog)


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_nothing_is_left_of_50_calls_of_every_ending(transport: Transport) -> None:
    before, alive_before = len(asyncio.all_tasks()), alive()
    async with pair(settings(transport, t1=0.05)) as (caller, callee):
        idle = len(asyncio.all_tasks())
        for ending in ENDINGS:
            for _ in range(CALLS):
                await ending(caller, callee)
        await caller.lets_timers_run_out()

        for agent in (caller, callee):
            agent.assert_idle()
            assert agent.agent.transactions == 0
            assert agent.endpoint.connection_count <= 2
        assert alive() == alive_before
        assert len(asyncio.all_tasks()) <= idle + 2  # the readers of the one TCP connection
    assert len(asyncio.all_tasks()) == before


async def test_calls_are_gone_without_the_garbage_collector() -> None:
    before = alive()
    gc.disable()
    try:
        async with pair(settings("udp", t1=0.05)) as (caller, callee):
            for ending in ENDINGS:
                await ending(caller, callee)
            await caller.lets_timers_run_out()

            assert not_gone() == before
    finally:
        gc.enable()


async def nobody_responds(caller: Agent, silent: Peer) -> None:
    for out in [caller.dials(silent.uri) for _ in range(CALLS)]:
        assert (await out.ear.hears(Rejected)).status == 408


async def acks_get_lost(caller: Agent, callee: Agent) -> None:
    caller.endpoint.acks_to_lose = 10**6
    calls = [caller.dials(callee.uri()) for _ in range(CALLS)]
    for _ in calls:
        (await callee.gets_call()).call.answer(ANSWER)
    for out in calls:
        await out.ear.hears(Answered)
        assert (await out.ear.hears(Ended)).reason == "bye"


async def test_nothing_is_left_of_50_calls_that_nobody_responds_to() -> None:
    alive_before = alive()
    async with running(settings(t1=0.02)) as caller, Peer.listening() as silent:
        await nobody_responds(caller, silent)
        await caller.lets_timers_run_out()

        caller.assert_idle()
        assert caller.agent.transactions == 0
        assert alive() == alive_before


async def test_nothing_is_left_at_a_callee_of_50_calls_without_an_ack() -> None:
    # the caller is patient, so that a slow machine changes nothing; its own transactions therefore live longer
    async with running(settings(t1=0.5)) as caller, running(settings(t1=0.03)) as callee:
        await acks_get_lost(caller, callee)
        await callee.lets_timers_run_out()

        caller.assert_idle()
        callee.assert_idle()
        assert callee.agent.transactions == 0
