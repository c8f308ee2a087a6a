"""Builds and runs `generator/`, which talks for all calls of a run."""

import asyncio
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from tests.bench.media.cases import SUITE, Case, Codec, Processors, launcher
from tests.bench.media.payloads import Payloads, bursts, speech
from tests.bench.media.sip_end import SipEnd
from tests.bench.media.web_end import WebEnd

CRATE: Final = Path(__file__).parent / "generator"
PROGRAM: Final = CRATE / "target/release/media-generator"
ROOT: Final = Path(__file__).parents[3]

Measure = Literal["stamps", "counts", "bursts"]


@dataclass(frozen=True, slots=True)
class PlacedCall:
    """A call that is ready to talk."""

    web: WebEnd
    sip: SipEnd

    def close(self) -> None:
        """Close its sockets."""
        self.web.close()
        self.sip.close()


def build() -> None:
    """Compile it, where it is not there yet.

    Raises:
        subprocess.CalledProcessError: it does not compile; the compiler has said why.
    """
    script = ROOT / "scripts/rust.sh"
    command = f'PATH="$({script} --path)$PATH" exec cargo build --release --quiet'
    subprocess.run([script], check=True)
    subprocess.run(["sh", "-c", command], cwd=CRATE, check=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """How long and how; times are seconds."""

    warm_up: float
    seconds: float
    is_delay_pass: bool

    def measure(self, case: Case) -> Measure:
        """How delay and loss are told."""
        if case.is_relay:
            return "stamps"
        return "bursts" if self.is_delay_pass else "counts"


async def talk(calls: Sequence[PlacedCall], case: Case, server: int, how: Talk, processors: Processors) -> Any:
    """Let all calls talk; the generator's figures (`figures.rs`), as JSON has them.

    Raises:
        ChildProcessError: it failed; it has said why.
    """
    asked = {
        "spins": not how.is_delay_pass,
        "warm_up": how.warm_up,
        "seconds": how.seconds,
        "server": server,
        "measure": how.measure(case),
        "web": _source(case.web, how, case),
        "sip": _source(case.sip, how, case),
        "calls": [_described(call) for call in calls],
    }
    sockets = [end.socket.fileno() for call in calls for end in (call.web, call.sip)]
    # Spinning at a real-time priority would keep the processor from everybody: only what sleeps has one.
    process = await asyncio.create_subprocess_exec(
        *launcher(processors.generator, nice=-5, realtime=2 if how.is_delay_pass else 0),
        str(PROGRAM),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        pass_fds=sockets,
    )
    try:
        out, _ = await process.communicate(json.dumps(asked).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        raise ChildProcessError(f"the generator ended with {process.returncode}")
    return json.loads(out)


def _source(codec: Codec, how: Talk, case: Case) -> dict[str, object]:
    said: Payloads = bursts(codec) if how.measure(case) == "bursts" else speech(codec)
    return {
        "codec": codec.name,
        "payload_type": codec.payload_type,
        "ticks": codec.ticks,
        "frames": [frame.hex() for frame in said.frames],
        "onsets": list(said.onsets),
    }


def _described(call: PlacedCall) -> dict[str, object]:
    web = call.web
    assert web.keys is not None
    ours, theirs = web.keys
    return {
        "web_fd": web.socket.fileno(),
        "web_ssrc": web.ssrc,
        "sip_fd": call.sip.socket.fileno(),
        "server_address": "{}:{}".format(*web.server_address),
        "suite": SUITE,
        "send_key": ours.key.hex(),
        "receive_key": theirs.key.hex(),
        "local_ufrag": web.local.ufrag,
        "local_password": web.local.password,
        "remote_ufrag": web.remote.ufrag,
        "remote_password": web.remote.password,
    }
