"""Hold through the whole gateway: what clients are told and what both far ends hear."""

import asyncio
from pathlib import Path

from gateway.media.core import tones
from gateway.media.core.rtp import RtpPacket
from tests.harness.gateway import Running, running
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES
from tests.wire.whole.phone import PATIENCE, Phone, phone

TONE, ECHO = "+12025550101", "+12025550100"


async def hears_music(one: Phone, call: str, *, codec: str = "PCMU") -> bool:
    """Whether within some seconds there is half a second of sound that is not one tone."""
    for _ in range(PATIENCE):
        pcm = sound.heard(codec, await one.listen(call, codec=codec, frames=25))
        if tones.loudness(pcm) > -30 and tones.power(pcm, 1004.0, rate=sound.RATES[codec]) < -35:
            return True
    return False


def is_quiet(pcm: bytes, frequency: float) -> bool:
    """Whether that tone is not in these samples at 8 kHz."""
    return tones.power(pcm, frequency) < -30


async def test_client_on_hold_hears_music_and_the_holder_silence_in_streams_without_a_jump(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice, phone(gateway, "robert", codecs=["PCMU"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)
        browser, ssrc = alice.media[call], alice.media[call].ssrc
        heard: list[RtpPacket] = []
        alices: list[RtpPacket] = []
        with sound.speaking(browser.send, "PCMU", 700, payload_type=CODEC_LINES["PCMU"][0], ssrc=ssrc):
            to_robert, to_alice = robert.media[theirs].received.get, browser.received.get
            await sound.until_tone(to_robert, heard, "PCMU", 700)
            result = await alice.verto.modify(call, "hold")
            await sound.until(to_robert, heard, "PCMU", lambda pcm: is_quiet(pcm, 700))
            await sound.until(to_robert, heard, "PCMU", lambda pcm: tones.loudness(pcm) > -30)
            held = await robert.listen(theirs, codec="PCMU", frames=60)
            await sound.until(to_alice, alices, "PCMU", lambda pcm: tones.loudness(pcm) < -60)
            again = await alice.verto.modify(call, "unhold")
            heard += held
            await sound.until_tone(to_robert, heard, "PCMU", 700)

        assert {**result, "sessid": None} == {"callID": call, "action": "hold", "holdState": "held", "sessid": None}
        assert (again["action"], again["holdState"]) == ("unhold", "active")
        sound.assert_unbroken(heard, ticks=160)
        sound.assert_unbroken(alices, ticks=160)
        assert tones.loudness(sound.heard("PCMU", held)) > -30
        assert is_quiet(sound.heard("PCMU", held), 700)
        await alice.hang_up(call)


async def test_both_clients_hold_and_each_release_is_heard_by_the_other(gateway: Running) -> None:
    async with phone(gateway, codecs=["opus"]) as alice, phone(gateway, "robert", codecs=["opus"]) as robert:
        call = await alice.call("robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)
        await alice.until_answered(call)

        await alice.verto.modify(call, "hold")
        assert await hears_music(robert, theirs, codec="opus")
        await robert.verto.modify(theirs, "toggleHold")
        await robert.listen(theirs, codec="opus", frames=25)
        assert not await robert.hears(theirs, 700.0, codec="opus", patience=1)
        await alice.verto.modify(call, "unhold")
        assert await hears_music(alice, call, codec="opus")
        await robert.verto.modify(theirs, "unhold")
        with sound.speaking(robert.media[theirs].send, "opus", 700, payload_type=111, ssrc=robert.media[theirs].ssrc):
            assert await alice.hears(call, 700.0, codec="opus")
        await alice.hang_up(call)


async def test_held_trunk_is_told_and_takes_up_the_call_again(gateway: Running) -> None:
    async with phone(gateway, codecs=["opus", "PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        assert await alice.hears(call, 1004.0, codec="PCMU")
        for _ in range(3):
            assert (await alice.verto.modify(call, "hold"))["holdState"] == "held"
            await alice.hears_no_more(call, 1004.0, codec="PCMU")
            toggled = await alice.verto.modify(call, "toggleHold")
            assert (toggled["action"], toggled["holdState"]) == ("toggleHold", "active")
            assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_ice_restart_while_held_is_answered_and_the_hold_stays(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        await alice.verto.modify(call, "hold")
        browser = alice.media[call]
        for _ in range(2):
            browser.connected.clear()
            result = await alice.verto.modify(call, "updateMedia", sdp=await browser.offer(restart=True))
            assert (result["action"], result["holdState"]) == ("updateMedia", "held")
            await browser.accept(result["sdp"])
            async with asyncio.timeout(30):
                await browser.connected.wait()

        await alice.hears_no_more(call, 1004.0, codec="PCMU")
        await alice.verto.modify(call, "unhold")
        assert await alice.hears(call, 1004.0, codec="PCMU")
        await alice.hang_up(call)


async def test_hold_with_silence_and_without_telling_the_trunk(tmp_path: Path) -> None:
    settings = {
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0, "hold_audio": "silence", "hold_reinvite": False},
    }
    async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(TONE)
        await alice.until_answered(call)
        await alice.verto.modify(call, "hold")
        await alice.hears_no_more(call, 1004.0, codec="PCMU")
        await alice.verto.modify(call, "unhold")

        assert await alice.hears(call, 1004.0, codec="PCMU")
        assert (await gateway.get("/v2/gateway/calls?state=live"))["data"][0]["state"] == "active"
        await alice.hang_up(call)
