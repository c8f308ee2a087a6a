"""Cuts a byte stream into SIP messages by Content-Length (RFC 3261 section 18.3, RFC 5626 section 3.5.1).

However the stream is cut into pieces, the same frames come out.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.sip.core.errors import SipParseError

_END_OF_HEAD: Final = b"\r\n\r\n"
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_LENGTH: Final = re.compile(rb"\r\n(?:content-length|l)[ \t]*:[ \t]*([^\r\n]*)", re.IGNORECASE)
_DIGITS: Final = re.compile(rb"[0-9]{1,10}")


@dataclass(frozen=True, slots=True)
class MessageFrame:
    """One whole message, for `message.parse`."""

    data: bytes


class Ping(Enum):
    """CRLF CRLF between two messages: the far end wants a CRLF back."""

    PING = "ping"


@dataclass(frozen=True, slots=True)
class Broken:
    """Nothing behind this can be framed: answer if possible, then close. `head` is what there is of the message."""

    error: SipParseError
    head: bytes


Frame = MessageFrame | Ping | Broken


class StreamFramer:
    """Takes what a connection receives, gives back frames. After `Broken` it takes nothing any more."""

    def __init__(self, *, max_message_bytes: int) -> None:
        self._limit = max_message_bytes
        self._buffer = bytearray()
        self._scanned = 0
        self._wanted: int | None = None
        self._line_breaks = 0
        self._is_broken = False

    @property
    def is_mid_message(self) -> bool:
        """Whether the beginning of a message is here and its end is not."""
        return bool(self._buffer) and not self._is_broken

    def receive(self, data: bytes) -> list[Frame]:
        """Take the next piece of the stream; return the frames that it completes, `Broken` as the last."""
        frames: list[Frame] = []
        if self._is_broken:
            return frames
        self._buffer += data
        while (frame := self._next()) is not None:
            frames.append(frame)
            if isinstance(frame, Broken):
                self._is_broken = True
                self._buffer.clear()
                break
        return frames

    def _next(self) -> Frame | None:
        if self._wanted is None and self._skip_line_breaks():
            return Ping.PING
        if not self._buffer:
            return None
        try:
            if self._wanted is None:
                self._wanted = self._find_length()
        except SipParseError as error:
            return Broken(error, bytes(self._buffer))
        if self._wanted is None or len(self._buffer) < self._wanted:
            return None
        data = bytes(self._buffer[: self._wanted])
        del self._buffer[: self._wanted]
        self._scanned, self._wanted = 0, None
        return MessageFrame(data)

    def _skip_line_breaks(self) -> bool:
        """Skip line breaks in front of a message; True for the second one in a row, which makes a ping."""
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
            self._line_breaks += 1
            if self._line_breaks == 2:
                self._line_breaks = 0
                return True
        if self._buffer and self._buffer != b"\r":
            self._line_breaks = 0
        return False

    def _find_length(self) -> int | None:
        """The length of the message at the start of the buffer, None while its header fields are not all here.

        Raises:
            SipParseError: header fields without end, a missing, doubled or broken Content-Length, a message that
                is too long.
        """
        end = self._buffer.find(_END_OF_HEAD, self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - 3)
            if len(self._buffer) > self._limit:
                raise SipParseError(f"header fields longer than {self._limit} bytes", status=513)
            return None
        head = _FOLD.sub(b" ", bytes(self._buffer[:end]))
        lengths: list[bytes] = _LENGTH.findall(head)
        if len(lengths) != 1 or not _DIGITS.fullmatch(lengths[0].strip()):
            # On a stream Content-Length is no option (section 18.3): without it nobody knows where the next begins.
            raise SipParseError(f"expected one Content-Length on a stream, found {len(lengths)} or a broken one")
        total = end + len(_END_OF_HEAD) + int(lengths[0])
        if total > self._limit:
            raise SipParseError(f"message of {total} bytes, the limit is {self._limit}", status=513)
        return total
