"""A trunk that does what a test says: a SIP user agent with the media of each of its calls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import Answered, Confirmed, Replaces, SipCallEvent, Target
from tests.harness.gateway import Running
from tests.wire.media import sound
from tests.wire.media.trunk import Trunk
from tests.wire.sip.agents import PATIENCE, Agent, Ear, Inbound, Outbound
from tests.wire.whole.phone import PATIENCE as LONG
from tests.wire.whole.phone import Phone

NUMBER: Final = "+4930123456"
"""Nobody has it but a carrier."""


@dataclass
class Line:
    """One call of the carrier: its signalling and its sound."""

    leg: Inbound | Outbound
    media: Trunk

    async def until(self, kind: type[SipCallEvent]) -> SipCallEvent:
        """The next event of that kind; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while not isinstance(event := await self.leg.ear.events.get(), kind):
                pass
        return event

    @contextmanager
    def speaking(self, frequency: float) -> Iterator[None]:
        with sound.speaking(self.media.send, "PCMU", frequency, payload_type=0, ssrc=self.media.ssrc):
            yield

    async def hears(self, frequency: float, *, patience: int = LONG) -> bool:
        """Whether half a second of that tone comes within `patience` half seconds."""
        for _ in range(patience):
            async with asyncio.timeout(PATIENCE):
                packets = [await self.media.packet() for _ in range(25)]
            if sound.is_tone(sound.heard("PCMU", packets), frequency, rate=8000):
                return True
        return False


class Carrier:
    """The far side of the gateway's only trunk."""

    def __init__(self, agent: Agent, gateway: Running, media: AsyncExitStack) -> None:
        self._agent, self._gateway, self._media = agent, gateway, media
        self.make_trunk: Callable[[], Trunk] = lambda: Trunk(codecs=("PCMU",))
        """What the media of its next call is."""
        self.transport = "udp"
        """Of its calls."""

    async def _trunk(self) -> Trunk:
        trunk = await self.make_trunk().open()
        self._media.push_async_callback(trunk.close)
        return trunk

    async def answers(self) -> Line:
        """Take the next call of the gateway."""
        media, inbound = await self._trunk(), await self._agent.gets_call()
        assert inbound.call.offer is not None
        media.use(inbound.call.offer)
        inbound.call.answer(media.describe())
        line = Line(inbound, media)
        await line.until(Confirmed)
        return line

    async def is_called_by(self, phone: Phone) -> tuple[str, Line]:
        """An answered call of that phone to `NUMBER`: its id there, and what it is here."""
        call = await phone.call(NUMBER)
        line = await self.answers()
        await phone.until_answered(call)
        return call, line

    async def calls(
        self, user: str, *, replaces: Replaces | None = None, offer: Callable[[Sdp], Sdp] = lambda sdp: sdp
    ) -> Line:
        """Call a user of the gateway; the line is answered once `until_answered` returns.

        Args:
            offer: what becomes of the carrier's usual offer.
        """
        media, ear = await self._trunk(), Ear()
        target = Target(
            uri=f"sip:{user}@{self._gateway.sip(self.transport)};transport={self.transport}",
            from_uri="sip:+12025550177@127.0.0.1",
            replaces=replaces,
            may_open_keys=True,
        )
        return Line(Outbound(self._agent.agent.invite(target, offer(media.describe()), ear), ear), media)

    async def until_answered(self, line: Line) -> None:
        """The gateway's 200, and its description taken."""
        answered = await line.until(Answered)
        assert isinstance(answered, Answered) and answered.sdp is not None
        line.media.use(Sdp(answered.sdp))


@asynccontextmanager
async def carrier(agent: Agent, gateway: Running) -> AsyncIterator[Carrier]:
    """The carrier of a gateway whose trunk is that agent."""
    async with AsyncExitStack() as media:
        yield Carrier(agent, gateway, media)
