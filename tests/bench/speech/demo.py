"""libopus' own demo: encoder and decoder, compiled from the very source that the packet path is built with."""

import json
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_ROOT: Final = Path(__file__).parents[3]
_CRATE: Final = _ROOT / "gateway/media/native/Cargo.toml"
_BUILT: Final = _ROOT / "gateway/media/native/target/opus_demo"
_BINDINGS: Final = "opusic-sys"
"""The crate that has libopus' source in it."""
_HEAD: Final = struct.Struct(">II")
"""Before each packet of a file: its bytes, and the state of the range coder (0: not to be compared)."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The program, a folder for its files, and libopus' version."""

    program: Path
    folder: Path
    version: str

    def encode(self, pcm: bytes, *, rate: int, bitrate: int, complexity: int, loss_percent: int) -> list[bytes]:
        """Packets of 20 ms of a voice, with in-band FEC for a loss that the receiver has told of."""
        settings = ("-inbandfec", "-loss", str(loss_percent), "-framesize", "20", "-complexity", str(complexity))
        coded = self._run(pcm, "-e", "voip", str(rate), "1", str(bitrate), *settings)
        packets, at = list[bytes](), 0
        while at < len(coded):
            size, _ = _HEAD.unpack_from(coded, at)
            at += _HEAD.size + size
            packets.append(coded[at - size : at])
        return packets

    def decode(self, packets: Sequence[bytes], lost: Sequence[bool], *, rate: int) -> bytes:
        """What is heard of the packets that are not lost, with what the demo makes up for the others."""
        losses = self.folder / "losses"
        losses.write_text("\n".join(str(int(is_lost)) for is_lost in lost), encoding="ascii")
        coded = b"".join(_HEAD.pack(len(packet), 0) + packet for packet in packets)
        return self._run(coded, "-d", str(rate), "1", "-lossfile", str(losses))

    def _run(self, data: bytes, *options: str) -> bytes:
        source, sink = self.folder / "in", self.folder / "out"
        source.write_bytes(data)
        subprocess.run([str(self.program), *options, str(source), str(sink)], check=True, capture_output=True)
        return sink.read_bytes()


def build(folder: Path) -> Demo:
    """Compile it, where it is not there yet; its files will be in `folder`.

    Raises:
        subprocess.CalledProcessError: it does not compile; the compiler has said why.
    """
    script = _ROOT / "scripts/rust.sh"
    subprocess.run([script], check=True)
    command = f'PATH="$({script} --path)$PATH" exec cargo metadata --locked --format-version 1 --manifest-path {_CRATE}'
    known = subprocess.run(["sh", "-c", command], check=True, stdout=subprocess.PIPE)
    packages = json.loads(known.stdout)["packages"]
    source = next(Path(one["manifest_path"]).parent / "opus" for one in packages if one["name"] == _BINDINGS)
    options = ["-DOPUS_BUILD_PROGRAMS=ON", "-DCMAKE_BUILD_TYPE=Release"]
    for step in (
        ["-S", str(source), "-B", str(_BUILT), *options],
        ["--build", str(_BUILT), "--target", "opus_demo"],
    ):
        subprocess.run(["cmake", *step], check=True, stdout=subprocess.DEVNULL)
    version = (source / "package_version").read_text(encoding="ascii").partition('"')[2].strip().rstrip('"')
    return Demo(_BUILT / "opus_demo", folder, version)
