"""Debian's rtpengine-daemon in user space, told what to do as a SIP proxy does: by the ng protocol."""

import asyncio
import secrets
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, cast

from tests.bench.media.cases import Case
from tests.bench.media.generator import PlacedCall
from tests.bench.media.network import ADDRESS
from tests.bench.media.server import CannotMeasure, Server, running
from tests.bench.media.sip_end import SipEnd
from tests.bench.media.web_end import WebEnd, browser_certificate

PROGRAM: Final = "rtpengine"
NG_PORT: Final = 22222
STARTS_WITHIN: Final = 10.0
ANSWERS_WITHIN: Final = 2.0

# No string but bytes come back; what is sent may be text.
Value = int | str | bytes | list["Value"] | dict[str, "Value"]


def encode(value: object) -> bytes:
    """Bencoding, as BitTorrent's BEP 3 has it."""
    match value:
        case int():
            return b"i%de" % value
        case str():
            return encode(value.encode())
        case bytes():
            return b"%d:%s" % (len(value), value)
        case list():
            return b"l" + b"".join(map(encode, value)) + b"e"
        case dict():
            return b"d" + b"".join(encode(key) + encode(value[key]) for key in sorted(value)) + b"e"
    raise ValueError(f"cannot be bencoded: {value!r}")


def decode_strings(encoded: bytes) -> dict[bytes, bytes]:
    """The members of a bencoded dictionary that are strings."""
    reader = _Reader(encoded)
    found = reader.read()
    if not isinstance(found, dict):
        raise ValueError(f"no dictionary: {encoded[:40]!r}")
    return {key: value for key, value in found.items() if isinstance(value, bytes)}


class _Reader:
    def __init__(self, encoded: bytes) -> None:
        self._encoded, self._at = encoded, 0

    def read(self) -> object:
        match self._encoded[self._at : self._at + 1]:
            case b"i":
                return int(self._until(b"e")[1:])
            case b"l":
                return self._items()
            case b"d":
                items = self._items()
                return dict(zip(items[::2], items[1::2], strict=True))
        size = int(self._until(b":"))
        self._at += size
        return self._encoded[self._at - size : self._at]

    def _until(self, end: bytes) -> bytes:
        begin, stop = self._at, self._encoded.index(end, self._at)
        self._at = stop + 1
        return self._encoded[begin:stop]

    def _items(self) -> list[object]:
        self._at += 1
        items = []
        while self._encoded[self._at : self._at + 1] != b"e":
            items.append(self.read())
        self._at += 1
        return items


class NgClient(asyncio.DatagramProtocol):
    """Asks, and waits for the answer with the same cookie."""

    def __init__(self) -> None:
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own class does not say so (3.11)

    def datagram_received(self, data: bytes, _addr: object) -> None:
        cookie, _, encoded = data.partition(b" ")
        future = self._waiting.pop(cookie, None)
        if future is not None and not future.done():
            future.set_result(encoded)

    async def ask(self, command: str, members: Mapping[str, object]) -> dict[bytes, bytes]:
        """What the daemon answers.

        Raises:
            TimeoutError: nothing, for so long.
            CannotMeasure: an error.
        """
        cookie = secrets.token_hex(8).encode()
        self._waiting[cookie] = future = asyncio.get_running_loop().create_future()
        self._transport.sendto(cookie + b" " + encode({"command": command, **members}))
        async with asyncio.timeout(ANSWERS_WITHIN):
            answer = decode_strings(await future)
        if answer.get(b"result") == b"error":
            raise CannotMeasure(f"rtpengine: {answer.get(b'error-reason', b'').decode()}")
        return answer


class Rtpengine:
    """Browser to trunk: an offer of the one, an answer of the other."""

    def __init__(self, process_id: int, ng: NgClient, case: Case) -> None:
        self.process_id = process_id
        self._ng, self._case = ng, case
        self._certificate = browser_certificate()

    async def prepare(self, calls: int) -> None:
        """Nobody logs in."""

    async def place(self) -> PlacedCall:
        """Offer, answer, ICE, DTLS."""
        case = self._case
        web, sip = WebEnd(case.web, self._certificate), SipEnd(case.sip)
        call: dict[str, object] = {"call-id": secrets.token_hex(8), "from-tag": secrets.token_hex(4)}
        codec = {} if case.is_relay else {"codec": {"mask": [case.web.name], "transcode": [case.sip.name]}}
        offered = await self._ng.ask(
            "offer",
            {
                **call,
                **codec,
                "sdp": web.offer(),
                "transport-protocol": "RTP/AVP",
                "ICE": "remove",
                "rtcp-mux": ["demux"],
                "replace": ["origin"],
            },
        )
        sip.connect(offered[b"sdp"].decode())
        answered = await self._ng.ask(
            "answer", {**call, "to-tag": secrets.token_hex(4), "sdp": sip.description(), "replace": ["origin"]}
        )
        await web.connect(answered[b"sdp"].decode())
        return PlacedCall(web, sip)


@asynccontextmanager
async def rtpengine(case: Case, launcher: tuple[str, ...]) -> AsyncIterator[Server]:
    """A fresh one.

    Raises:
        CannotMeasure: it does not start.
    """
    loop = asyncio.get_running_loop()
    with tempfile.TemporaryDirectory() as folder:
        command = [*launcher, PROGRAM, *_arguments(Path(folder))]
        async with running(command) as process:
            transport, ng = await loop.create_datagram_endpoint(NgClient, remote_addr=("127.0.0.1", NG_PORT))
            try:
                await _ready(ng, process)
                yield Rtpengine(process.pid, ng, case)
            finally:
                transport.close()


def _arguments(folder: Path) -> list[str]:
    empty = folder / "rtpengine.conf"
    empty.write_text("[rtpengine]\n")
    return [
        "--foreground",
        f"--config-file={empty}",
        "--table=-1",
        f"--interface={ADDRESS}",
        f"--listen-ng=127.0.0.1:{NG_PORT}",
        "--timeout=600",  # the first call waits in silence until the last one is set up
        "--port-min=30000",
        "--port-max=39999",
        "--log-level=2",
        "--log-stderr",
        f"--pidfile={folder / 'pid'}",
    ]


async def _ready(ng: NgClient, process: asyncio.subprocess.Process) -> None:
    deadline = asyncio.get_running_loop().time() + STARTS_WITHIN
    while process.returncode is None and asyncio.get_running_loop().time() < deadline:
        try:
            await ng.ask("ping", {})
        except TimeoutError:  # not there yet
            continue
        return
    raise CannotMeasure("rtpengine: does not start")
