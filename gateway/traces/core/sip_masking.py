"""Cuts secrets out of a SIP message. Each octet becomes one `x`, so that Content-Length still holds."""

import re
from typing import Final

_X: Final = b"x"

_CREDENTIALS: Final = re.compile(
    rb"^((?:proxy-)?authorization[ \t]*:[ \t]*)([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)", re.IGNORECASE | re.MULTILINE
)
"""RFC 3261 section 22; with its folded lines. Also within a body: a message/sipfrag holds a message."""

_ANSWER: Final = re.compile(
    rb"(\b(?:response|rspauth)\s*=\s*)(\"(?:[^\"\\\r\n]|\\.)*\"|[^\s,]+)", re.IGNORECASE | re.DOTALL
)
"""The proof of knowing the password (RFC 7616): a password may be guessed by it without asking anybody."""

_PROOF: Final = re.compile(rb"^(?:proxy-)?authentication-info[ \t]*:[^\r\n]*", re.IGNORECASE | re.MULTILINE)

_SDP_SECRET: Final = re.compile(rb"^((?:a=ice-pwd:|a=key-mgmt:|k=)[ \t]*)([^\r\n]+)", re.IGNORECASE | re.MULTILINE)
_SDP_CRYPTO: Final = re.compile(rb"^a=crypto:[^\r\n]*", re.IGNORECASE | re.MULTILINE)
_INLINE: Final = re.compile(rb"(inline:)([^\s;]+)", re.IGNORECASE)
"""RFC 4568 section 6.1: key and salt, lifetime and MKI behind them."""

_URI_PASSWORD: Final = re.compile(rb"(\bsips?:[^\s:@;>\"\[]+:)([^\s@;>\"]+)(?=@)", re.IGNORECASE)
_JWT: Final = re.compile(rb"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}")

_CONTENT_TYPE: Final = re.compile(rb"^(?:content-type|c)[ \t]*:[ \t]*([^\s;]+)", re.IGNORECASE | re.MULTILINE)
_HARMLESS_INFO: Final = frozenset({b"application/media_control+xml", b"application/sdp", b"message/sipfrag"})
"""Bodies of INFO that hold no digits; all others are taken for digits (dtmf-relay, dtmf, the vendors' own)."""

_DURATION: Final = re.compile(rb"^duration[ \t]*=[ \t]*[0-9]+[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_KPML_DIGITS: Final = re.compile(rb"(\bdigits\s*=\s*)(\"[^\"]*\"|'[^']*')", re.IGNORECASE)
"""RFC 4730 section 5.1."""


def masked_sip(data: bytes) -> bytes:
    """The message without proofs of passwords, keys, tokens and digits, of the same length.

    Works on octets, not on a parsed message: what is broken must not keep its secrets either.
    """
    head, gap, body = data.partition(b"\r\n\r\n")
    masked = _CREDENTIALS.sub(_mask_credentials, head) + gap + _mask_body(head, body)
    masked = _PROOF.sub(lambda found: _ANSWER.sub(_mask_second, found[0]), masked)
    return _JWT.sub(_mask_all, _URI_PASSWORD.sub(_mask_second, masked))


def _mask_body(head: bytes, body: bytes) -> bytes:
    found = _CONTENT_TYPE.search(head)
    content_type = b"" if found is None else found[1].lower()
    is_info = head[:5].upper() == b"INFO "
    if b"dtmf" in content_type or b"digits" in content_type or (is_info and content_type not in _HARMLESS_INFO):
        return _mask_digits(body)
    body = _CREDENTIALS.sub(_mask_credentials, body)
    body = _SDP_SECRET.sub(_mask_second, body)
    body = _SDP_CRYPTO.sub(lambda line: _INLINE.sub(_mask_second, line[0]), body)
    return _KPML_DIGITS.sub(_mask_second, body) if b"kpml" in content_type else body


def _mask_digits(body: bytes) -> bytes:
    """`Signal=5`, `d=5` or `5` alone: what stands before an equals sign stays, and a line with a duration."""
    return b"\n".join(line if _DURATION.fullmatch(line) else _mask_value(line) for line in body.split(b"\n"))


def _mask_value(line: bytes) -> bytes:
    name, equals, value = line.partition(b"=")
    text = value if equals else name
    stripped = text.strip()
    masked = text.replace(stripped, _X * len(stripped), 1) if stripped else text
    return name + equals + masked if equals else masked


def _mask_credentials(found: re.Match[bytes]) -> bytes:
    """Of a digest its answer, of any other scheme all."""
    name, value = found[1], found[2]
    scheme, space, rest = value.partition(b" ")
    if scheme.lower() == b"digest":
        return name + scheme + space + _ANSWER.sub(_mask_second, rest)
    return name + scheme + space + _hidden(rest) if space else name + _hidden(value)


def _mask_second(found: re.Match[bytes]) -> bytes:
    return found[1] + _hidden(found[2])


def _mask_all(found: re.Match[bytes]) -> bytes:
    return _hidden(found[0])


def _hidden(secret: bytes) -> bytes:
    """As long as it was; quotes and line ends stay."""
    return re.sub(rb"[^\"\r\n]", _X, secret)
