"""A gateway that the tests of one module share, and clients of any platform in it, each with a user of its own."""

import asyncio
import itertools
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.domain.ids import Sdp
from tests.harness.gateway import PASSWORD, Running
from tests.harness.mobile.client import DEADLINE, MobileClient, dialed
from tests.harness.mobile.dialect import Login, Message
from tests.harness.mobile.sdk import Sdk
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES, Browser

ECHO: Final = "+12025550100"
TONE: Final = "+12025550101"
BUSY: Final = "+12025550102"
RINGS_FOR_EVER: Final = "+12025550104"
EARLY_MEDIA: Final = "+12025550106"
HANGS_UP: Final = "+12025550108"
SILENCE: Final = "+12025550120"

CALLER: Final = "+12025550177"
"""The number of the lab's calls."""

REGIONS: Final = ("", "eu.", "us-central.", "us-east.", "us-west.", "ca-central.", "apac.")
"""What the SDKs put before the host; the first is `auto`."""

SETTINGS: Final = {
    "http": {
        "listen": ["http://127.0.0.1:0", "https://127.0.0.1:0", "https://localhost:0"],
        "names": [f"{region}rtc.telnyx.com" for region in REGIONS],
    },
    "lab": {"time_scale": 0.05},
    "calls": {"stop_grace": 0.0},
}

OFFER: Final = "\r\n".join(
    [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0",
        "c=IN IP4 0.0.0.0",
        "a=ice-ufrag:wire",
        "a=ice-pwd:0123456789abcdef01234567",
        "a=fingerprint:sha-256 " + ":".join(["5A"] * 32),
        "a=setup:actpass",
        "a=mid:0",
        "a=sendrecv",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtpmap:0 PCMU/8000",
        "",
    ]
)
"""A good offer of a client that never sends media: for what signalling alone can show."""

ANSWER: Final = OFFER.replace("a=setup:actpass", "a=setup:active")
"""The same as an answer."""

_numbers = itertools.count(1)


class Site:
    """The gateway and what a test may ask of it."""

    def __init__(self, gateway: Running) -> None:
        self.gateway = gateway
        self.connections: dict[str, str] = {}
        """Connection ids by user name."""

    async def user(self, password: str = PASSWORD) -> str:
        """A new user name."""
        name = f"user{next(_numbers)}"
        made = await self.gateway.gateway.provisioning.add_connection(name=name, user_name=name, password=password)
        self.connections[name] = made.connection_id
        return name

    async def token(self, user: str) -> str:
        """A token of a credential of that user's connection."""
        return (await self.token_and_name(user))[0]

    @asynccontextmanager
    async def dialed(self, sdk: Sdk, query: str = "", *, session_id: str | None = None) -> AsyncIterator[MobileClient]:
        """A socket of that SDK, nobody logged in yet."""
        async with dialed(sdk, self.gateway.websocket + query, session_id=session_id) as client:
            yield client

    @asynccontextmanager
    async def back(self, lost: MobileClient, **login: object) -> AsyncIterator[MobileClient]:
        """The client on a new socket, as its SDK reconnects: with the session and the last `voice_sdk_id`."""
        url = f"{self.gateway.websocket}/?voice_sdk_id={lost.rules.voice_sdk_id}"
        async with dialed(lost.sdk, url, before=lost) as client:
            await client.login(Login(username=lost.username, password=PASSWORD, **login))  # type: ignore[arg-type] # as Login
            yield client

    @asynccontextmanager
    async def client(self, sdk: Sdk, user: str | None = None, **login: object) -> AsyncIterator[MobileClient]:
        """A client of that SDK that is registered."""
        name = user if user is not None else await self.user()
        async with self.dialed(sdk) as client:
            await client.login(Login(username=name, password=PASSWORD, **login))  # type: ignore[arg-type] # as Login
            yield client

    async def ring(self, client: MobileClient, scenario: str = "silence", *, count: int = 1) -> str:
        """Have the lab call that client; returns the id of the call at the client."""
        await self.lab_call(client, scenario)
        invite = await client.wait_for("telnyx_rtc.invite", count=count)
        call_id: str = invite["callID"]
        return call_id

    async def lab_call(self, client: MobileClient, scenario: str = "silence") -> str:
        """Have the lab call that client; returns the lab's id of the call."""
        return await self.call_user(client.username, scenario)

    async def call_user(self, user: str, scenario: str = "silence") -> str:
        """Have the lab call whoever is there of that user; returns the lab's id of the call."""
        body = {"to": user, "from": CALLER, "scenario": scenario}
        lab_call: str = (await self.gateway.post("/_lab/calls", body))["data"]["id"]
        return lab_call

    async def hang_up(self, lab_call: str) -> None:
        """Have the lab end that call; returns when it is over on both sides."""
        await self.gateway.delete(f"/_lab/calls/{lab_call}")
        await self.lab_end(lab_call)

    async def lab_end(self, lab_call: str) -> Message:
        """The lab's record of that call once it has ended."""
        async with asyncio.timeout(DEADLINE):
            while (record := (await self.gateway.get(f"/_lab/calls/{lab_call}"))["data"])["state"] != "ended":
                pass
        found: Message = record
        return found

    async def sessions(self) -> list[Message]:
        """The sessions as the gateway shows them."""
        found: list[Message] = (await self.gateway.get("/v2/gateway/sessions"))["data"]
        return found

    async def token_and_name(self, user: str) -> tuple[str, str]:
        """A token of a credential of that user's connection, and the credential's own user name."""
        provisioning = self.gateway.gateway.provisioning
        made = await provisioning.add_credential(self.connections[user], name="phone")
        token = await provisioning.create_token(made.credential.credential_id, ttl=600)
        return token, made.credential.sip_username

    async def lab_hears(self, lab_call: str, *, digits: str) -> None:
        """Return when the lab has heard those digits on that call of its."""
        async with asyncio.timeout(DEADLINE):
            while (await self.gateway.get(f"/_lab/calls/{lab_call}"))["data"]["heard"]["digits"] != digits:
                pass

    def secured(self) -> tuple[list[str], ssl.SSLContext]:
        """The addresses of its encrypted listeners, and what trusts them."""
        ready = self.gateway.gateway.ready
        urls = [url.replace("http", "ws", 1) for url in ready.http if url.startswith("https://")]
        return urls, ssl.create_default_context(cafile=ready.certificate_authority)


async def converse(site: Site, client: MobileClient) -> None:
    """All that may come to a client on a plain day: calls both ways, to all ends. Its rules look at every frame."""
    call = await client.invite(ECHO, OFFER)
    await client.wait_for("telnyx_rtc.ringing", call)
    await client.wait_for("telnyx_rtc.answer", call)
    await client.modify(call, "hold")
    await client.modify(call, "unhold")
    await client.dtmf(call, "12")
    await client.bye(call)
    call = await client.invite(BUSY, OFFER)
    await client.wait_for("telnyx_rtc.bye", call)
    call = await client.invite(EARLY_MEDIA, OFFER)
    await client.wait_for("telnyx_rtc.answer", call)
    await client.bye(call)
    call = await site.ring(client, "hangup")
    await client.answer(call, ANSWER)
    await client.wait_for("telnyx_rtc.bye", call)
    call = await site.ring(client, count=2)
    await client.bye(call, is_active=False)
    await client.barrier()


class Media:
    """The media of one call of a client, beside its socket."""

    def __init__(self, codecs: Sequence[str] = ("PCMU",)) -> None:
        self.codec = codecs[0]
        self.browser = Browser(codecs=codecs)

    async def __aenter__(self) -> "Media":
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.browser.close()

    async def place(
        self, client: MobileClient, number: str, *, has_candidates: bool = True, is_trickle: bool = False
    ) -> str:
        """Call a number. A trickling client's offer holds no candidates either."""
        is_bare = is_trickle or not has_candidates
        offer = await self.browser.offer(candidates=lambda lines: [] if is_bare else lines)
        return await client.invite(number, offer, is_trickle=is_trickle)

    async def until_answered(self, client: MobileClient, call_id: str) -> None:
        """Take the answer; returns when the call carries audio."""
        answer = await client.wait_for("telnyx_rtc.answer", call_id)
        await self.browser.accept(Sdp(answer["sdp"]))
        await self.connected()

    async def connected(self) -> None:
        """Return when DTLS is through."""
        async with asyncio.timeout(DEADLINE):
            await self.browser.connected.wait()

    async def hears(self, frequency: float, *, patience: int = 50) -> bool:
        """Whether half a second of that tone comes within `patience` half seconds."""
        for _ in range(patience):
            async with asyncio.timeout(DEADLINE):
                frames = await sound.collect(self.browser.received, 25, payload_type=CODEC_LINES[self.codec][0])
            if sound.is_tone(sound.heard(self.codec, frames), frequency, rate=sound.RATES[self.codec]):
                return True
        return False

    async def hears_itself(self, frequency: int) -> bool:
        """Whether a tone that it sends comes back from an echo."""
        number = CODEC_LINES[self.codec][0]
        with sound.speaking(
            self.browser.send, self.codec, frequency, payload_type=number, ssrc=self.browser.ssrc
        ):  # fmt: skip
            return await self.hears(frequency)
