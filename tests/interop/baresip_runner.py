"""A real SIP phone without a sound card: baresip 1.0.0, speaking a tone and recording what it hears.

Its files live in a folder of the test, its ports are free ones of loopback; it is driven over `ctrl_tcp` (netstrings
with JSON). What it heard is measured by the lab's own spectrum.
"""

import asyncio
import json
import math
import random
import socket
import wave
from array import array
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.lab.hearing import Sound, measure
from gateway.sip.tasks import TaskOwner
from tests.harness.ending import end

HOST: Final = "127.0.0.1"
MODULES: Final = Path("/usr/lib/baresip/modules")
_DEADLINE_S: Final = 20.0
_SAMPLE_RATE: Final = 8000
_START_TRIES: Final = 5
_CONTROL_OFFSET: Final = 2
_KINDS: Final = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
_RTP_PORTS: Final = "30000-32000"
"""Below the ephemeral ports; several phones may share them, each takes what is free."""
_SAY_S: Final = 20
"""Length of what it says; then it begins again."""

_CONFIG: Final = """\
poll_method             epoll
sip_listen              {host}:{sip_port}
sip_transports          {transports}
{tls}call_local_timeout      120
call_max_calls          8
audio_source            aufile,{folder}/say.wav
audio_player            aubridge,null
audio_alert             aubridge,null
ausrc_srate             8000
auplay_srate            8000
ausrc_channels          1
auplay_channels         1
rtp_ports               {rtp_ports}
rtcp_mux                {rtcp_mux}
jitter_buffer_delay     5-10
module_path             {modules}
module                  g711.so
module                  aufile.so
module                  aubridge.so
module                  sndfile.so
module                  srtp.so
module                  dtls_srtp.so
module_tmp              account.so
module_app              menu.so
module_app              ctrl_tcp.so
ctrl_tcp_listen         {host}:{control_port}
snd_path                {folder}/rec
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phone:
    """How the phone shall be.

    Attributes:
        user: its user name.
        tone: what it says, in Hz.
        is_answering: whether it takes calls by itself.
        transport: of its own requests.
        codecs: in its order of preference.
        registrar: host and port of the domain it belongs to; empty: none, it is called at its own address.
        account: more parameters of the account line, for a registrar for example.
        certificate: PEM file with certificate and key, for `transport` "tls"; `authorities`: whom it trusts there.
        media_encryption: `srtp` (beside RTP/AVP), `srtp-mand` (RTP/SAVP), `dtls_srtp`; empty: none.
        has_rtcp_mux: whether it wants RTP and RTCP on one port.
    """

    user: str = "bob"
    tone: float = 700.0
    is_answering: bool = True
    transport: str = "udp"
    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    registrar: str = ""
    account: str = "regint=0"
    certificate: Path | None = None
    authorities: Path | None = None
    media_encryption: str = ""
    has_rtcp_mux: bool = False


class Baresip:
    """A running phone. Made by `baresip()`."""

    def __init__(self, folder: Path, phone: Phone, sip_port: int, process: asyncio.subprocess.Process) -> None:
        self.folder, self.phone, self.sip_port = folder, phone, sip_port
        self._process = process
        self._has_begun = asyncio.Event()
        """It is ready, or it has ended."""
        self._is_ready = False
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.events: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=1000)
        """`class` and `type` as baresip's `ua_event`s have them, for example `call` and `CALL_ESTABLISHED`."""
        self._replies: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=100)

    @property
    def uri(self) -> str:
        """Where it can be called."""
        port = self.sip_port + 1 if self.phone.transport == "tls" else self.sip_port
        return f"sip:{self.phone.user}@{HOST}:{port};transport={self.phone.transport}"

    async def dial(self, uri: str) -> None:
        """Call somebody; the events tell how it goes."""
        await self.command("dial", uri)

    async def hang_up(self) -> None:
        """End the current call."""
        await self.command("hangup")

    async def command(self, name: str, params: str = "") -> dict[str, Any]:
        """Give a command of the menu; return baresip's reply."""
        assert self._writer is not None
        message = json.dumps({"command": name, "params": params, "token": name}).encode()
        self._writer.write(b"%d:%s," % (len(message), message))
        await self._writer.drain()
        async with asyncio.timeout(_DEADLINE_S):
            return await self._replies.get()

    async def event(self, kind: str) -> dict[str, Any]:
        """Wait for the next event of that type; those before it are dropped."""
        async with asyncio.timeout(_DEADLINE_S):
            while True:
                event = await self.events.get()
                if event.get("type") == kind:
                    return event

    async def talk(self, seconds: float) -> None:
        """Let the call go on for that long; fail if it ends before."""
        try:
            async with asyncio.timeout(seconds):
                await self.event("CALL_CLOSED")
        except TimeoutError:
            return
        raise AssertionError(f"the call ended within {seconds} s; log:\n{self.log()}")

    def heard(self) -> Sound:
        """Level and tone of the end of its last recording; call it when the call is over."""
        return measure(_read_wav(self._recording("dec")))

    def heard_seconds(self) -> float:
        """How long the last recording is."""
        return len(_read_wav(self._recording("dec"))) / _SAMPLE_RATE

    def _recording(self, way: str) -> Path:
        recordings = sorted((self.folder / "rec").glob(f"*-{way}.wav"))
        assert recordings, f"baresip has recorded nothing; its log:\n{self.log()}"
        return recordings[-1]

    def log(self) -> str:
        """What it wrote."""
        return (self.folder / "log").read_text(errors="replace")

    async def copy_log(self) -> None:
        """Write its output to a file, and see in it when it is ready."""
        assert self._process.stdout is not None
        with (self.folder / "log").open("wb", buffering=0) as log:
            while line := await self._process.stdout.readline():
                log.write(line)
                if b"baresip is ready" in line:
                    self._is_ready = True
                    self._has_begun.set()
        self._has_begun.set()

    async def has_started(self, control_port: int) -> bool:
        """Open the control connection once the phone is ready; False when it has ended instead."""
        async with asyncio.timeout(_DEADLINE_S):
            await self._has_begun.wait()
            if self._is_ready:
                self._reader, self._writer = await asyncio.open_connection(HOST, control_port)
        return self._is_ready

    async def pump(self) -> None:
        """Sort what comes over the control connection, until it is closed."""
        assert self._reader is not None
        while True:
            try:
                size = int((await self._reader.readuntil(b":"))[:-1])
                message = json.loads((await self._reader.readexactly(size + 1))[:-1])
            except asyncio.IncompleteReadError:
                return
            queue = self.events if message.get("event") else self._replies
            queue.put_nowait(message)

    async def quit(self) -> None:
        """End the program."""
        if self._writer is not None:
            self._writer.close()
        await end(self._process, patience=_DEADLINE_S)


@asynccontextmanager
async def baresip(folder: Path, phone: Phone | None = None) -> AsyncIterator[Baresip]:
    """Start a phone with its files in that folder; end it on the way out."""
    tasks = TaskOwner()
    running = await _start(folder, phone if phone is not None else Phone(), tasks)
    try:
        yield running
    finally:
        await running.quit()
        await tasks.close()


async def _start(folder: Path, phone: Phone, tasks: TaskOwner) -> Baresip:
    """Start it, again with other ports if somebody took one between our look and its bind."""
    for _ in range(_START_TRIES):
        sip_port = _free_ports()
        control_port = sip_port + _CONTROL_OFFSET
        _write_files(folder, phone, sip_port, control_port)
        process = await asyncio.create_subprocess_exec(
            "baresip",
            "-f",
            str(folder),
            "-4",
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        running = Baresip(folder, phone, sip_port, process)
        tasks.start(running.copy_log())
        if await running.has_started(control_port):
            tasks.start(running.pump())
            return running
        await running.quit()
        if "Address already in use" not in running.log():
            break
    raise AssertionError(f"baresip did not start; its log:\n{running.log()}")


def _write_files(folder: Path, phone: Phone, sip_port: int, control_port: int) -> None:
    (folder / "rec").mkdir(parents=True, exist_ok=True)
    (folder / "contacts").touch()
    config = _CONFIG.format(
        transports="udp,tcp" if phone.certificate is None else "udp,tcp,tls",
        tls=_tls_lines(phone),
        host=HOST,
        folder=folder,
        sip_port=sip_port,
        control_port=control_port,
        modules=MODULES,
        rtp_ports=_RTP_PORTS,
        rtcp_mux="yes" if phone.has_rtcp_mux else "no",
    )
    (folder / "config").write_text(config)
    parameters = [
        phone.account,
        *([f"mediaenc={phone.media_encryption}"] if phone.media_encryption else []),
        f"answermode={'auto' if phone.is_answering else 'manual'}",
        f"audio_codecs={','.join(f'{codec}/{_SAMPLE_RATE}/1' for codec in phone.codecs)}",
    ]
    address = phone.registrar or f"{HOST}:{sip_port}"
    account = f"<sip:{phone.user}@{address};transport={phone.transport}>;{';'.join(parameters)}\n"
    (folder / "accounts").write_text(account)
    samples = (round(8000 * math.sin(2 * math.pi * phone.tone * index / _SAMPLE_RATE)) for index in range(_SAMPLE_RATE))
    second = b"".join(sample.to_bytes(2, "little", signed=True) for sample in samples)
    with wave.open(str(folder / "say.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_SAMPLE_RATE)
        file.writeframes(second * _SAY_S)


def _tls_lines(phone: Phone) -> str:
    if phone.certificate is None:
        return ""
    return f"sip_certificate         {phone.certificate}\nsip_cafile              {phone.authorities}\n"


def _read_wav(path: Path) -> Sequence[int]:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (_SAMPLE_RATE, 1, 2), path
        return array("h", file.readframes(file.getnframes()))


def _free_ports() -> int:
    """The first of three ports of loopback that are free at this moment: SIP, SIP over TLS (the next), control.

    Outside of the range from which clients' own ports are taken, so that nobody gets them by chance.
    """
    while True:
        first = random.randrange(10_000, 19_990, 4)
        wanted = [(kind, first + offset) for kind in _KINDS for offset in range(_CONTROL_OFFSET + 1)]
        with ExitStack() as stack:
            try:
                for kind, port in wanted:
                    stack.enter_context(socket.socket(socket.AF_INET, kind)).bind((HOST, port))
            except OSError:
                continue
            return first
