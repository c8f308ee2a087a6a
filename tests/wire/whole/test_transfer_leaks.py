"""After thirty transfers of every kind and ending nothing is left; see `test_leaks`."""

import asyncio
from pathlib import Path
from typing import Final

import pytest

from tests.harness.gateway import Running
from tests.harness.lab import lab_call
from tests.harness.verto_client import RequestFailed
from tests.wire.whole.phone import Phone
from tests.wire.whole.test_leaks import SETTINGS, answered, nothing_is_left_after

ROUNDS: Final = 5
CALLS_A_ROUND: Final = 7


async def busy_target(alice: Phone, _gateway: Running) -> None:
    call = await answered(alice)
    await alice.verto.modify(call, "transfer", destination="+12025550102")
    await alice.until_over(call)


async def no_route(alice: Phone, _gateway: Running) -> None:
    call = await answered(alice)
    with pytest.raises(RequestFailed):
        await alice.verto.modify(call, "transfer", destination="nobody@sip.telnyx.com")
    await alice.hang_up(call)


async def refer(alice: Phone, _gateway: Running) -> None:
    call = await answered(alice, "+12025550111")
    await alice.verto.wait_for("telnyx_rtc.display", call_id=call)
    await alice.hang_up(call)


async def attended(alice: Phone, gateway: Running) -> None:
    first, second = await answered(alice, "+12025550120"), await answered(alice)
    await alice.verto.modify(first, "replace", replaceCallID=second)
    for call in (first, second):
        assert (await alice.until_over(call))[0] == "ATTENDED_TRANSFER"
    for live in (await gateway.get("/v2/gateway/calls?state=live"))["data"]:
        if live["transfers"] and live["transfers"][0]["kind"] == "attended":
            gateway.gateway.directory.hangup(live["call_id"])


async def to_a_client(alice: Phone, robert: Phone, number: int) -> None:
    call = await answered(alice)
    await alice.verto.modify(call, "transfer", destination="robert")
    theirs = await robert.until_rung(number)
    await robert.answer(theirs)
    await alice.until_over(call)
    await robert.hang_up(theirs)


async def abandoned(alice: Phone, robert: Phone, gateway: Running, number: int) -> None:
    call = await answered(alice)
    far_end = lab_call(gateway)
    await alice.verto.modify(call, "transfer", destination="robert")
    theirs = await robert.until_rung(number)
    far_end.hangup()
    await robert.verto.wait_for("telnyx_rtc.bye", call_id=theirs)
    await alice.until_over(call)


@pytest.mark.timeout(180)
async def test_after_thirty_transfers_of_every_kind_nothing_is_left(tmp_path: Path) -> None:
    async def every_transfer(gateway: Running, alice: Phone, robert: Phone) -> None:
        for number in range(ROUNDS):
            async with asyncio.TaskGroup() as group:
                for transfer in (busy_target, no_route, refer, attended):
                    group.create_task(transfer(alice, gateway))
            await to_a_client(alice, robert, 2 * number + 1)
            await abandoned(alice, robert, gateway, 2 * number + 2)

    await nothing_is_left_after(tmp_path, SETTINGS, every_transfer, expected=ROUNDS * CALLS_A_ROUND)
