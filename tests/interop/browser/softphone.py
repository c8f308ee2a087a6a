"""A page with the unmodified SDK, driven from Python."""

import json
import statistics
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aiohttp import web
from playwright.async_api import Browser, Page

PAGE = Path(__file__).parent / "page"
SDK = Path(__file__).parents[3] / "node_modules" / "@telnyx" / "webrtc" / "lib" / "bundle.mjs"

PLAIN_AUDIO: Final[Mapping[str, object]] = {
    "echoCancellation": False,
    "noiseSuppression": False,
    "autoGainControl": False,
}
"""For `call(..., audio=PLAIN_AUDIO)`: without it, Chromium takes a steady tone of its microphone down by some 23 dB."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An entry of the page's timeline.

    Attributes:
        index: its place; `until(..., after=entry)` looks behind it.
        at: the page's `performance.now()`, milliseconds.
        name: `client.ready`, `client.error`, `call.<state>`, `socket.close`, `message.telnyx_rtc.ringing` (the
            method of a message of the gateway) and so on.
        detail: the rest, with the SDK's names: `cause causeCode sipCode direction callId code message`.
    """

    index: int
    at: float
    name: str
    detail: Mapping[str, Any]  # Any: JSON of the page

    def __getitem__(self, key: str) -> Any:  # Any: JSON of the page
        return self.detail[key]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the page heard: the level (root mean square, 0 to 1), and the share of power at each frequency asked."""

    level: float
    shares: Mapping[float, float]


@dataclass(frozen=True, slots=True)
class Delays:
    """Mouth to ear, milliseconds, a burst each; lost bursts are counted only."""

    each: tuple[float, ...]
    lost: int

    @property
    def median(self) -> float:
        return statistics.median(self.each)


class Softphone:
    """One page, one client, one call at a time (the last that the SDK told of)."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.problems: list[str] = []
        page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.sent: list[Mapping[str, Any]] = []  # Any: JSON of the SDK
        """Every message that the SDK sent, in order."""
        page.on("websocket", lambda socket: socket.on("framesent", self._note_sent))

    async def use_mouth(self) -> None:
        """Make the page's own sound the microphone. Before `login`."""
        await self._do("useMouth")

    async def login(self, timeout: float = 10.0, **options: object) -> Happened:
        """Connect and log in with the SDK's options (`host`, `login`, `password`, `login_token` and so on)."""
        start = await self.start_login(**options)
        return await self.until("client.ready", after=start, timeout=timeout)

    async def start_login(self, **options: object) -> Happened:
        """The same without waiting for the outcome."""
        await self._do("login", options)
        return await self.last("client.connect")

    async def login_again(self, **credentials: str) -> None:
        """Log in on the live socket (`login_token`, or `login` and `password`), as before a token expires."""
        await self._do("loginAgain", credentials)

    async def reload(self) -> None:
        """Load the page anew: a new client in the same tab, and a new timeline."""
        await self.page.reload()
        await self.page.wait_for_function("window.phone !== undefined")

    async def call(self, destination: str, **options: object) -> Happened:
        """`newCall`; `codecs=["opus"]` offers only these (and telephone-event). Returns its first entry."""
        await self._do("newCall", destination, options)
        return await self.last("call.requested")

    async def answer(self) -> None:
        await self._do("answer", {})

    async def hangup(self, **options: object) -> None:
        await self._do("hangup", options)

    async def hold(self) -> None:
        await self._do("hold")

    async def unhold(self) -> None:
        await self._do("unhold")

    async def toggle_hold(self) -> None:
        await self._do("toggleHold")

    async def restart_ice(self) -> None:
        """Have the SDK restart ICE; `signaling.stable` comes when the gateway's answer is in force."""
        await self._do("restartIce")

    async def select(self, call_id: str) -> None:
        """Make another call of this client the one that all the rest is about, until the SDK tells of one again."""
        await self._do("select", call_id)

    async def mute(self) -> None:
        await self._do("mute")

    async def unmute(self) -> None:
        await self._do("unmute")

    async def dtmf(self, digits: str) -> None:
        """One `telnyx_rtc.info` a digit."""
        await self._do("dtmf", digits)

    async def disconnect(self) -> None:
        await self._do("disconnect")

    async def say(self, frequency: float | None) -> None:
        """A steady tone into the microphone (after `use_mouth`), or silence."""
        await (self._do("saySilence") if frequency is None else self._do("say", frequency))

    async def until(self, name: str, *, after: Happened | None = None, timeout: float = 10.0) -> Happened:
        """The first entry of that name, already there or to come.

        Raises:
            playwright.async_api.Error: not within `timeout` seconds; it says what happened instead.
        """
        return _happened(await self._do("until", name, 0 if after is None else after.index + 1, timeout))

    async def timeline(self) -> list[Happened]:
        return [_happened(entry) for entry in cast("list[dict[str, Any]]", await self._do("timeline"))]

    async def last(self, name: str) -> Happened:
        """The newest entry of that name."""
        return next(entry for entry in reversed(await self.timeline()) if entry.name == name)

    async def measure(self, *frequencies: float, seconds: float = 0.5) -> Heard:
        """Listen to the far end for that long."""
        heard = cast("dict[str, Any]", await self._do("measure", frequencies, seconds))
        return Heard(heard["level"], dict(zip(frequencies, heard["shares"], strict=True)))

    async def measure_steady(
        self, tone: float, *others: float, share: float = 0.9, seconds: float = 0.5, tries: int = 12
    ) -> Heard:
        """Listen until that long is nearly all that tone; what was heard last when it never is.

        On a busy machine Chromium's jitter buffer stretches and conceals now and then, which is its sound and not
        the gateway's.
        """
        heard = await self.measure(tone, *others, seconds=seconds)
        for _ in range(tries):
            if heard.shares[tone] > share:
                break
            heard = await self.measure(tone, *others, seconds=seconds)
        return heard

    async def until_tone(self, frequency: float, *, timeout: float = 10.0, share: float = 0.6) -> float:
        """Wait until 100 ms in a row are mostly that tone; the page's time in milliseconds.

        Raises:
            playwright.async_api.Error: not within `timeout` seconds; it says what was heard instead.
        """
        return cast("float", await self._do("untilTone", frequency, {"timeout": timeout, "share": share}))

    async def until_tone_when_active(
        self, frequency: float, *, after: Happened | None = None, timeout: float = 10.0
    ) -> None:
        """Wait for the call to be answered, then for that tone."""
        await self.until("call.active", after=after, timeout=timeout)
        await self.until_tone(frequency, timeout=timeout)

    async def until_silence(self, *, timeout: float = 10.0) -> float:
        """Wait until 100 ms in a row are silent."""
        return cast("float", await self._do("untilSilence", {"timeout": timeout}))

    async def mouth_to_ear(self, count: int = 10) -> Delays:
        """Send bursts and wait for each to come back from the far end (after `use_mouth`)."""
        return _delays(await self._do("mouthToEar", {"count": count}))

    async def mouth_to_ear_inside(self, count: int = 10) -> Delays:
        """The same without a network: the measuring page's own share."""
        return _delays(await self._do("mouthToEarInside", {"count": count}))

    async def loopback(self) -> None:
        """Connect the microphone to the ear through two peer connections inside the page."""
        await self._do("loopback")

    async def stats(self) -> Mapping[str, Any]:  # Any: JSON of the page
        """WebRTC's figures of the call: `packetsReceived packetsLost jitterBufferDelay receiveCodec` and so on."""
        return cast("Mapping[str, Any]", await self._do("stats"))

    async def sdp(self) -> tuple[str, str]:
        """Local and remote session description of the call."""
        return cast("str", await self._do("localSdp")), cast("str", await self._do("remoteSdp"))

    def sent_methods(self) -> list[str]:
        """The method of every request that the SDK sent, in order."""
        return [message["method"] for message in self.sent if "method" in message]

    def _note_sent(self, frame: str | bytes) -> None:
        self.sent.append(json.loads(frame))

    async def _do(self, function: str, *arguments: object) -> object:
        script = "([name, args]) => window.phone[name](...args)"
        return cast("object", await self.page.evaluate(script, [function, list(arguments)]))


@asynccontextmanager
async def site(bundle: Path = SDK) -> AsyncIterator[str]:
    """Serve the page and that bundle of the SDK from loopback; yields the page's address."""

    async def sdk(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(bundle, headers={"Content-Type": "text/javascript"})

    async def index(_request: web.Request) -> web.FileResponse:
        return web.FileResponse(PAGE / "index.html")

    app = web.Application()
    app.add_routes([web.get("/", index), web.get("/sdk.mjs", sdk), web.static("/page", PAGE)])
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}/"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def softphone(
    browser: Browser, address: str, *, trusts_any_certificate: bool = False
) -> AsyncIterator[Softphone]:
    """A softphone in a browser context of its own. Errors that the page did not handle fail the test."""
    context = await browser.new_context(ignore_https_errors=trusts_any_certificate)
    try:
        phone = Softphone(await context.new_page())
        await phone.page.goto(address)
        await phone.page.wait_for_function("window.phone !== undefined")
        yield phone
        assert phone.problems == []
    finally:
        await context.close()


def _happened(entry: object) -> Happened:
    values = dict(cast("dict[str, Any]", entry))
    return Happened(values.pop("index"), values.pop("at"), values.pop("name"), values)


def _delays(answer: object) -> Delays:
    each = cast("Sequence[float | None]", answer)
    return Delays(tuple(delay for delay in each if delay is not None), sum(delay is None for delay in each))
