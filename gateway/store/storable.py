"""Text that strangers chose, as a column takes it."""

from typing import Final, overload

_REPLACED: Final = {0: "\ufffd"}


@overload
def storable(text: str, length: int) -> str: ...
@overload
def storable(text: str | None, length: int) -> str | None: ...


def storable(text: str | None, length: int) -> str | None:
    """Cut to `length` characters. PostgreSQL takes no NUL, no database half a surrogate pair; JSON may hold both."""
    if text is None:
        return None
    if text.isascii() and len(text) <= length and "\0" not in text:
        return text
    return text[:length].translate(_REPLACED).encode("utf-8", "replace").decode("utf-8")
