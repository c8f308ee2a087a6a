"""The SIP port as a target: a user agent without sockets, and flows that keep what it sends."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_network
from typing import Final

from gateway.domain.ids import Sdp
from gateway.sip.call import IncomingCall
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.refusals import MAX_GROWTH
from gateway.sip.security_settings import SipSecuritySettings
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Flow
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent

TRUNK: Final = TrunkSettings(name="trunk", uri="sip:192.0.2.9", accept_from=(ip_network("192.0.2.0/24"),))
SETTINGS: Final = SipSettings(listen=(), max_transactions=16)
PATIENT: Final = SipSecuritySettings(stranger_rate=0.0, ban_time=0.0)
ANSWER: Final = Sdp("v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n")


class FuzzedEndpoint(Endpoint):
    """Takes a message as if it had come over that flow."""

    def take(self, data: bytes, flow: Flow) -> None:
        self._on_message(data, flow)


@dataclass
class KeptFlow:
    """A way to a far end on which everything arrives."""

    remote: Destination
    is_open: bool = True
    sent: list[bytes] = field(default_factory=list)

    @property
    def is_reliable(self) -> bool:
        return self.remote.transport == "tcp"

    def send(self, data: bytes) -> bool:
        self.sent.append(data)
        return True

    def to_port(self, port: int) -> "KeptFlow":
        return self

    def close(self) -> None:
        self.is_open = False


async def play(messages: Sequence[bytes], *, is_trunk: bool, is_tcp: bool, answers: bool) -> None:
    """Send those messages to a fresh user agent, which answers or declines; assert what must hold whatever they are."""
    endpoint = FuzzedEndpoint(SETTINGS, security=PATIENT)
    agent = UserAgent(endpoint, SETTINGS, [TRUNK])
    agent.on_invite = _answer if answers else _decline
    await agent.start()
    flow = KeptFlow(Destination("tcp" if is_tcp else "udp", "192.0.2.9" if is_trunk else "198.51.100.9", 5060))
    try:
        for message in messages:
            before = len(flow.sent)
            endpoint.take(message, flow)
            if not is_trunk:
                _check_stranger(message, flow.sent[before:], is_tcp=is_tcp)
            assert endpoint.transaction_count <= 2 * SETTINGS.max_transactions
        assert not [data for data in flow.sent if data.startswith(b"SIP/2.0 500 ") and b"\r\nRetry-After:" not in data]
    finally:
        await agent.stop(grace=0.0)
    assert (agent.calls, agent.dialogs, agent.tasks, agent.transactions) == (0, 0, 0, 0)


def _check_stranger(message: bytes, sent: Sequence[bytes], *, is_tcp: bool) -> None:
    """403 or nothing, and over UDP never much more than was asked."""
    assert all(data.startswith(b"SIP/2.0 403 ") for data in sent)
    assert is_tcp or sum(map(len, sent)) <= MAX_GROWTH * len(message)


def _answer(call: IncomingCall) -> None:
    call.listen(lambda _event: None)
    call.ring()
    call.answer(ANSWER)


def _decline(call: IncomingCall) -> None:
    call.listen(lambda _event: None)
    call.reject(603, "Decline")


class Player:
    """Plays on a loop of its own, so that a target is a plain function."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()

    def play(self, messages: Sequence[bytes], *, is_trunk: bool, is_tcp: bool, answers: bool) -> None:
        """See `play`."""
        self._loop.run_until_complete(play(messages, is_trunk=is_trunk, is_tcp=is_tcp, answers=answers))

    def close(self) -> None:
        """Close the loop."""
        self._loop.close()
