"""The speed test in raw text frames (verto-js 6.9): `#SPU n`, n bytes in `#SPB` frames, `#SPE`; then the same back."""

from collections.abc import Iterator
from enum import Enum
from typing import Final

from gateway.vsp.core.jsonrpc import SpeedTestFrame

_PREFIX: Final = "#SPB "
_CHUNK: Final = 1024
DATA_FRAME: Final = _PREFIX + "." * _CHUNK


class State(Enum):
    """Where a test is."""

    IDLE = "idle"
    UPLOADING = "uploading"
    DOWNLOADING = "downloading"


class SpeedTest:
    """One test at a time. Its data frames count against its own size, not against the message rate."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.state = State.IDLE
        self._size, self._received, self._started = 0, 0, 0.0

    def takes(self, text: str) -> bool:
        """Whether this frame is data of the upload that was announced; counts it if so."""
        if self.state is not State.UPLOADING or not text.startswith(_PREFIX):
            return False
        received = self._received + len(text) - len(_PREFIX)
        if received > self._size + _CHUNK:  # the last frame is full
            return False
        self._received = received
        return True

    def receive(self, frame: SpeedTestFrame, now: float) -> tuple[str, int] | None:
        """Take a `#SPU` or `#SPE`. At the end of an upload: the text to answer with, and the bytes to send back."""
        if frame.command == "U" and self.state is not State.DOWNLOADING and 0 < frame.size <= self._max_bytes:
            self.state, self._size, self._received, self._started = State.UPLOADING, frame.size, 0, now
        elif frame.command == "E" and self.state is State.UPLOADING:
            self.state = State.DOWNLOADING
            return f"#SPU {round((now - self._started) * 1000)}", self._size
        return None

    def finish(self) -> None:
        """The download has been sent."""
        self.state = State.IDLE


def download(size: int) -> Iterator[str]:
    """The data frames of a download of at least `size` bytes."""
    return (DATA_FRAME for _ in range(-(-size // _CHUNK)))
