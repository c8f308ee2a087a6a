"""The harness against itself: it hears what is there and nothing else, and its clock can be trusted."""

from pathlib import Path

import pytest
from playwright.async_api import Error

from tests.interop.browser.chromium import SHELL, chromium
from tests.interop.browser.softphone import site, softphone
from tests.interop.browser.sound import write_tone

pytestmark = [pytest.mark.interop]


async def test_tone_of_the_microphone_file_is_heard_and_another_one_is_not(tmp_path: Path) -> None:
    microphone = write_tone(tmp_path / "microphone.wav", 1004)
    async with (
        site() as address,
        chromium(microphone, executable=SHELL) as browser,
        softphone(browser, address) as phone,
    ):
        await phone.loopback()
        await phone.until_tone(1004)

        heard = await phone.measure(1004, 440)
        with pytest.raises(Error, match="no 440 Hz within"):
            await phone.until_tone(440, timeout=0.5)

    # Chromium's noise suppression, which `audio: true` means, takes a steady tone down by some 23 dB.
    assert heard.level > 0.01
    assert heard.shares[1004] > 0.8
    assert heard.shares[440] < 0.05


async def test_page_can_speak_itself_and_fall_silent() -> None:
    async with site() as address, chromium(executable=SHELL) as browser, softphone(browser, address) as phone:
        await phone.use_mouth()
        await phone.loopback()

        await phone.say(620)
        await phone.until_tone(620)
        await phone.say(None)
        await phone.until_silence()


async def test_mouth_to_ear_is_measured_burst_by_burst() -> None:
    async with site() as address, chromium(executable=SHELL) as browser, softphone(browser, address) as phone:
        await phone.use_mouth()
        inside = await phone.mouth_to_ear_inside(5)
        await phone.loopback()
        await phone.say(620)
        await phone.until_tone(620)
        await phone.say(None)
        await phone.until_silence()

        delays = await phone.mouth_to_ear(6)

    print(f"\nmouth to ear: page alone {inside.median:.1f} ms, loopback {delays.median:.1f} ms {delays.each}")  # noqa: T201
    assert inside.lost == 0 and inside.median < 60
    assert len(delays.each) >= 5
    # Chromium's own jitter buffer makes nearly all of it, and keeps what a stutter at the start taught it. A burst
    # belongs to the echo that comes before the next one, so that a longer delay could not be told.
    assert inside.median < delays.median < 1000


async def test_event_that_does_not_come_is_reported_with_what_came_instead() -> None:
    async with site() as address, chromium(executable=SHELL) as browser, softphone(browser, address) as phone:
        with pytest.raises(Error, match=r"no client\.ready within 0\.2 s; since then: page\.ready"):
            await phone.until("client.ready", timeout=0.2)
