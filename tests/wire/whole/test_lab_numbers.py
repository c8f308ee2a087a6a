"""The far ends of the lab that do something in a call: what a client of the whole gateway hears of it."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from gateway.lab.calls import CallState, EndedBy, LabCall
from gateway.lab.rtp_stream import NOTES
from gateway.media.core.rtp import RtpPacket
from tests.harness.gateway import Running, running
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES
from tests.wire.whole.phone import PATIENCE, Phone, phone


def lab_call(gateway: Running) -> LabCall:
    """The newest call of the lab."""
    lab = gateway.gateway.lab
    assert lab is not None
    found = lab.switchboard.history.newest(1)
    assert found
    return found[0]


def speaking(alice: Phone, call: str, frequency: float) -> AbstractContextManager[None]:
    browser = alice.media[call]
    return sound.speaking(browser.send, "PCMU", frequency, payload_type=CODEC_LINES["PCMU"][0], ssrc=browser.ssrc)


async def hears_any(alice: Phone, call: str, frequencies: Sequence[float]) -> list[RtpPacket]:
    """Every packet up to half a second in which one of the tones is heard."""
    packets: list[RtpPacket] = []
    for _ in range(PATIENCE):
        frames = await alice.listen(call, codec="PCMU", frames=25)
        packets += frames
        pcm = sound.heard("PCMU", frames)
        if any(sound.is_tone(pcm, frequency, rate=8000) for frequency in frequencies):
            return packets
    raise AssertionError(f"none of {frequencies} Hz in 25 s")


async def test_digits_of_the_client_come_back_as_tones(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550109")
        await alice.until_answered(call)

        await alice.verto.dtmf(call, "42#")

        heard: list[RtpPacket] = []
        async with asyncio.timeout(30):
            # A machine that is busy for 60 ms cuts a tone in two.
            while not re.fullmatch("4+2+#+", sound.digits("PCMU", [packet.payload for packet in heard])):
                heard += await alice.listen(call, codec="PCMU", frames=5)
        shown = (await gateway.get(f"/_lab/calls/{lab_call(gateway).facts.lab_call_id}"))["data"]["heard"]
        assert (shown["digit_count"], shown["digits"]) == (3, "42#")
        await alice.hang_up(call)


async def test_client_hears_music_while_the_far_end_holds_and_itself_again_after_it(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.5}, "calls": {"stop_grace": 0.0}}
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550110")
        await alice.until_answered(call)

        with speaking(alice, call, 700.0):
            heard = await hears_any(alice, call, [700.0])
            for _ in range(2):
                heard += await hears_any(alice, call, NOTES)
                heard += await hears_any(alice, call, [700.0])

        sound.assert_unbroken(heard)
        assert lab_call(gateway).reinvite_status == 200
        await alice.hang_up(call)


async def test_far_end_that_changes_its_codec_makes_no_jump_towards_the_client(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550112")
        await alice.until_answered(call)

        heard = await hears_any(alice, call, [1004.0])
        async with asyncio.timeout(30):
            while (await lab_call(gateway).heard()).codec != "pcma":
                heard += await alice.listen(call, codec="PCMU", frames=5)
        heard += await alice.listen(call, codec="PCMU", frames=25)
        heard += await hears_any(alice, call, [1004.0])

        sound.assert_unbroken(heard)
        assert lab_call(gateway).reinvite_status == 200
        await alice.hang_up(call)


async def test_far_end_that_refers_hangs_up_once_the_client_talks_to_the_other_number(tmp_path: Path) -> None:
    settings = {"calls": {"stop_grace": 0.0}}  # the REFER after 3 s: a call that is not through yet is not transferred
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550111")
        await alice.until_answered(call)
        referring = lab_call(gateway)

        with speaking(alice, call, 700.0):
            async with asyncio.timeout(30):
                await referring.over.wait()
            heard = await hears_any(alice, call, [700.0])

        assert (referring.refer_status, referring.ended_by) == (200, EndedBy.LAB)
        assert (lab_call(gateway).facts.scenario, lab_call(gateway).state) == ("echo", CallState.ANSWERED)
        sound.assert_unbroken(heard)
        await alice.hang_up(call)
        await lab_call(gateway).over.wait()


async def test_overloaded_far_end_takes_the_second_call_of_a_minute(tmp_path: Path) -> None:
    async with running(tmp_path, {"calls": {"stop_grace": 0.0}}) as gateway, phone(gateway) as alice:
        assert await alice.until_over(await alice.call("+12025550113")) == ("NORMAL_TEMPORARY_FAILURE", 503)

        call = await alice.call("+12025550113")
        await alice.until_answered(call)

        await alice.hang_up(call)
        assert await alice.until_over(await alice.call("+12025550113")) == ("NORMAL_TEMPORARY_FAILURE", 503)


async def test_far_end_that_wants_encryption_is_named_to_the_client(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call("+12025550115")

        assert await alice.until_over(call) == ("CALL_REJECTED", 488)
        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]
        assert bye["sipReason"] == "Media Encryption Required B3"


async def test_gateway_refreshes_the_session_of_the_far_end_and_nobody_hears_it(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.05}, "calls": {"stop_grace": 0.0}}  # 4 s instead of 90
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550116")
        await alice.until_answered(call)

        with speaking(alice, call, 700.0):
            heard = await hears_any(alice, call, [700.0])
            heard += await alice.listen(call, codec="PCMU", frames=250)

        sound.assert_unbroken(heard)
        assert lab_call(gateway).state is CallState.ANSWERED
        assert 'gateway_sip_responses_total{class="2xx",method="UPDATE"}' in await gateway.metrics()
        await alice.hang_up(call)


async def test_client_gets_silence_without_a_pause_when_the_far_end_falls_silent(tmp_path: Path) -> None:
    settings = {"lab": {"time_scale": 0.6}, "calls": {"stop_grace": 0.0}, "media": {"rtp_timeout": 3.0}}
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550117")
        await alice.until_answered(call)
        heard = await hears_any(alice, call, [1004.0])

        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        received = alice.media[call].received
        heard += [received.get_nowait() for _ in range(received.qsize())]
        assert bye["cause"] == "MEDIA_TIMEOUT"
        sound.assert_unbroken(heard)
        silent = [packet for packet in heard if packet.payload == b"\xff" * 160]
        assert len(silent) > 100, "3 s of silence, less what a slow machine takes"
        assert silent[-50:] == heard[-50:]


async def test_sound_goes_on_both_ways_when_the_far_end_moves_to_another_port(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call("+12025550118")
        await alice.until_answered(call)
        media = lab_call(gateway).media
        assert media is not None
        before = media.port

        with speaking(alice, call, 700.0):
            heard = await hears_any(alice, call, [700.0])
            while media.port == before:
                heard += await alice.listen(call, codec="PCMU", frames=1)
            heard += await alice.listen(call, codec="PCMU", frames=25)
            await sound.until_tone(alice.media[call].received.get, heard, "PCMU", 700.0)

        sound.assert_unbroken(heard)
        await alice.hang_up(call)


@pytest.mark.parametrize("scenario", ["dtmf", "hold", "refer", "reinvite", "session_timer", "rtp_stops", "rtp_moves"])
async def test_lab_calls_a_client_with_these_far_ends_too(gateway: Running, scenario: str) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": scenario})
        call = await alice.until_rung()
        await alice.answer(call)

        with speaking(alice, call, 700.0):
            heard = await alice.listen(call, codec="PCMU", frames=75)  # 1.5 s: every step has come at least once
            async with asyncio.timeout(30):
                while scenario in ("hold", "reinvite") and lab_call(gateway).reinvite_status is None:
                    heard += await alice.listen(call, codec="PCMU", frames=1)

        sound.assert_unbroken(heard)
        assert lab_call(gateway).state is CallState.ANSWERED
        assert lab_call(gateway).reinvite_status == (200 if scenario in ("hold", "reinvite") else None)
        await alice.hang_up(call)
