"""baresip, a phone of other people's making, talks to a client with a browser's media through the whole gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.interop.baresip_runner import HOST, Baresip, baresip
from tests.interop.baresip_runner import Phone as Setup
from tests.interop.whole.site import NUMBER, gateway_with_trunk, speaking
from tests.wire.whole.phone import Phone, phone

pytestmark = pytest.mark.interop

TALK: Final = 1.5
"""Seconds of sound in a recording; the end of it, one second, is measured."""

CODECS = pytest.mark.parametrize("codec", ["PCMU", "opus"])


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@asynccontextmanager
async def site(
    folder: Path, transport: str, codec: str, *, user: str = "bob"
) -> AsyncIterator[tuple[Baresip, Phone, str]]:
    """A desk phone, a client, and the address at which the desk phone reaches the client."""
    async with (
        baresip(folder / "baresip", Setup(user=user, tone=700.0, transport=transport)) as desk,
        gateway_with_trunk(
            folder / "gateway", f"sip:{HOST}:{desk.sip_port};transport={transport}", accept_from=[HOST]
        ) as gateway,
        phone(gateway, codecs=[codec]) as alice,
    ):
        yield desk, alice, f"sip:alice@{gateway.sip(transport)};transport={transport}"


async def talk(desk: Baresip, alice: Phone, call: str, codec: str) -> None:
    """Alice hears the desk phone's 700 Hz and says 1100 Hz for long enough to be recorded."""
    assert await alice.hears(call, 700.0, codec=codec)
    await desk.talk(TALK)


@CODECS
async def test_desk_phone_calls_a_client_and_both_hear_each_other_until_the_client_hangs_up(
    tmp_path: Path, transport: str, codec: str
) -> None:
    async with site(tmp_path, transport, codec) as (desk, alice, address):
        await desk.dial(address)
        call = await alice.until_rung()
        await desk.event("CALL_RINGING")
        await alice.answer(call)
        with speaking(alice, call, 1100.0, codec=codec):
            await talk(desk, alice, call, codec)
            await alice.verto.bye(call)
            await desk.event("CALL_CLOSED")

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


@CODECS
async def test_desk_phone_that_hangs_up_ends_the_call_of_the_client(tmp_path: Path, transport: str, codec: str) -> None:
    async with site(tmp_path, transport, codec) as (desk, alice, address):
        await desk.dial(address)
        call = await alice.until_rung()
        await alice.answer(call)
        with speaking(alice, call, 1100.0, codec=codec):
            await talk(desk, alice, call, codec)
            await desk.hang_up()
            bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["cause"] == "NORMAL_CLEARING"

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


@CODECS
async def test_client_calls_a_desk_phone_and_both_hear_each_other(tmp_path: Path, transport: str, codec: str) -> None:
    async with site(tmp_path, transport, codec, user=NUMBER) as (desk, alice, _):
        call = await alice.call(NUMBER)
        await desk.event("CALL_ESTABLISHED")
        await alice.until_answered(call)
        with speaking(alice, call, 1100.0, codec=codec):
            await talk(desk, alice, call, codec)
            await desk.hang_up()
            bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["cause"] == "NORMAL_CLEARING"

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


async def test_desk_phone_that_gives_up_while_it_rings_tells_the_client_so(tmp_path: Path, transport: str) -> None:
    async with site(tmp_path, transport, "PCMU") as (desk, alice, address):
        await desk.dial(address)
        call = await alice.until_rung()
        await desk.event("CALL_RINGING")

        await desk.hang_up()

        bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)
        assert bye["params"]["cause"] == "ORIGINATOR_CANCEL"
