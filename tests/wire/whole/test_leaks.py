"""After many calls of every ending nothing is left: no task, socket, port, dialog, transaction or file."""

import asyncio
import gc
import os
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Final

import pytest

from gateway.domain.facts import CallEnded, Fact
from gateway.domain.ids import Sdp
from gateway.observability.metrics import REGISTRY
from tests.harness.gateway import Running, merged, running
from tests.harness.verto_client import RequestFailed
from tests.wire.whole.phone import Phone, phone

ROUNDS: Final = 8
"""Each of the thirteen endings happens so many times: 104 calls, of which each has to leave nothing. The browsers are
played in this process, in Python: more than a dozen handshakes at once would stall the gateway's own timers."""

SETTINGS: Final = {
    "lab": {"time_scale": 0.1},
    "calls": {"stop_grace": 0.0, "max_calls_per_session": 50},
    "verto": {"reattach_window": 0.5},
    "sip": {"t1": 0.1, "t4": 0.5},
    "media": {"port_quarantine": 0.1},
}


async def answered(alice: Phone, number: str = "+12025550100") -> str:
    call = await alice.call(number)
    await alice.until_answered(call)
    return call


async def hang_up(alice: Phone, _robert: Phone) -> None:
    await alice.hang_up(await answered(alice))


async def far_end_hangs_up(alice: Phone, _robert: Phone) -> None:
    """After 0.3 s: on a stalled machine before DTLS is through, or before the answer is out."""
    call = await alice.call("+12025550108")
    first = await alice.verto.first_of("telnyx_rtc.answer", "telnyx_rtc.bye", call_id=call)
    if first["method"] == "telnyx_rtc.answer":
        await alice.media[call].accept(Sdp(first["params"]["sdp"]))
    await alice.until_over(call)


async def cancel_while_ringing(alice: Phone, _robert: Phone) -> None:
    call = await alice.call("+12025550104")
    await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)
    await alice.hang_up(call)


async def ring_timeout(alice: Phone, _robert: Phone) -> None:
    assert (await alice.until_over(await alice.call("+12025550104")))[0] == "NO_ANSWER"


async def lost_media(alice: Phone, _robert: Phone) -> None:
    call = await answered(alice)
    await alice.media[call].close_dtls()
    assert (await alice.until_over(call))[0] == "MEDIA_TIMEOUT"


async def bad_offer(alice: Phone, _robert: Phone) -> None:
    call = await alice.verto.invite("+12025550100", "v=0\r\nthis is no SDP\r\n")
    assert (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]["cause"] == "INCOMPATIBLE_DESTINATION"


async def early_media_then_busy(alice: Phone, _robert: Phone) -> None:
    """Early media lasts 0.3 s here; when the machine stalls for that long, the call is over before it began."""
    call = await alice.call("+12025550107")
    first = await alice.verto.first_of("telnyx_rtc.media", "telnyx_rtc.bye", call_id=call)
    if first["method"] == "telnyx_rtc.media":
        await alice.take_early_media(call)
    assert (await alice.until_over(call))[0] == "USER_BUSY"


async def rejected_by_browser(alice: Phone, robert: Phone) -> None:
    before = len([one for one in robert.verto.messages if one["method"] == "telnyx_rtc.invite"])
    call = await alice.call("robert")
    theirs = await robert.until_rung(before + 1)
    try:
        await robert.verto.bye(theirs, cause="USER_BUSY", code=17)
    except RequestFailed as error:  # a bye is always answered with a result (V-89)
        pytest.fail(str(error))
    await alice.until_over(call)


def refused(number: str) -> Callable[[Phone, Phone], Coroutine[None, None, None]]:
    async def ending(alice: Phone, _robert: Phone) -> None:
        await alice.until_over(await alice.call(number))

    return ending


ENDINGS: Final = (
    hang_up,
    far_end_hangs_up,
    cancel_while_ringing,
    lost_media,
    bad_offer,
    early_media_then_busy,
    refused("+12025550102"),
    refused("+12025550103"),
    refused("+12025550105"),
    refused("nobody@sip.telnyx.com"),
)
"""Those that may overlap on one phone; the browser that rejects and the lost socket come one by one."""


def open_files() -> Counter[str]:
    """What every descriptor of this process is open on; numbers of sockets left out."""
    found: Counter[str] = Counter()
    for name in os.listdir("/proc/self/fd"):
        try:
            found[os.readlink(f"/proc/self/fd/{name}").partition(":[")[0]] += 1
        except FileNotFoundError:  # the descriptor of this listing itself
            continue
    return found


async def lose_the_socket(gateway: Running) -> None:
    async with phone(gateway) as carol:
        await answered(carol)


@pytest.mark.timeout(150)
async def test_after_a_hundred_calls_of_every_ending_nothing_is_left(tmp_path: Path) -> None:
    async def every_ending(gateway: Running, alice: Phone, robert: Phone) -> None:
        for _ in range(ROUNDS):
            async with asyncio.TaskGroup() as group:
                for ending in ENDINGS:
                    group.create_task(ending(alice, robert))
                group.create_task(lose_the_socket(gateway))
            await rejected_by_browser(alice, robert)
        assert any(message["method"] == "telnyx_rtc.media" for message in alice.verto.messages)

    await nothing_is_left_after(tmp_path, SETTINGS, every_ending, expected=ROUNDS * (len(ENDINGS) + 2))


@pytest.mark.timeout(60)
async def test_after_calls_that_nobody_answered_nothing_is_left(tmp_path: Path) -> None:
    async def no_answer(_gateway: Running, alice: Phone, robert: Phone) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(ROUNDS):
                group.create_task(ring_timeout(alice, robert))

    settings = merged(SETTINGS, {"calls": {"ring_timeout": 0.5}})
    await nothing_is_left_after(tmp_path, settings, no_answer, expected=ROUNDS)


async def nothing_is_left_after(
    folder: Path,
    settings: Mapping[str, object],
    calls: Callable[[Running, Phone, Phone], Coroutine[None, None, None]],
    *,
    expected: int,
) -> None:
    """Run a gateway, let two phones make so many calls, look at everything that a call takes.

    The loop is in debug mode here, in `make test` too: a callback from a foreign thread is an error in it.
    """
    asyncio.get_running_loop().set_debug(True)
    tasks_before, files_before = len(asyncio.all_tasks()), open_files()
    ports_before = REGISTRY.get_sample_value("gateway_rtp_ports_in_use")
    ended, all_ended = 0, asyncio.Event()

    def count(fact: Fact) -> None:
        nonlocal ended
        ended += isinstance(fact, CallEnded)
        if ended == expected:
            all_ended.set()

    async with running(folder, settings) as gateway:
        program = gateway.gateway
        program.directory.subscribe(count)
        async with phone(gateway) as alice, phone(gateway, "robert") as robert:
            idle_tasks = len(asyncio.all_tasks())
            await calls(gateway, alice, robert)
            try:
                async with asyncio.timeout(30):
                    await all_ended.wait()
                    await until(lambda: len(asyncio.all_tasks()) <= idle_tasks)
                    await until(lambda: program.sip.agent.transactions == 0)
            except TimeoutError:
                left = sorted(str(task.get_coro()) for task in asyncio.all_tasks())
                pytest.fail(f"{ended} of {expected} calls ended, {len(left)} tasks, {idle_tasks} at rest: {left}")
            assert program.directory.live() == []
            assert (program.sip.agent.calls, program.sip.agent.dialogs) == (0, 0)
            assert REGISTRY.get_sample_value("gateway_rtp_ports_in_use") == ports_before
            assert program.lab is not None
            assert program.lab.user_agent is not None
            assert (program.lab.user_agent.calls, program.lab.user_agent.dialogs) == (0, 0)
    gc.collect()

    assert len(asyncio.all_tasks()) == tasks_before
    assert open_files() - files_before == Counter()


async def until(is_true: Callable[[], bool]) -> None:
    """Let the loop turn until it is true; the caller has a deadline."""
    loop = asyncio.get_running_loop()
    while not is_true():
        turn = asyncio.Event()
        loop.call_at(loop.time() + 0.01, turn.set)
        await turn.wait()
