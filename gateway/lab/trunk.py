"""The lab trunk: a SIP peer of its own on loopback, with its own endpoint, user agent, sockets and ports."""

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Final

from gateway.domain.errors import GatewayError
from gateway.lab.rtp_stream import frames
from gateway.lab.scenario import MILLIWATT, MUSIC, RINGBACK, Silence
from gateway.lab.sdp import G711_CODECS
from gateway.lab.settings import LabSettings
from gateway.lab.switchboard import Switchboard
from gateway.observability.logging import get_logger
from gateway.sip.core.errors import ListenFailed
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent

STOP_GRACE_S: Final = 2.0
"""How long `stop` waits for the far ends to answer its BYEs."""

_PORT_TRIES: Final = 16
_LOOPBACK: Final = ip_network("127.0.0.0/8")

_log = get_logger(trunk="lab")


class NoLabSipPort(GatewayError):
    """No port for the lab's SIP on both UDP and TCP."""

    code = "no_lab_sip_port"


@dataclass(frozen=True, slots=True)
class LabAddress:
    """Where the lab trunk listens, UDP and TCP alike."""

    host: str
    port: int

    def uri(self, transport: str = "udp") -> str:
        """For a trunk's `uri` setting."""
        return f"sip:{self.host}:{self.port};transport={transport}"


class LabTrunk:
    """Starts and stops the lab. Calls come only from loopback and from its own host."""

    def __init__(self, settings: LabSettings, *, gateway_uri: Callable[[], str]) -> None:
        """
        Args:
            settings: of the lab.
            gateway_uri: where the gateway listens, without a user: ``sip:127.0.0.1:5060;transport=udp``. Asked at
                each call, because the gateway starts after the lab.
        """
        self._settings = settings
        self._address: LabAddress | None = None
        self.user_agent: UserAgent | None = None
        """None while it is stopped."""
        self.switchboard = Switchboard(
            settings,
            invite=lambda target, sdp, on_event: self._running().invite(target, sdp, on_event),
            lab_address=lambda: f"{self.address.host}:{self.address.port}",
            gateway_uri=gateway_uri,
        )

    @property
    def address(self) -> LabAddress:
        """Where it listens; only once it is started."""
        assert self._address is not None, "the lab trunk is not started"
        return self._address

    async def start(self) -> LabAddress:
        """Open the sockets and take calls.

        Raises:
            NoLabSipPort: the configured port is taken, or there is no free one.
        """
        await asyncio.to_thread(_prepare_sounds)
        tries = 1 if self._settings.port else _PORT_TRIES
        for _ in range(tries):
            port = self._settings.port or _free_port(self._settings.host)
            user_agent = self._new_user_agent(port)
            try:
                await user_agent.start()
            except ListenFailed:  # somebody took it between the look and the bind
                continue
            self.user_agent, self._address = user_agent, LabAddress(self._settings.host, port)
            _log.info("lab_trunk_started", peer=f"{self._settings.host}:{port}")
            return self._address
        raise NoLabSipPort(f"no SIP port on {self._settings.host} (asked for {self._settings.port}, 0 is any)")

    async def stop(self) -> None:
        """Hang up every call and release everything; idempotent."""
        self.switchboard.hang_up_all()
        if self.user_agent is not None:
            user_agent, self.user_agent = self.user_agent, None
            await user_agent.stop(grace=STOP_GRACE_S)

    def _new_user_agent(self, port: int) -> UserAgent:
        host = self._settings.host
        settings = SipSettings(
            listen=(("udp", host, port), ("tcp", host, port)), domain=host, user_agent="rtc-gateway-lab"
        )
        gateway = TrunkSettings(name="gateway", uri=f"sip:{host}", accept_from=(_LOOPBACK, ip_network(host)))
        user_agent = UserAgent(Endpoint(settings), settings, (gateway,))
        user_agent.on_invite = self.switchboard.take
        return user_agent

    def _running(self) -> UserAgent:
        assert self.user_agent is not None, "the lab trunk is not started"
        return self.user_agent


def _prepare_sounds() -> None:
    """Compute what is played once, so that no call waits for it."""
    for codec in G711_CODECS:
        for sound in (MILLIWATT, RINGBACK, MUSIC, Silence()):
            frames(sound, codec)


def _free_port(host: str) -> int:
    """A port that is free for UDP and TCP at this moment."""
    for _ in range(_PORT_TRIES):
        with (
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as stream,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagram,
        ):
            stream.bind((host, 0))
            port: int = stream.getsockname()[1]
            try:
                datagram.bind((host, port))
            except OSError:
                continue
            return port
    raise NoLabSipPort(f"no port on {host} that is free for UDP and TCP")
