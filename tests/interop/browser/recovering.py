"""What a call goes through when its network or its page goes away, measured at the lab trunk with a real browser."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.harness.cable import Cable, cable
from tests.harness.gateway import PASSWORD, running
from tests.harness.voice import Voice, voice_at_the_far_end
from tests.interop.browser.chromium import chromium
from tests.interop.browser.softphone import PLAIN_AUDIO, Happened, Softphone, site, softphone
from tests.interop.browser.sound import write_tone

ECHO: Final = "+12025550100"
MICROPHONE: Final = 620.0
"""Hertz: what the fake microphone plays."""
PATIENCE: Final = 30.0
"""Seconds that anything may take."""
AFTERMATH: Final = 0.5
"""Seconds that the browser listens to its own voice when all is well again: the far end could still miss some."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """One try.

    Attributes:
        active_after: seconds from the network's or the page's return to an active call; None for an ICE restart,
            during which the call stays active.
        gap: the longest stretch in seconds without voice at the far end, from before it happened until all was well.
    """

    active_after: float | None
    gap: float


class Subject:
    """A browser in a call with the echo, over a cable that can be cut."""

    def __init__(self, phone: Softphone, network: Cable, voice: Voice, *, keeps_media: bool = False) -> None:
        """
        Args:
            keeps_media: sets the SDK's `keepConnectionAliveOnSocketClose`.
        """
        self.phone, self._network, self._voice = phone, network, voice
        self._keeps_media = keeps_media

    async def call(self) -> None:
        """Log in and call the echo; return when the own voice has come back."""
        await self._log_in()
        await self.phone.call(ECHO, audio=PLAIN_AUDIO)
        await self.phone.until_tone_when_active(MICROPHONE, timeout=PATIENCE)

    async def lose_socket(self) -> Recovery:
        """Cut the network in mid-call, and mend it as soon as the browser knows."""
        since, before = self._now(), await self.phone.last("call.active")
        self._network.cut()
        lost = await self.phone.until("socket.close", after=before, timeout=PATIENCE)
        self._network.mend()
        if not self._keeps_media:
            return await self._recovered(since, self._now(), after=lost)
        back = self._now()
        await self.phone.until("client.ready", after=lost, timeout=PATIENCE)
        return Recovery(self._now() - back, await self._settled(since))  # the call was active all the time

    async def reload(self) -> Recovery:
        """Load the page anew in mid-call, and log in again as an application does."""
        since = self._now()
        await self.phone.reload()
        back = self._now()
        await self._log_in()
        return await self._recovered(since, back, after=None)

    async def restart_ice(self) -> Recovery:
        """Have the SDK restart ICE, as after a change of networks."""
        since, before = self._now(), (await self.phone.timeline())[-1]
        await self.phone.restart_ice()
        await self.phone.until("signaling.stable", after=before, timeout=PATIENCE)
        return Recovery(None, await self._settled(since))

    async def _recovered(self, since: float, back: float, *, after: Happened | None) -> Recovery:
        await self.phone.until("call.active", after=after, timeout=PATIENCE)
        active_after = self._now() - back
        return Recovery(active_after, await self._settled(since))

    async def _settled(self, since: float) -> float:
        await self.phone.until_tone(MICROPHONE, timeout=PATIENCE)
        await self.phone.measure(MICROPHONE, seconds=AFTERMATH)
        return self._voice.longest_gap(since)

    async def _log_in(self) -> None:
        options: dict[str, object] = {"host": self._network.address, "login": "alice", "password": PASSWORD}
        options |= {"keepConnectionAliveOnSocketClose": self._keeps_media}
        await self.phone.login(**options, hangupOnBeforeUnload=False, timeout=PATIENCE)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def subject(folder: Path, *, keeps_media: bool = False) -> AsyncIterator[Subject]:
    """A gateway with the lab, a network, a browser; not called yet."""
    settings = {"lab": {"time_scale": 0.3}, "calls": {"stop_grace": 0.0}}
    microphone = write_tone(folder / "microphone.wav", MICROPHONE)
    with voice_at_the_far_end() as voice:
        async with (
            running(folder, settings) as gateway,
            cable(gateway.websocket) as network,
            site() as address,
            chromium(microphone) as browser,
            softphone(browser, address) as phone,
        ):
            yield Subject(phone, network, voice, keeps_media=keeps_media)
