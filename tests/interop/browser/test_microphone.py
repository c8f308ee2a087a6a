"""The browser's own microphone: Chromium plays a tone into it, the page measures what comes back from the echo.

`test_calls.py` has every other kind of call; there the page makes the sound itself.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.harness.gateway import PASSWORD, Running, running
from tests.interop.browser.chromium import chromium
from tests.interop.browser.softphone import PLAIN_AUDIO, Softphone, site, softphone
from tests.interop.browser.sound import write_tone

pytestmark = [pytest.mark.interop]

ECHO = "+12025550100"
MICROPHONE = 620.0
"""Hertz: what the fake microphone plays. No tone of the lab is near it."""

LAB_TIME_SCALE = 0.3
"""The far end rings 0.3 s instead of 1 s, and so on: nobody waits here."""


@dataclass
class World:
    gateway: Running
    alice: Softphone

    async def login(self, phone: Softphone, user: str) -> None:
        await phone.login(host=self.gateway.websocket, login=user, password=PASSWORD)


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[World]:
    microphone = write_tone(folder / "microphone.wav", MICROPHONE)
    async with (
        running(folder, {"lab": {"time_scale": LAB_TIME_SCALE}}) as gateway,
        site() as address,
        chromium(microphone) as browser,
        softphone(browser, address) as alice,
    ):
        yield World(gateway, alice)


async def test_password_login_calls_the_echo_and_hears_its_own_tone(tmp_path: Path) -> None:
    async with world(tmp_path) as all_:
        await all_.login(all_.alice, "alice")
        start = await all_.alice.call(ECHO, audio=PLAIN_AUDIO)
        active = await all_.alice.until("call.active")
        await all_.alice.until_tone(MICROPHONE)
        heard = await all_.alice.measure_steady(MICROPHONE, 1004)
        await all_.alice.hangup()
        ended = await all_.alice.until("call.destroy")

    assert heard.shares[MICROPHONE] > 0.8 and heard.shares[1004] < 0.05
    assert heard.level > 0.05
    assert (ended["cause"], ended["causeCode"]) == ("NORMAL_CLEARING", 16)
    assert active.at - start.at < 5000
