"""A whole gateway whose only trunk is the SIP program under test, and what its client says and hears."""

import struct
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.media.core.rtp import RtpPacket
from tests.harness.gateway import Running, running
from tests.interop.sipp_runner import Sipp, SippProcess, Transport, sipp
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES, EVENT_LINES
from tests.wire.whole.phone import Phone

NUMBER: Final = "+4930123456"
"""What clients dial to reach the trunk."""

_EVENTS: Final = "0123456789*#ABCD"
_EVENT_TYPES: Final = frozenset(number for number, _ in EVENT_LINES)


@asynccontextmanager
async def gateway_with_trunk(
    folder: Path,
    uri: str,
    *,
    accept_from: Sequence[str] = (),
    credentials: tuple[str, str] | None = None,
    **more: object,
) -> AsyncIterator[Running]:
    """A gateway without the lab, so that every number goes to that trunk and only that trunk may call.

    Args:
        credentials: user name and password for the trunk; the password goes through a `password_file`.
        more: further settings of the trunk.
    """
    folder.mkdir()  # noqa: ASYNC240 -- a test's own folder, nobody waits
    trunk: dict[str, object] = {"name": "carrier", "uri": uri, "accept_from": list(accept_from), **more}
    if credentials is not None:
        password_file = folder / "trunk.password"
        password_file.write_text(f"{credentials[1]}\n")
        trunk |= {"username": credentials[0], "password_file": str(password_file)}
    settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
    async with running(folder, settings) as gateway:
        yield gateway


@asynccontextmanager
async def calling_sipp(
    gateway: Running,
    scenario: str,
    folder: Path,
    *,
    host: str,
    transport: Transport,
    service: str = "alice",
    pause_ms: int = 500,
) -> AsyncIterator[SippProcess]:
    """SIPp, which calls `service` at the gateway from that address."""
    folder.mkdir()  # noqa: ASYNC240 -- as above
    setup = Sipp(
        scenario=scenario,
        host=host,
        transport=transport,
        remote=gateway.sip(transport),
        service=service,
        pause_ms=pause_ms,
    )
    async with sipp(setup, folder) as process:
        yield process


def speaking(phone: Phone, call_id: str, frequency: float, *, codec: str) -> AbstractContextManager[None]:
    """Have the client say a tone while the block runs."""
    browser = phone.media[call_id]
    return sound.speaking(browser.send, codec, frequency, payload_type=CODEC_LINES[codec][0], ssrc=browser.ssrc)


def heard_so_far(phone: Phone, call_id: str) -> list[RtpPacket]:
    """Every packet that the client has got and not looked at yet, in the order of arrival."""
    queue = phone.media[call_id].received
    return [queue.get_nowait() for _ in range(queue.qsize())]


def digits_in(packets: Sequence[RtpPacket]) -> str:
    """The digits of the telephone-events in there that came to an end (RFC 4733 section 2.5.1.4)."""
    ended: dict[int, str] = {}
    for packet in packets:
        if packet.payload_type in _EVENT_TYPES:
            event, flags, _duration = struct.unpack("!BBH", packet.payload[:4])
            if flags & 0x80:
                ended.setdefault(packet.timestamp, _EVENTS[event])
    return "".join(ended.values())


def audio_in(packets: Sequence[RtpPacket]) -> list[RtpPacket]:
    """The packets that are no telephone-events."""
    return [packet for packet in packets if packet.payload_type not in _EVENT_TYPES]


def methods(phone: Phone) -> list[str]:
    """What the server has told the client so far, without `telnyx_rtc.`, in order."""
    return [str(message["method"]).removeprefix("telnyx_rtc.") for message in phone.verto.messages]
