"""Careful reading of one JSON object: wrong types and odd characters become `BadParams`, never an exception."""

import json
import re
from typing import Final

from gateway.domain.ids import Sdp, VertoCallId
from gateway.vsp.core.errors import BadParams
from gateway.vsp.core.jsonrpc import Json

MAX_TEXT: Final = 256
MAX_SDP: Final = 128 * 1024
MAX_HEADERS: Final = 100
MAX_HEADER_VALUE: Final = 1024

_CALL_ID: Final = re.compile(r"[\x21-\x7e]{1,128}")
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_UNSAFE_IN_SDP: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_TOKEN: Final = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,64}")  # RFC 3261 section 25.1

_MISSING: Final = object()


class Fields:
    """The members of one JSON object. Several names are spellings of one field; the first that is present counts."""

    def __init__(self, values: object, *, rpc_code: int) -> None:
        self._values: Json = values if isinstance(values, dict) else {}
        self._rpc_code = rpc_code

    @property
    def raw(self) -> Json:
        """The object itself, for a reader of another module."""
        return self._values

    def section(self, name: str) -> "Fields":
        """An object inside this one; anything else (Android sends an empty array) counts as an empty one."""
        return Fields(self._values.get(name), rpc_code=self._rpc_code)

    def refuse(self, message: str) -> BadParams:
        """The exception to raise."""
        return BadParams(message, rpc_code=self._rpc_code)

    def is_present(self, name: str) -> bool:
        """Whether the member exists and is not null (Flutter sends explicit nulls)."""
        return self._values.get(name) is not None

    def text(self, *names: str, limit: int = MAX_TEXT) -> str | None:
        """One line of text, or None when it is absent or null. A number counts as its digits."""
        value = self._first(names)
        if value is _MISSING:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.refuse(f"{names[0]} must be a string")
        if len(value) > limit:
            raise self.refuse(f"{names[0]} is longer than {limit} characters")
        if _UNSAFE.search(value):
            raise self.refuse(f"{names[0]} holds control characters")
        return value

    def text_if_usable(self, *names: str, limit: int = MAX_TEXT) -> str | None:
        """Like `text`, but what cannot be used counts as absent: for fields that must not stop a message."""
        try:
            return self.text(*names, limit=limit)
        except BadParams:
            return None

    def flag(self, *names: str) -> bool:
        """A boolean; the mobile SDKs also write it as the text "true"."""
        return self._first(names) in (True, "true")

    def integer(self, name: str) -> int | None:
        """An integer, also as digits in a text; None for anything else."""
        value = self._values.get(name)
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**31 else None

    def texts(self, name: str, *, most: int) -> tuple[str, ...]:
        """A list of texts, or a single one."""
        value = self._values.get(name)
        items = value if isinstance(value, list) else [] if value is None else [value]
        if len(items) > most or not all(isinstance(item, str) and len(item) <= MAX_TEXT for item in items):
            raise self.refuse(f"{name} must be a list of at most {most} short strings")
        return tuple(items)

    def json(self, name: str, *, limit: int) -> object:
        """Any JSON, or None when it is absent.

        Raises:
            BadParams: it has more than `limit` characters.
        """
        value = self._values.get(name)
        if len(json.dumps(value)) > limit:
            raise self.refuse(f"{name} is longer than {limit} characters")
        return value

    def body(self, name: str, *, limit: int) -> str | None:
        """A text of any number of lines, or None when it is absent or no text.

        Raises:
            BadParams: it has more than `limit` characters.
        """
        value = self._values.get(name)
        if isinstance(value, str) and len(value) > limit:
            raise self.refuse(f"{name} is longer than {limit} characters")
        return value if isinstance(value, str) else None

    def call_id(self) -> VertoCallId | None:
        """`callID`, which Android, Flutter and React Native also spell `callId` (verto-mobile 3.1)."""
        value = self._first(("callID", "callId"))
        if value is _MISSING:
            return None
        if not isinstance(value, str) or not _CALL_ID.fullmatch(value):
            raise self.refuse("callID must be 1 to 128 printable characters")
        return VertoCallId(value)

    def sdp(self) -> Sdp:
        """The session description, which must be there; its grammar is checked by the media engine."""
        value = self._values.get("sdp")
        if not isinstance(value, str) or not value.strip():
            raise self.refuse("sdp is missing")
        if len(value) > MAX_SDP or _UNSAFE_IN_SDP.search(value):
            raise self.refuse("sdp is too long or holds control characters")
        return Sdp(value)

    def headers(self, *, is_strict: bool) -> tuple[tuple[str, str], ...]:
        """`custom_headers`: a list of `{name, value}`.

        Args:
            is_strict: refuse a header that cannot be sent on; otherwise leave it out, where a message that must
                get through (an answer, a bye) carries it.
        """
        value = self._first(("custom_headers", "customHeaders"))
        items = value if isinstance(value, list) else []
        if len(items) > MAX_HEADERS:
            raise self.refuse(f"more than {MAX_HEADERS} custom headers")
        found = []
        for item in items:
            header = self._header(item)
            if header is not None:
                found.append(header)
            elif is_strict:
                raise self.refuse("a custom header needs a name (a SIP token) and a value (one line of text)")
        return tuple(found)

    def _header(self, item: object) -> tuple[str, str] | None:
        name, value = (item.get("name"), item.get("value")) if isinstance(item, dict) else (None, None)
        if isinstance(value, bool | int | float):
            value = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(name, str) or not isinstance(value, str):
            return None
        is_sendable = _TOKEN.fullmatch(name) and len(value) <= MAX_HEADER_VALUE and not _UNSAFE.search(value)
        return (name, value) if is_sendable else None

    def scalars(self, *, most: int) -> tuple[tuple[str, str], ...]:
        """The members that are texts, numbers or booleans, as texts; longer ones and those past `most` are left out."""
        found = (
            (key, str(value).lower() if isinstance(value, bool) else str(value))
            for key, value in self._values.items()
            if isinstance(value, str | int | float) and len(key) <= MAX_TEXT
        )
        return tuple([pair for pair in found if len(pair[1]) <= 4 * MAX_TEXT][:most])

    def _first(self, names: tuple[str, ...]) -> object:
        values = (self._values.get(name) for name in names)
        return next((value for value in values if value is not None), _MISSING)
