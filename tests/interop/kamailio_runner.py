"""A real Kamailio: a registrar and record-routing proxy with digests, on loopback addresses of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.interop.kamailio_process import PORT, running
from tests.interop.sipp_runner import loopback_address

CONFIG: Final = Path(__file__).parent / "kamailio" / "registrar.cfg"
TRUNK_PORT: Final = 5060
DOMAIN: Final = "sip.test"
ACCOUNTS: Final = {"alice": "alicepass", "bob": "bobpass", "gateway": "gatewaypass"}


@dataclass(frozen=True, slots=True)
class Kamailio:
    """A running Kamailio.

    Attributes:
        host: where it listens, at `PORT`, over UDP and TCP.
        trunk: where it sends numbers that nobody registered, at `TRUNK_PORT` over UDP; calls from there need no digest.
    """

    host: str
    trunk: str

    def uri(self, user: str = "", *, transport: str = "udp") -> str:
        """Its own address, or that of a user."""
        return f"sip:{f'{user}@' if user else ''}{self.host}:{PORT};transport={transport}"


@asynccontextmanager
async def kamailio(folder: Path, *, is_sha256: bool = False) -> AsyncIterator[Kamailio]:
    """Kamailio with its files in that folder, until the block ends; it challenges with MD5 unless told otherwise."""
    host, trunk = loopback_address(), loopback_address()
    config = CONFIG.read_text().replace("@LISTEN@", host).replace("@TRUNK@", trunk)
    words = ("-A", "WITH_SHA256") if is_sha256 else ()
    async with running(folder, config, host, asked_from=trunk, words=words):
        yield Kamailio(host, trunk)
