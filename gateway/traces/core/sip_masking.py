"""Cuts secrets out of a SIP message. Each octet becomes one `x`, so that Content-Length still holds.

What is looked for is looked for in small letters, in a copy of the same length: patterns that ignore case cost five
times as much, and this is done for every message. For the same reason nothing is looked for by a pattern that can only
begin with words which are not there.
"""

import re
from collections.abc import Iterator
from typing import Final

Span = tuple[int, int]
"""Where a secret begins and ends."""

_CREDENTIALS: Final = re.compile(
    rb"^(?:proxy-)?authorization[ \t]*:[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE
)
"""RFC 3261 section 22; with its folded lines. Also within a body: a message/sipfrag holds a message."""

_PROOF: Final = re.compile(rb"^(?:proxy-)?authentication-info[ \t]*:([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.MULTILINE)

_ANSWER: Final = re.compile(rb"\b(?:response|rspauth)\s*=\s*(\"(?:[^\"\\\r\n]|\\.)*\"|[^\s,]+)", re.DOTALL)
"""The proof of knowing the password (RFC 7616): a password may be guessed by it without asking anybody."""

_SDP_SECRET: Final = re.compile(rb"^(?:a=ice-pwd:|a=key-mgmt:|k=)[ \t]*([^\r\n]+)", re.MULTILINE)
_SDP_CRYPTO: Final = re.compile(rb"^a=crypto:([^\r\n]*)", re.MULTILINE)
_SDP_MARKS: Final = (b"a=ice-pwd:", b"a=key-mgmt:", b"k=")
_INLINE: Final = re.compile(rb"inline:([^\s;]+)")
"""RFC 4568 section 6.1: key and salt, lifetime and MKI behind them."""

_URI_PASSWORD: Final = re.compile(rb"sips?:[^\s:@;>\"\[]+:([^\s@;>\"]+)(?=@)")
_JWT: Final = re.compile(rb"\b(eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})")

_GAP: Final = re.compile(rb"\n\r?\n")
"""Behind the last header field, whose own line may end in either way."""

_CONTENT_TYPE: Final = re.compile(rb"\n(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)")
_HARMLESS_INFO: Final = frozenset({b"application/media_control+xml", b"application/sdp", b"message/sipfrag"})
"""Bodies of INFO that hold no digits; all others are taken for digits (dtmf-relay, dtmf, the vendors' own)."""

_DURATION: Final = re.compile(rb"duration[ \t]*=[ \t]*[0-9]+[ \t]*\r?")
_LINE: Final = re.compile(rb"[^\n]+")
_KPML_DIGITS: Final = re.compile(rb"\bdigits\s*=\s*(\"[^\"]*\"|'[^']*')")
"""RFC 4730 section 5.1."""

_KEPT: Final = re.compile(rb"[^\"\r\n]")
"""Quotes and line ends stay."""


def masked_sip(data: bytes) -> bytes:
    """The message without proofs of passwords, keys, tokens and digits, of the same length.

    Works on octets, not on a parsed message: what is broken must not keep its secrets either.
    """
    spans = list(_secrets(data))
    if not spans:
        return data
    masked = bytearray(data)
    for start, end in spans:
        masked[start:end] = _KEPT.sub(b"x", masked[start:end])
    return bytes(masked)


def _secrets(data: bytes) -> Iterator[Span]:
    small = data.lower()
    gap = _GAP.search(small)
    body = 0 if gap is None else gap.end()  # without an end of the head, all of it may be a body
    if b"authorization" in small:
        yield from _credentials(small)
    if b"authentication-info" in small:
        for found in _PROOF.finditer(small):
            yield from _spans(_ANSWER, small, *found.span(1))
    yield from _spans(_URI_PASSWORD, small, 0, len(small))
    if b"eyJ" in data:
        yield from _spans(_JWT, data, 0, len(data))
    yield from _in_body(small, body)


def _credentials(small: bytes) -> Iterator[Span]:
    """Of a digest its answer, of any other scheme all."""
    for found in _CREDENTIALS.finditer(small):
        start, end = found.span(1)
        scheme = found[1].split(None, 1)[0] if found[1].strip() else b""
        if scheme == b"digest":
            yield from _spans(_ANSWER, small, start, end)
        else:
            yield start, end


def _in_body(small: bytes, start: int) -> Iterator[Span]:
    found = _CONTENT_TYPE.search(b"\n" + small[:start])  # so that the first line begins like all others
    content_type = b"" if found is None else found[1]
    is_info = small.startswith(b"info ")
    if b"dtmf" in content_type or b"digits" in content_type or (is_info and content_type not in _HARMLESS_INFO):
        yield from _digits(small, start)
        return
    if any(mark in small for mark in _SDP_MARKS):
        yield from _spans(_SDP_SECRET, small, start, len(small))
    if b"a=crypto:" in small:
        for line in _SDP_CRYPTO.finditer(small, start):
            yield from _spans(_INLINE, small, *line.span(1))
    if b"kpml" in content_type:
        yield from _spans(_KPML_DIGITS, small, start, len(small))


def _digits(small: bytes, start: int) -> Iterator[Span]:
    """`Signal=5`, `d=5` or `5` alone: what stands before an equals sign stays, and a line with a duration."""
    for line in _LINE.finditer(small, start):
        if not _DURATION.fullmatch(line[0]):
            name = line[0].find(b"=") + 1
            yield line.start() + name, line.end()


def _spans(pattern: re.Pattern[bytes], text: bytes, start: int, end: int) -> Iterator[Span]:
    """Where the first group of each find is, in a part of the text."""
    for found in pattern.finditer(text, start, end):
        yield found.span(1)
