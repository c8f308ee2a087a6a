"""baresip registers with the gateway, is called by a client and calls one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from tests.harness.gateway import Running, running
from tests.interop.baresip_runner import Baresip, baresip
from tests.interop.baresip_runner import Phone as Setup
from tests.interop.whole.site import speaking
from tests.wire.whole.phone import Phone, phone

pytestmark = pytest.mark.interop

TALK: Final = 1.5
"""Seconds of sound in a recording; the end of it, one second, is measured."""

SECRET: Final = "s3cret"

MD5_ONLY: Final = {
    "lab": {"enabled": False},
    "calls": {"stop_grace": 0.0},
    "registrar": {"enabled": True, "digest_algorithms": ["MD5"]},
}
"""baresip 1.0 gives up when the first challenge is another than MD5."""


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> str:
    value: str = request.param
    return value


@asynccontextmanager
async def site(folder: Path, transport: str) -> AsyncIterator[tuple[Running, Baresip, Phone]]:
    """A gateway, a desk phone that is registered as `desk`, and a client."""
    async with running(folder / "gateway", MD5_ONLY) as gateway:
        await gateway.gateway.provisioning.add_connection(name="desk", user_name="desk", password=SECRET)
        setup = Setup(
            user="desk",
            transport=transport,
            registrar=gateway.sip(transport),
            account=f"regint=300;auth_user=desk;auth_pass={SECRET}",
        )
        async with baresip(folder / "baresip", setup) as desk, phone(gateway, codecs=["PCMU"]) as alice:
            await desk.event("REGISTER_OK")
            yield gateway, desk, alice


async def test_desk_phone_that_registered_is_called_by_a_client(tmp_path: Path, transport: str) -> None:
    async with site(tmp_path, transport) as (_, desk, alice):
        call = await alice.call("desk")
        await alice.until_answered(call)
        with speaking(alice, call, 1100.0, codec="PCMU"):
            assert await alice.hears(call, 700.0, codec="PCMU")
            await desk.talk(TALK)
            await alice.verto.bye(call)
            await desk.event("CALL_CLOSED")

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


async def test_desk_phone_that_registered_calls_a_client(tmp_path: Path, transport: str) -> None:
    async with site(tmp_path, transport) as (gateway, desk, alice):
        await desk.dial(f"sip:alice@{gateway.sip(transport)};transport={transport}")
        call = await alice.until_rung()
        await alice.answer(call)
        with speaking(alice, call, 1100.0, codec="PCMU"):
            assert await alice.hears(call, 700.0, codec="PCMU")
            await desk.talk(TALK)
            await desk.hang_up()
            bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["cause"] == "NORMAL_CLEARING"

    assert desk.heard().frequency == pytest.approx(1100, abs=2)
