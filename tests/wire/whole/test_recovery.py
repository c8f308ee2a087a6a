"""Calls that outlive the socket of their client: real sockets, ICE, DTLS-SRTP, SIP and RTP."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from gateway.media.core.rtp import RtpPacket
from gateway.media.engines.rtp_leg import RtpLeg
from tests.harness.gateway import Running
from tests.wire.whole.phone import Phone, back, phone

ECHO, TONE = "+12025550100", "+12025550101"


@dataclass
class FarEnd:
    """When each packet towards a trunk left, on the loop's clock."""

    sent: list[float] = field(default_factory=list)

    def longest_gap(self) -> float:
        return max(later - earlier for earlier, later in zip(self.sent, self.sent[1:], strict=False))


@contextmanager
def watching(monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    """Note each packet that leaves for a trunk."""
    far, send = FarEnd(), RtpLeg.send_rtp

    def note(leg: RtpLeg, packet: RtpPacket) -> None:
        far.sent.append(asyncio.get_running_loop().time())
        send(leg, packet)

    with monkeypatch.context() as patch:
        patch.setattr(RtpLeg, "send_rtp", note)
        yield far


async def lose(gateway: Running, lost: Phone) -> None:
    """The network fails: no close frame; return when the gateway knows."""
    lost.verto.drop()
    await lost.verto.is_closed.wait()


async def test_v108_v110_v112_v113_answered_call_is_taken_up_again_on_another_socket(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        await lose(gateway, alice)
        async with back(gateway, alice) as again:
            ready = await again.verto.wait_for("telnyx_rtc.clientReady")
            attach = await again.take_up(call)

            assert again.verto.session_id == alice.verto.session_id
            assert ready["params"]["reattached_sessions"] == [call]
            assert attach["params"]["caller_id_number"] == TONE
            assert await again.hears(call, 1004.0, codec="PCMU")
            await again.hang_up(call)
