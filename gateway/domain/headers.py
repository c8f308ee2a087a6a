"""Custom header fields: which may cross from one side of a call to the other, and which never do."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Crossing = tuple[tuple[str, str], ...]
"""Names and values that may cross, in order."""

MAX_HEADERS: Final = 50
"""Custom header fields of one message that cross to the other side; further ones are dropped."""

RESERVED: Final = frozenset(
    # What makes the message, its way and its dialog (RFC 3261 section 20; 3262, 3311, 3326, 3327, 3515, 3608, 3891)
    {
        "via",
        "from",
        "to",
        "call-id",
        "cseq",
        "contact",
        "max-forwards",
        "route",
        "record-route",
        "path",
        "service-route",
    }
    | {"allow", "allow-events", "supported", "unsupported", "require", "proxy-require", "event", "subscription-state"}
    | {"expires", "min-expires", "session-expires", "min-se", "rack", "rseq", "reason", "retry-after", "warning"}
    | {"refer-to", "referred-by", "refer-sub", "replaces", "join", "target-dialog", "in-reply-to", "timestamp", "date"}
    | {
        "user-agent",
        "server",
        "mime-version",
        "accept",
        "accept-encoding",
        "accept-language",
        "alert-info",
        "call-info",
    }
    | {"content-length", "content-type", "content-encoding", "content-disposition", "content-language", "content-id"}
    # Who somebody is (RFC 3323, 3325, 5806, 7044, 8224), and whether he is it (section 22)
    | {"p-asserted-identity", "p-preferred-identity", "remote-party-id", "privacy", "diversion", "history-info"}
    | {"identity", "identity-info", "p-asserted-service", "p-charging-vector", "p-charging-function-addresses"}
    | {"authorization", "proxy-authorization", "www-authenticate", "proxy-authenticate", "authentication-info"}
    | {"security-client", "security-server", "security-verify"}
)
"""Names, in lower case, that are the gateway's to set; the one-letter forms belong to them."""

_PATTERN: Final = re.compile(r"[A-Za-z0-9.!%_+`'~-]{1,64}\*?|\*")
_NAME: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")
_BAD_VALUE: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_MAX_VALUE: Final = 1024


def is_reserved(name: str) -> bool:
    """Whether a header field of that name is the gateway's to set."""
    return len(name) == 1 or name.lower() in RESERVED


def sendable(headers: Iterable[tuple[str, str]]) -> Crossing:
    """Those that a message can carry and that are not reserved: a token, a line of text, `MAX_HEADERS` in all."""
    fit = (
        (name, value)
        for name, value in headers
        if _NAME.fullmatch(name) and not is_reserved(name) and not _BAD_VALUE.search(value) and len(value) <= _MAX_VALUE
    )
    return tuple(header for header, _ in zip(fit, range(MAX_HEADERS), strict=False))


@dataclass(frozen=True, slots=True)
class HeaderList:
    """Names that may cross. `X-*` is every name that begins so; letter case does not count.

    Raises:
        ValueError: a pattern that is none, or a reserved name.
    """

    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            if not _PATTERN.fullmatch(pattern):
                raise ValueError(f"expected a header field name, or its beginning and *, got {pattern[:60]!r}")
            if pattern != "*" and is_reserved(pattern):
                raise ValueError(f"the header field {pattern} is the gateway's own")

    def allows(self, name: str) -> bool:
        """Whether a header field of that name may cross."""
        return not is_reserved(name) and any(_matches(pattern, name.lower()) for pattern in self.patterns)

    def pick(self, headers: Iterable[tuple[str, str]]) -> Crossing:
        """Those that may cross, in order."""
        return sendable((name, value) for name, value in headers if self.allows(name))


def _matches(pattern: str, name: str) -> bool:
    pattern = pattern.lower()
    if not pattern.endswith("*"):
        return name == pattern
    return name.startswith(pattern[:-1]) and len(name) >= len(pattern)


CUSTOM: Final = HeaderList(("X-*", "User-to-User"))
"""What crosses where nothing else is said: what applications put there, and RFC 7433's User-to-User."""
