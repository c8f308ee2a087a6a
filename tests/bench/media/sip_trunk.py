"""A SIP trunk that answers every INVITE at once, and hands over its end of the media."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from typing import Final

from gateway.sip.call import IncomingCall
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.bench.media.cases import Codec
from tests.bench.media.network import ADDRESS
from tests.bench.media.sip_end import SipEnd

_SETTINGS: Final = SipSettings(listen=(("udp", ADDRESS, 0),), user_agent="bench-trunk", session_expires=0)
_CALLER: Final = TrunkSettings(name="server", uri=f"sip:{ADDRESS}", accept_from=(ip_network(f"{ADDRESS}/32"),))


class SipTrunk:
    """Answers with one codec."""

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._endpoint = Endpoint(_SETTINGS)
        self._agent = UserAgent(self._endpoint, _SETTINGS, [_CALLER])
        self._agent.on_invite = self._answer
        self.answered: asyncio.Queue[SipEnd] = asyncio.Queue()

    @property
    def address(self) -> str:
        """Host and port of its SIP listener."""
        listener = self._endpoint.listeners[0]
        return f"{listener.host}:{listener.port}"

    @asynccontextmanager
    async def running(self) -> AsyncIterator["SipTrunk"]:
        """Open it; hang up and close at the end."""
        await self._agent.start()
        try:
            yield self
        finally:
            await self._agent.stop(grace=2.0)

    def _answer(self, call: IncomingCall) -> None:
        call.listen(lambda _event: None)
        assert call.offer is not None
        end = SipEnd(self._codec)
        end.connect(call.offer)
        call.answer(end.description())
        self.answered.put_nowait(end)
