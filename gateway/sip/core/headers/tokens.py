"""Lexical pieces that header fields share: tokens, quoted strings, comma lists (RFC 3261 section 25.1).

All of it is linear in the length of its input and never backtracks.
"""

import re
from collections.abc import Iterator
from typing import Final

_TOKEN: Final = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def is_token(text: str) -> bool:
    """Whether the text is a `token` (method, parameter name, tag ...)."""
    return _TOKEN.fullmatch(text) is not None


def split_outside_quotes(text: str, separator: str, *, is_bracket_aware: bool = False) -> Iterator[str]:
    """Split at a one-character separator, but not inside a quoted string nor (if asked) between < and >.

    An unterminated quote or bracket runs to the end of the text; whoever parses the piece refuses it.
    """
    if '"' not in text and not is_bracket_aware:
        yield from text.split(separator)
        return
    start = 0
    is_quoted = is_bracketed = is_escaped = False
    for position, char in enumerate(text):
        if is_escaped:
            is_escaped = False
        elif is_quoted:
            is_escaped = char == "\\"
            is_quoted = char != '"'
        elif is_bracketed:
            is_bracketed = char != ">"
        elif char == '"':
            is_quoted = True
        elif char == "<" and is_bracket_aware:
            is_bracketed = True
        elif char == separator:
            yield text[start:position]
            start = position + 1
    yield text[start:]


def split_list(value: str) -> list[str]:
    """The elements of a comma list, without the white space around them and without empty ones."""
    if "," not in value:
        stripped = value.strip()
        return [stripped] if stripped else []
    pieces = (piece.strip() for piece in split_outside_quotes(value, ",", is_bracket_aware=True))
    return [piece for piece in pieces if piece]


def quote(text: str) -> str:
    """A quoted-string with that content. Control characters are dropped: no display name needs them."""
    return '"' + _CONTROL.sub("", text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def unquote(text: str) -> str:
    """The content of a quoted-string without its escapes; other text comes back as it is."""
    if len(text) < 2 or text[0] != '"' or text[-1] != '"':
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def end_of_quoted(text: str) -> int:
    """The index behind the quoted-string that the text starts with; 0 when it is not terminated."""
    position = 1
    while position < len(text):
        if text[position] == "\\":
            position += 2
            continue
        if text[position] == '"':
            return position + 1
        position += 1
    return 0


def printable(text: str) -> str:
    """The text without control characters (a quoted-pair may carry them)."""
    return _CONTROL.sub("", text)
