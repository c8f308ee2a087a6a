"""The doctor's call: a gateway on free loopback ports, a Verto client that dials the lab's tone, and an ear.

The browser is played by a second media engine with the operator's `[media]` settings: its WebRTC leg talks ICE,
DTLS and SRTP with the gateway, its plain RTP leg hands what comes out to a socket that measures it.
"""

import asyncio
import dataclasses
import json
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

import aiohttp

from gateway.app import Gateway
from gateway.config import Config
from gateway.domain.errors import GatewayError
from gateway.domain.ids import CallId, LegName, Sdp
from gateway.media.core import g711, tones
from gateway.media.core.rtp import RtpParseError, parse
from gateway.media.engine import MediaEvent, MediaFailed, MediaSession, NoFreePort, Profile
from gateway.media.engines.choice import make_engine

NUMBER: Final = "+12025550101"
FREQUENCY: Final = 1004.0

STEP_TIMEOUT: Final = 10.0
"""Seconds that each step of the call may take."""

_SAMPLES: Final = 1600
"""A fifth of a second at 8000 Hz: enough to tell the tone."""


class CallStepFailed(GatewayError):
    """A step of the doctor's call did not work."""

    code = "doctor_call_failed"

    def __init__(self, step: str, detail: str) -> None:
        super().__init__(f"{step}: {detail}")
        self.step = step


@dataclasses.dataclass(frozen=True, slots=True)
class CallFigures:
    """What the call took, in seconds."""

    answered_after: float
    heard_after: float


async def call_the_tone(config: Config) -> CallFigures:
    """Make the call.

    Raises:
        CallStepFailed: with the step that did not work.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rtc-gateway-doctor-")))
        gateway = await _step("start", stack.enter_async_context(Gateway(_beside(config, folder))))
        await gateway.provisioning.add_connection(name="doctor", user_name="doctor", password="doctor")  # noqa: S106 -- lives as long as the temporary folder
        ear = await stack.enter_async_context(_ear())
        browser = await stack.enter_async_context(_browser(config))
        verto = await _step("WebSocket", stack.enter_async_context(_verto(gateway)))
        return await _call(verto, browser, ear)


async def _call(verto: "_Verto", browser: "_Browser", ear: "_Ear") -> CallFigures:
    loop = asyncio.get_running_loop()
    login: dict[str, object] = {"login": "doctor", "passwd": "doctor", "User-Agent": "doctor"}
    await _step("login", verto.request("login", login))
    await _step("ports for media", browser.session.take_offer(LegName.A, ear.offer()))
    offer = await _step("ports for media", browser.session.offer(LegName.B))
    began = loop.time()
    dialog: dict[str, object] = {"callID": "doctor", "destination_number": NUMBER}
    await _step("invite", verto.request("telnyx_rtc.invite", {"sdp": offer, "dialogParams": dialog}))
    answer = await _step("SIP call to the lab trunk", verto.until_answered())
    answered_after = loop.time() - began
    await _step("session description", browser.session.accept(LegName.B, Sdp(answer)))
    await _step("session description", browser.session.answer(LegName.A))
    await _step("ICE, DTLS-SRTP and RTP", _first_of(ear.hears_tone.wait(), browser.failed))
    return CallFigures(answered_after, loop.time() - began)


async def _step(name: str, work: Any) -> Any:  # Any: awaitables of many results
    try:
        async with asyncio.timeout(STEP_TIMEOUT):
            return await work
    except TimeoutError as error:
        raise CallStepFailed(name, f"nothing for {STEP_TIMEOUT:.0f} s") from error
    except CallStepFailed:
        raise
    except NoFreePort as error:
        raise CallStepFailed("ports for media", str(error)) from error
    except (GatewayError, OSError, aiohttp.ClientError) as error:
        raise CallStepFailed(name, str(error)) from error


async def _first_of(heard: Any, failed: "asyncio.Future[None]") -> None:  # Any: the coroutine of Event.wait
    async with asyncio.TaskGroup() as group:
        hearing = group.create_task(heard)
        await asyncio.wait({hearing, failed}, return_when=asyncio.FIRST_COMPLETED)
        hearing.cancel()
    if failed.done():
        failed.result()


def _beside(config: Config, folder: Path) -> Config:
    """The operator's media settings, everything else out of the way of a gateway that may be running."""
    return dataclasses.replace(
        config,
        data_dir=folder,
        http=dataclasses.replace(config.http, listen=("http://127.0.0.1:0",)),
        metrics=dataclasses.replace(config.metrics, listen=("127.0.0.1", 0)),
        store=dataclasses.replace(config.store, url=f"sqlite+aiosqlite:///{folder}/gateway.db", password=None),
        auth=dataclasses.replace(config.auth, jwt_secret_file=folder / "jwt.key", seal_key_file=folder / "seal.key"),
        sip=dataclasses.replace(config.sip, listen=(("udp", "127.0.0.1", 0),), advertise="", advertise_listeners=()),
        trunks=(),
        media=dataclasses.replace(config.media, webrtc_port=0),
        calls=dataclasses.replace(config.calls, stop_grace=0.0),
        lab=dataclasses.replace(config.lab, enabled=True, port=0, time_scale=0.1),
    )


# ---- the browser


@dataclasses.dataclass
class _Browser:
    session: MediaSession
    failed: "asyncio.Future[None]"


@asynccontextmanager
async def _browser(config: Config) -> AsyncIterator[_Browser]:
    # The other engine answers checks and makes none: it cannot play a browser
    engine = make_engine(dataclasses.replace(config.media, engine="aiortc"))
    await engine.start()
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def on_event(event: MediaEvent) -> None:
        if isinstance(event, MediaFailed) and not failed.done():
            failed.set_exception(CallStepFailed("ICE, DTLS-SRTP and RTP", event.reason))

    try:
        session = await engine.open(
            call_id=CallId("doctor"),
            a=Profile.RTP,
            b=Profile.WEBRTC,
            codecs_a=("PCMU",),
            codecs_b=("PCMU",),
            on_event=on_event,
        )
        yield _Browser(session, failed)
    finally:
        failed.cancel()
        await engine.stop()


class _Ear(asyncio.DatagramProtocol):
    """A plain RTP socket that listens for the tone."""

    def __init__(self) -> None:
        self.hears_tone = asyncio.Event()
        self._pcm = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class does not say so (3.11)

    def datagram_received(self, data: bytes, addr: tuple[str | int, int]) -> None:
        try:
            packet = parse(data)
        except RtpParseError:
            return
        if packet.payload_type != 0:
            return
        self._pcm = (self._pcm + bytes(g711.ulaw_decode(packet.payload)))[-2 * _SAMPLES :]
        if len(self._pcm) == 2 * _SAMPLES and tones.power(self._pcm, FREQUENCY) > -30.0:
            self.hears_tone.set()

    def offer(self) -> Sdp:
        """An offer of PCMU to this socket."""
        host, port = self.transport.get_extra_info("sockname")[:2]
        return Sdp(
            f"v=0\r\no=doctor 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
            f"m=audio {port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n"
        )


@asynccontextmanager
async def _ear() -> AsyncIterator[_Ear]:
    loop = asyncio.get_running_loop()
    transport, ear = await loop.create_datagram_endpoint(_Ear, local_addr=("127.0.0.1", 0), family=socket.AF_INET)
    try:
        yield ear
    finally:
        transport.close()


# ---- the client


class _Verto:
    """Just enough of a client: requests one after the other, and the answer of one call."""

    def __init__(self, socket_: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket_
        self._number = 0
        self._sdp: str | None = None

    async def request(self, method: str, params: dict[str, object]) -> None:
        """Send it and wait for its result."""
        self._number += 1
        message = {"jsonrpc": "2.0", "id": str(self._number), "method": method, "params": params}
        await self._socket.send_str(json.dumps(message))
        while True:
            answer = await self._next()
            if answer.get("id") == str(self._number) and "method" not in answer:
                if "error" in answer:
                    raise CallStepFailed(method, str(answer["error"].get("message")))
                return

    async def until_answered(self) -> str:
        """The SDP of the answer."""
        while self._sdp is None:
            await self._next()
        return self._sdp

    async def _next(self) -> dict[str, Any]:  # Any: JSON as it came
        message: dict[str, Any] = await self._socket.receive_json()
        method, params = message.get("method"), message.get("params", {})
        if method == "telnyx_rtc.bye":
            raise CallStepFailed("SIP call to the lab trunk", f"ended with {params.get('cause')}")
        if method in ("telnyx_rtc.answer", "telnyx_rtc.media") and params.get("sdp"):
            self._sdp = params["sdp"]
        return message


@asynccontextmanager
async def _verto(gateway: Gateway) -> AsyncIterator[_Verto]:
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(gateway.ready.http[0].replace("http", "ws", 1)) as socket_,
    ):
        yield _Verto(socket_)
