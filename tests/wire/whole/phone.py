"""A softphone without a browser: a Verto client with a browser's media."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.domain.ids import Sdp
from gateway.media.core.rtp import RtpPacket
from tests.harness.gateway import PASSWORD, Running
from tests.harness.verto_client import DEADLINE, Message, VertoClient, connected
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES, Browser

PATIENCE: Final = 50
"""Half seconds of sound that a tone may be waited for: a busy machine makes a queue of what was there before."""


class Phone:
    """One logged-in client; each call has a `Browser` of its own."""

    def __init__(self, verto: VertoClient, codecs: Sequence[str]) -> None:
        self.verto, self.codecs = verto, codecs
        self.media: dict[str, Browser] = {}
        self.answer_params: dict[str, str] = {}
        """What else an answer carries."""

    async def call(self, destination: str, **dialog: object) -> str:
        """Call and return the call id once the server has created the call; `dialog` goes into dialogParams."""
        browser = Browser(codecs=self.codecs)
        offer = await browser.offer()
        call_id = await self.verto.invite(destination, offer, call_id=None, **dialog)
        self.media[call_id] = browser
        return call_id

    async def until_answered(self, call_id: str) -> None:
        """Take the description, early or not; return when the call is answered and DTLS is through."""
        answer = await self.verto.wait_for("telnyx_rtc.answer", call_id=call_id)
        sdp = answer["params"].get("sdp")
        if sdp is not None:
            await self.media[call_id].accept(Sdp(sdp))
        async with asyncio.timeout(DEADLINE):
            await self.media[call_id].connected.wait()

    async def take_early_media(self, call_id: str) -> None:
        """Take the description of early media; ICE and DTLS go on behind it."""
        media = await self.verto.wait_for("telnyx_rtc.media", call_id=call_id)
        await self.media[call_id].accept(Sdp(media["params"]["sdp"]))

    async def until_rung(self, count: int = 1) -> str:
        """The id of the inbound call number `count`."""
        invite = await self.verto.wait_for("telnyx_rtc.invite", count=count)
        call_id: str = invite["params"]["callID"]
        return call_id

    async def answer(self, call_id: str) -> None:
        """Answer an inbound call; return when DTLS is through."""
        await self.pick_up(call_id)
        async with asyncio.timeout(DEADLINE):
            await self.media[call_id].connected.wait()

    async def pick_up(self, call_id: str) -> None:
        """Answer an inbound call, whatever becomes of its media."""
        invites = [
            message["params"]
            for message in self.verto.messages
            if message["method"] == "telnyx_rtc.invite" and message["params"]["callID"] == call_id
        ]
        browser = Browser(codecs=self.codecs)
        self.media[call_id] = browser
        await self.verto.answer(call_id, await browser.answer(Sdp(invites[0]["sdp"])), **self.answer_params)

    async def take_up(self, call_id: str, *, count: int = 1) -> Message:
        """Answer the attach number `count` of that call with a new peer connection; returns the attach."""
        attach = await self.verto.wait_for("telnyx_rtc.attach", call_id=call_id, count=count)
        old = self.media.get(call_id)
        if old is not None:
            await old.close()
        browser = self.media[call_id] = Browser(codecs=self.codecs)
        await self.verto.attach(call_id, await browser.answer(Sdp(attach["params"]["sdp"])))
        async with asyncio.timeout(DEADLINE):
            await browser.connected.wait()
        return attach

    async def until_over(self, call_id: str) -> tuple[str, int | None]:
        """The cause and SIP code with which the server ended the call."""
        bye = (await self.verto.wait_for("telnyx_rtc.bye", call_id=call_id))["params"]
        await self.media[call_id].close()
        return bye["cause"], bye.get("sipCode")

    async def hang_up(self, call_id: str) -> None:
        """Hang up from this side."""
        await self.verto.bye(call_id)
        await self.media[call_id].close()

    async def say(self, call_id: str, frequency: float, *, codec: str, frames: int) -> None:
        """A tone in one frame every 20 ms; returns when the last has left."""
        browser = self.media[call_id]
        stream = sound.packets(
            codec,
            sound.payloads(codec, frequency, frames),
            payload_type=CODEC_LINES[codec][0],
            ssrc=browser.ssrc,
        )
        await sound.play(browser.send, stream)

    async def listen(self, call_id: str, *, codec: str, frames: int) -> list[RtpPacket]:
        """The next frames of audio."""
        async with asyncio.timeout(DEADLINE):
            return await sound.collect(self.media[call_id].received, frames, payload_type=CODEC_LINES[codec][0])

    async def hears(self, call_id: str, frequency: float, *, codec: str, patience: int = PATIENCE) -> bool:
        """Whether half a second of that tone comes within `patience` half seconds."""
        for _ in range(patience):
            frames = await self.listen(call_id, codec=codec, frames=25)
            if sound.is_tone(sound.heard(codec, frames), frequency, rate=sound.RATES[codec]):
                return True
        return False

    async def hears_no_more(self, call_id: str, frequency: float, *, codec: str) -> None:
        """Wait until that tone is over: what came before may still be in the queue."""
        async with asyncio.timeout(DEADLINE):
            while await self.hears(call_id, frequency, codec=codec, patience=1):
                pass

    async def close(self) -> None:
        """Let go of the media of every call."""
        for browser in self.media.values():
            await browser.close()


@asynccontextmanager
async def back(gateway: Running, lost: Phone, user: str = "alice", **login: object) -> AsyncIterator[Phone]:
    """The same phone on another socket, logged in to the same session; its media is what it was."""
    async with connected(gateway.websocket) as verto:
        await verto.login(user, PASSWORD, **{"sessid": lost.verto.session_id, "reconnection": True, **login})
        one = Phone(verto, lost.codecs)
        one.media = lost.media
        yield one


@asynccontextmanager
async def phone(
    gateway: Running, user: str = "alice", *, codecs: Sequence[str] = ("opus", "PCMU", "PCMA")
) -> AsyncIterator[Phone]:
    """A phone that is registered."""
    async with connected(gateway.websocket) as verto:
        await verto.login(user, PASSWORD)
        one = Phone(verto, codecs)
        try:
            yield one
        finally:
            await one.close()
