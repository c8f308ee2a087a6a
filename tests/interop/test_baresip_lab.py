"""A real SIP phone and the lab trunk, without the gateway between them: what the numbers do is not our own opinion."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.lab.calls import EndedBy, LabCall
from gateway.lab.settings import LabSettings
from gateway.lab.trunk import LabTrunk
from tests.interop.baresip_runner import Phone, baresip

pytestmark = pytest.mark.interop

TRANSPORTS = pytest.mark.parametrize("transport", ["udp", "tcp"])
CODECS = pytest.mark.parametrize("codec", ["PCMU", "PCMA"])


class Gateway:
    """Where the lab's own calls go: here straight to a phone."""

    uri = ""


@pytest.fixture
async def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
async def lab(gateway: Gateway) -> AsyncIterator[LabTrunk]:
    lab = LabTrunk(LabSettings(time_scale=0.1), gateway_uri=lambda: gateway.uri)
    await lab.start()
    yield lab
    await lab.stop()


def number(lab: LabTrunk, user: str, transport: str) -> str:
    return f"sip:{user}@{lab.address.host}:{lab.address.port};transport={transport}"


async def is_over(call: LabCall) -> None:
    async with asyncio.timeout(20):
        await call.over.wait()


@CODECS
@TRANSPORTS
async def test_phone_hears_1004_hz_at_the_tone_number(
    lab: LabTrunk, tmp_path: Path, transport: str, codec: str
) -> None:
    async with baresip(tmp_path, Phone(transport=transport, codecs=(codec,))) as phone:
        await phone.dial(number(lab, "+12025550101", transport))
        await phone.event("CALL_ESTABLISHED")
        await phone.talk(1.5)
        await phone.hang_up()
        await phone.event("CALL_CLOSED")

    assert phone.heard().frequency == pytest.approx(1004, abs=1)


@TRANSPORTS
async def test_phone_hears_its_own_tone_at_the_echo_number(lab: LabTrunk, tmp_path: Path, transport: str) -> None:
    async with baresip(tmp_path, Phone(transport=transport, tone=700.0)) as phone:
        await phone.dial(number(lab, "+12025550100", transport))
        await phone.event("CALL_ESTABLISHED")
        await phone.talk(2.0)
        await phone.hang_up()
        (call,) = lab.switchboard.history.newest(10) or []
        await is_over(call)

    heard = await call.heard()
    assert phone.heard().frequency == pytest.approx(700, abs=1)
    assert heard.sound.frequency == pytest.approx(700, abs=1)
    assert (call.ended_by, heard.packets_rejected) == (EndedBy.FAR_END, 0)


@pytest.mark.parametrize(
    ("user", "reason"),
    [
        ("+12025550102", "486 Busy Here"),
        ("+12025550103", "603 Decline"),
        ("+12025550105", "404 Not Found"),
        ("+12025550115", "488 Media Encryption Required B3"),
        ("+12025550114", "480 Temporarily Unavailable"),
        ("nobody", "404 No Such Lab Number"),
    ],
)
async def test_phone_is_told_why_it_was_refused(lab: LabTrunk, tmp_path: Path, user: str, reason: str) -> None:
    async with baresip(tmp_path) as phone:
        await phone.dial(number(lab, user, "udp"))

        closed = await phone.event("CALL_CLOSED")

    assert closed["param"] == reason


async def test_phone_sees_the_lab_hang_up(lab: LabTrunk, tmp_path: Path) -> None:
    async with baresip(tmp_path) as phone:
        await phone.dial(number(lab, "+12025550108", "udp"))
        await phone.event("CALL_ESTABLISHED")

        await phone.event("CALL_CLOSED")

    (call,) = lab.switchboard.history.newest(10) or []
    assert call.ended_by is EndedBy.LAB


@TRANSPORTS
async def test_lab_calls_a_phone_and_both_hear_each_other(
    lab: LabTrunk, gateway: Gateway, tmp_path: Path, transport: str
) -> None:
    async with baresip(tmp_path, Phone(tone=600.0, transport=transport)) as phone:
        gateway.uri = f"sip:127.0.0.1:{phone.sip_port};transport={transport}"

        call = lab.switchboard.call(to=phone.phone.user, caller="+12025550191", scenario="tone", duration=2.0)
        await phone.event("CALL_ESTABLISHED")
        await is_over(call)
        await phone.event("CALL_CLOSED")

    heard = await call.heard()
    assert call.ended_by is EndedBy.LAB
    assert phone.heard().frequency == pytest.approx(1004, abs=1)
    assert heard.sound.frequency == pytest.approx(600, abs=1)
