"""A real Kamailio between phones and the gateway: it knows no user, and adds itself to Path and Record-Route."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from tests.interop.kamailio_process import PORT, running

CONFIG: Final = Path(__file__).parent / "kamailio" / "edge.cfg"


@asynccontextmanager
async def edge(folder: Path, host: str, gateway: str) -> AsyncIterator[str]:
    """Kamailio in front of the gateway at `host:port`; where it listens.

    Args:
        folder: there already, for its files.
        host: an address of loopback that is its own.
    """
    gateway_host, _, gateway_port = gateway.rpartition(":")
    text = CONFIG.read_text().replace("@LISTEN@", host).replace("@HOST@", gateway_host).replace("@PORT@", gateway_port)
    async with running(folder, text, host, asked_from=host):
        yield f"{host}:{PORT}"


__all__ = ["PORT", "edge"]
