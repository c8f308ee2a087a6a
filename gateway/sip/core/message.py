"""SIP messages: bytes to `Request` or `Response` and back (RFC 3261 sections 7, 8.2.6, 18.3, 25).

The strict guard that everything from the network passes. Of the library `sipmessage` the table of compact forms
and the grammar of CSeq are used; its message parser is not, because it neither unfolds lines nor checks ranges,
raises KeyError for what is missing, and rewrites what it prints. Header values are kept as they came, so that a
Via, From or Record-Route is echoed exactly.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.fields import Headers
from gateway.sip.core.headers.name_addr import NameAddr
from gateway.sip.core.headers.tokens import is_token
from gateway.sip.core.headers.uri import check_uri
from gateway.sip.core.headers.via import Via
from gateway.sip.core.methods import METHODS
from gateway.sip.core.reasons import reason_phrase

__all__ = ["MAX_HEADER_LINES", "Headers", "Request", "Response", "parse", "response_to", "salvage", "serialize"]

MAX_HEADER_LINES: Final = 256
"""More header lines than any honest message has; 400 beyond."""

_VERSION: Final = re.compile(r"SIP/[0-9]+\.[0-9]+", re.IGNORECASE)
_STATUS: Final = re.compile(r"[1-6][0-9]{2}")
_FOLD: Final = re.compile(rb"\r\n[ \t]+")
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
_LINE_BREAK: Final = re.compile(r"[\r\n]")

_NEEDED: Final = ("Via", "From", "To", "Call-ID", "CSeq")
_SINGLE: Final = ("From", "To", "Call-ID", "CSeq", "Max-Forwards", "Content-Length", "Content-Type")


class _TypedFields:
    """What both kinds share. The views parse again at each call and raise SipParseError if we built rubbish."""

    __slots__ = ()
    headers: Headers

    @property
    def call_id(self) -> str:
        return self._need("Call-ID")

    @property
    def cseq(self) -> CSeq:
        return CSeq.parse(self._need("CSeq"))

    @property
    def from_(self) -> NameAddr:
        return NameAddr.parse(self._need("From"))

    @property
    def to(self) -> NameAddr:
        return NameAddr.parse(self._need("To"))

    @property
    def top_via(self) -> Via:
        vias = self.headers.get_all("Via")
        if not vias:
            raise SipParseError("no Via")
        return Via.parse(vias[0])

    @property
    def content_type(self) -> str:
        """The media type without parameters, lower case; empty when there is no Content-Type."""
        return (self.headers.get("Content-Type") or "").partition(";")[0].strip().lower()

    def _need(self, name: str) -> str:
        """Of a field that is no list."""
        found = self.headers.get(name)
        if found is None:
            raise SipParseError(f"no {name}")
        return found


@dataclass(slots=True)
class Request(_TypedFields):
    """A request. From `parse`, its Via, From, To, Call-ID and CSeq are there and well-formed.

    Attributes:
        size: bytes that came of it, with what was behind it in a datagram; 0 for one of ours.
    """

    method: str
    uri: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    size: int = field(default=0, compare=False)


@dataclass(slots=True)
class Response(_TypedFields):
    """A response, as well-formed as a `Request`. `status` is 100-699."""

    status: int
    reason: str
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""

    @property
    def cseq_method(self) -> str:
        """The method of the request that this answers."""
        return self.cseq.method

    @property
    def is_provisional(self) -> bool:
        return self.status < 200

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class BrokenMessage(SipParseError):
    """Bytes that are no SIP message.

    Attributes:
        salvaged: the request as far as it could be read, good enough for `response_to`; None when it was not
            a request or cannot be answered (no usable Via, RFC 3261 section 18.2.2).
        is_via_unusable: the top Via is missing or broken: nobody can be told.
    """

    def __init__(
        self, message: str, *, status: int = 400, salvaged: Request | None = None, is_via_unusable: bool = False
    ) -> None:
        super().__init__(message, status=status)
        self.salvaged, self.is_via_unusable = salvaged, is_via_unusable


def parse(data: bytes) -> Request | Response:
    """Parse one whole message: a datagram, or what the framing cut out of a stream.

    Line breaks before the start line are skipped (RFC 3261 section 7.5), folded lines joined by one space, what
    follows Content-Length ignored (section 18.3). Lines that are no UTF-8 are read as Latin-1: old exchanges send
    such display names, and nothing behind the parser must meet undecodable text.

    Raises:
        BrokenMessage: and nothing else, whatever the bytes; with the response to suggest and, when it can be
            answered, the request as far as it could be read.
    """
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = data.find(b"\r\n\r\n", start)
    if end < 0:
        raise salvage(data, SipParseError("no empty line behind the header fields"))
    lines, error = _split_lines(data[start:end])
    headers = Headers()
    error = _read_headers(lines[1:], headers) or error
    body = data[end + 4 :]
    try:
        message = _start_line(lines[0], headers, body)
    except SipParseError as exc:
        raise _broken(exc, lines[0], headers, len(data)) from exc
    try:
        if error is not None:
            raise error
        _check(message)
        message.body = _cut_body(headers, body)
    except SipParseError as exc:
        raise _broken(exc, lines[0], headers, len(data)) from exc
    if isinstance(message, Request):
        message.size = len(data)
    return message


def salvage(head: bytes, error: SipParseError) -> BrokenMessage:
    """The error with the request that `head` begins, when enough of it is there to be answered.

    For messages that the framing refused before they were complete: `head` may end anywhere.
    """
    lines, _ = _split_lines(head.lstrip(b"\r\n").partition(b"\r\n\r\n")[0])
    headers = Headers()
    _read_headers(lines[1:], headers)
    return _broken(error, lines[0], headers, len(head))


def serialize(message: Request | Response) -> bytes:
    """The bytes of a message; Content-Length is set to what the body has, as the last header field.

    Raises:
        ValueError: a line break in the start line (injection), or a method that is no token.
    """
    if isinstance(message, Request):
        if not is_token(message.method) or " " in message.uri:
            raise ValueError(f"not a request line: {message.method[:40]!r} {message.uri[:80]!r}")
        start = f"{message.method} {message.uri} SIP/2.0"
    else:
        if not 100 <= message.status <= 699:
            raise ValueError(f"not a status: {message.status}")
        start = f"SIP/2.0 {message.status} {message.reason}"
    if _LINE_BREAK.search(start):
        raise ValueError("line break in the start line")
    lines = [start]
    lines += [f"{name}: {value}" for name, value in message.headers.items() if name.lower() != "content-length"]
    lines.append(f"Content-Length: {len(message.body)}\r\n\r\n")
    return "\r\n".join(lines).encode() + message.body


def response_to(
    request: Request,
    status: int,
    reason: str | None = None,
    *,
    to_tag: str | None = None,
    headers: Iterable[tuple[str, str]] = (),
    body: bytes = b"",
    content_type: str | None = None,
) -> Response:
    """A response with what RFC 3261 section 8.2.6.2 copies from the request, raw.

    Args:
        reason: the reason phrase, the RFC's for that status by default.
        to_tag: put behind To unless that has a tag or the status is 100.
        headers: more header fields, behind the copied ones.
        content_type: of the body.
    Record-Route is copied into 101-299 (section 12.1.1), Timestamp into 100 (section 8.2.6.1).
    """
    copied = Headers()
    for name, value in request.headers.items():
        key = name.lower()
        if key == "to" and to_tag and status != 100 and not _has_tag(value):
            value = f"{value};tag={to_tag}"
        is_copied = key in ("via", "from", "to", "call-id", "cseq")
        if is_copied or (key == "record-route" and 100 < status < 300) or (key == "timestamp" and status == 100):
            copied.add(name, value)
    for name, value in headers:
        copied.add(name, value)
    if content_type is not None:
        copied.set("Content-Type", content_type)
    return Response(status, reason_phrase(status) if reason is None else reason, copied, body)


def _has_tag(value: str) -> bool:
    try:
        return NameAddr.parse(value).tag is not None
    except SipParseError:
        # A broken To is echoed in its 400 as it is.
        return True


def _split_lines(head: bytes) -> tuple[list[str], SipParseError | None]:
    breaks = head.count(b"\r\n")
    is_bare = head.count(b"\r") != breaks or head.count(b"\n") != breaks
    error = SipParseError("bare CR or LF in the header fields") if is_bare else None
    return [_decode(line) for line in _FOLD.sub(b" ", head).split(b"\r\n")], error


def _decode(line: bytes) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        return line.decode("latin-1")


def _read_headers(lines: list[str], headers: Headers) -> SipParseError | None:
    """Fill in what can be read and return the first error instead of raising: a 400 needs the other lines."""
    error: SipParseError | None = None
    if len(lines) > MAX_HEADER_LINES:
        error = SipParseError(f"more than {MAX_HEADER_LINES} header lines")
    for line in lines[:MAX_HEADER_LINES]:
        name, colon, value = line.partition(":")
        try:
            if not colon:
                raise ValueError(f"no colon in header line {line[:40]!r}")
            headers.add(name.rstrip(" \t"), value)
        except ValueError as exc:
            error = error or SipParseError(str(exc))
    return error


def _start_line(line: str, headers: Headers, body: bytes) -> Request | Response:
    first, _, rest = line.partition(" ")
    if _VERSION.fullmatch(first):
        status, _, reason = rest.partition(" ")
        _check_version(first)
        if not _STATUS.fullmatch(status):
            raise SipParseError(f"not a status: {status[:20]!r}")
        return Response(int(status), reason, headers, body)
    uri, _, version = rest.rpartition(" ")
    if not is_token(first) or not _VERSION.fullmatch(version):
        raise SipParseError(f"not a request line: {line[:80]!r}")
    _check_version(version)
    check_uri(uri)
    return Request(first, uri, headers, body)


def _check_version(version: str) -> None:
    if version.upper() != "SIP/2.0":
        raise SipParseError(f"version {version[:20]!r}", status=505)


def _check(message: Request | Response) -> None:
    headers = message.headers
    for name in _NEEDED:
        if not headers.get(name):
            raise SipParseError(f"no {name}")
    for name in _SINGLE:
        if headers.count(name) > 1:
            raise SipParseError(f"{name} appears more than once")
    for via in headers.get_all("Via"):
        Via.parse(via)
    _ = message.from_, message.to
    cseq = message.cseq
    if isinstance(message, Request) and cseq.method != message.method:
        # RFC 4475 section 3.1.2.18: whoever does not know the method says so rather than that CSeq is wrong.
        status = 400 if message.method in METHODS else 501
        raise SipParseError(f"CSeq is of {cseq.method!r}, the request is {message.method!r}", status=status)
    max_forwards = headers.get("Max-Forwards")
    if max_forwards is not None and (not _NUMBER.fullmatch(max_forwards) or int(max_forwards) > 255):
        raise SipParseError(f"Max-Forwards is not 0-255: {max_forwards[:20]!r}")


def _cut_body(headers: Headers, body: bytes) -> bytes:
    length = headers.get("Content-Length")
    if length is None:
        return body
    if not _NUMBER.fullmatch(length):
        raise SipParseError(f"Content-Length is no length: {length[:20]!r}")
    if int(length) > len(body):
        raise SipParseError(f"Content-Length {int(length)} is more than the {len(body)} bytes that came")
    return body[: int(length)]


def _mend_vias(headers: Headers) -> bool:
    """Leave what an answer needs of the Vias; False when not even the first says where it came from.

    RFC 4475 section 3.1.2.1 wants a 400 for a Via with empty parameters, too.
    """
    first, *others = [*headers.get_all("Via"), ""]
    try:
        Via.parse(first)
    except SipParseError:
        mended = Via.mend(first)
        if mended is None:
            return False
        headers.set("Via", ", ".join([str(mended), *(via for via in others if _is_via(via))]))
    return True


def _is_via(text: str) -> bool:
    try:
        Via.parse(text)
    except SipParseError:
        return False
    return True


def _broken(error: SipParseError, start_line: str, headers: Headers, size: int) -> BrokenMessage:
    """The same error with what is needed to answer it, when that is there."""
    method = start_line.partition(" ")[0]
    if not _mend_vias(headers):
        return BrokenMessage(str(error), status=error.status, is_via_unusable=True)
    salvaged = Request(method, "", headers, size=size) if is_token(method) else None
    return BrokenMessage(str(error), status=error.status, salvaged=salvaged)
