"""The part of `make bench`: speak, lose, listen."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.speech import demo, routes, voice
from tests.bench.speech.demo import Demo
from tests.bench.speech.judge import judge
from tests.bench.speech.routes import G722, PCMU, RECORDING_RATE, Speaks
from tests.bench.speech.rows import Row, Verdict, summed_up

LOSSES: Final = (0, 5, 20)
"""Per cent of the packets; the sender has been told of it, as RTCP does."""
BROWSER_BITRATE: Final = 32000
"""bit/s; what browsers begin with for one voice. Their encoder is not ours to set."""
BROWSER_COMPLEXITY: Final = 9
TRUNK_BITRATE: Final = 20000
"""bit/s; what the gateway gives to a narrow voice (`src/codec/opus.rs`)."""
TRUNK_COMPLEXITY: Final = 3
"""As the gateway, for such a voice."""

_SCRIPT: Final = Path(__file__).parents[3] / "scripts/debian-packages.sh"

Listen = Callable[[Sequence[bytes], Sequence[bool]], bytes]
"""What is heard of packets of which some are lost."""


@dataclass(frozen=True, slots=True)
class Way:
    """Speech of a browser to someone who hears it at a rate: through the gateway, and through the demo."""

    name: str
    rate: int
    gateway: Listen
    demo: Listen


@dataclass(frozen=True, slots=True)
class Measured:
    """Rows, and by which libopus."""

    rows: Sequence[Row]
    version: str


def measure(patterns: int) -> Measured:
    """Every way at every loss, with so many patterns of loss for each voice.

    Raises:
        subprocess.CalledProcessError: espeak-ng cannot be installed or libopus' demo not be compiled; both said why.
    """
    subprocess.run([_SCRIPT, "espeak-ng"], check=True)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tool = demo.build(folder)
        voices = voice.speak(folder)
        rows = [*_from_browser(tool, voices, patterns), *_to_browser(tool, voices, patterns)]
        return Measured(rows, tool.version)


def _ways(tool: Demo) -> Iterator[Way]:
    for trunk in (PCMU, G722):
        yield _to_trunk(tool, trunk)
    yield Way(
        "browser to recording",
        RECORDING_RATE,
        routes.recorded,
        lambda packets, lost: tool.decode(packets, lost, rate=RECORDING_RATE),
    )


def _to_trunk(tool: Demo, trunk: Speaks) -> Way:
    def gateway(packets: Sequence[bytes], lost: Sequence[bool]) -> bytes:
        return routes.to_trunk(packets, lost, trunk)

    def beside(packets: Sequence[bytes], lost: Sequence[bool]) -> bytes:
        return routes.coded(tool.decode(packets, lost, rate=trunk.sound_rate), trunk)

    return Way(f"browser to trunk, {trunk.name}", trunk.sound_rate, gateway, beside)


def _from_browser(tool: Demo, voices: Sequence[voice.Signal], patterns: int) -> Iterator[Row]:
    for way in _ways(tool):
        for loss in LOSSES:
            pairs = list[tuple[Verdict, Verdict]]()
            for number, signal in enumerate(voices):
                clean = voice.at_rate(signal, way.rate)
                packets = tool.encode(
                    voice.as_pcm(signal),
                    rate=voice.RATE,
                    bitrate=BROWSER_BITRATE,
                    complexity=BROWSER_COMPLEXITY,
                    loss_percent=loss,
                )
                for lost in _patterns(len(packets), loss, number, patterns):
                    heard = (listen(packets, lost) for listen in (way.gateway, way.demo))
                    ours, demos = (judge(clean, voice.as_signal(pcm), way.rate) for pcm in heard)
                    pairs.append((ours, demos))
            yield summed_up(way.name, loss, pairs)


def _to_browser(tool: Demo, voices: Sequence[voice.Signal], patterns: int) -> Iterator[Row]:
    """The gateway encodes; the browser's part is the demo's decoder for both."""
    rate = PCMU.sound_rate
    for loss in LOSSES:
        pairs = list[tuple[Verdict, Verdict]]()
        for number, signal in enumerate(voices):
            clean = voice.at_rate(signal, rate)
            said = voice.as_pcm(clean)
            ours = routes.to_browser(said, PCMU, expected_loss=loss)
            demos = tool.encode(
                routes.coded(said, PCMU),
                rate=rate,
                bitrate=TRUNK_BITRATE,
                complexity=TRUNK_COMPLEXITY,
                loss_percent=loss,
            )
            length = min(len(ours), len(demos))
            for lost in _patterns(length, loss, number, patterns):
                heard = (tool.decode(packets[:length], lost, rate=rate) for packets in (ours, demos))
                one, two = (judge(clean, voice.as_signal(pcm), rate) for pcm in heard)
                pairs.append((one, two))
        yield summed_up("trunk, PCMU, to browser", loss, pairs)


def _patterns(count: int, loss: int, number: int, patterns: int) -> Iterator[Sequence[bool]]:
    """Patterns of loss; one will do where nothing is lost."""
    for seed in range(patterns if loss else 1):
        yield routes.losses(count, loss / 100.0, 1000 * number + seed)
