"""From the octets of a request to a model, or to the errors that Telnyx would answer, each with its pointer.

Source: rest-v2 0.2 (a JSON content type with no body at all is an empty object), 0.5 (codes, order of checks).
"""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Final, TypeVar

from aiohttp import web
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.api.errors import (
    BY_NUMBER,
    ApiError,
    ApiErrors,
    InvalidEnum,
    InvalidJson,
    MissingParameter,
    OutOfRange,
    TooLarge,
    Unprocessable,
)

MAX_BODY: Final = 1024 * 1024
"""Octets of a request body of the API. Its largest resource, a push certificate, has some kilobytes."""

_MAX_DEPTH: Final = 32
_UNSTORABLE: Final = re.compile("[\\x00\\ud800-\\udfff]")
_MAX_ERRORS: Final = 20
_RANGES: Final = frozenset(
    {"greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_long", "too_short"}
)
_ENUMS: Final = frozenset({"enum", "literal_error"})

TELNYX: Final = "telnyx_"
"""What the `type` of a PydanticCustomError starts with when the rest of it is Telnyx' own code: `telnyx_10003`."""

_M = TypeVar("_M", bound=BaseModel)


async def read_octets(request: web.Request) -> bytes:
    """The whole body.

    Raises:
        TooLarge: more than `MAX_BODY` octets.
    """
    if request.content_length is not None and request.content_length > MAX_BODY:
        raise TooLarge(f"a body of the API has at most {MAX_BODY} bytes")
    octets = bytearray()
    async for chunk in request.content.iter_chunked(64 * 1024):
        octets += chunk
        if len(octets) > MAX_BODY:
            raise TooLarge(f"a body of the API has at most {MAX_BODY} bytes")
    return bytes(octets)


def parse_json(octets: bytes) -> object:
    """The JSON value; an empty body is an empty object.

    Raises:
        InvalidJson: it is not JSON, too deep, or has a number that no JSON has.
        ApiErrors: it holds text that no database keeps.
    """
    if not octets.strip():
        return {}
    try:
        value: object = json.loads(octets.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise InvalidJson("the body is not valid JSON in UTF-8") from error
    bad = [Unprocessable(why, pointer=pointer) for pointer, why in _unstorable(value, "", 0)]
    if bad:
        raise ApiErrors(bad[:_MAX_ERRORS])
    return value


def validated(value: object, model: type[_M]) -> _M:
    """That value as that model.

    Raises:
        ApiErrors: what is wrong with it, in Telnyx' words.
    """
    if not isinstance(value, dict):
        raise ApiErrors([Unprocessable("the body is a JSON object", pointer="/")])
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise ApiErrors(in_telnyx_words(error.errors(include_url=False, include_context=True))) from error


def in_telnyx_words(details: Sequence[ErrorDetails]) -> list[ApiError]:
    """Pydantic's findings as Telnyx' errors, what is missing first (the order of checks of rest-v2 0.5)."""
    errors = [_error(detail) for detail in details]
    order = {MissingParameter: 0, Unprocessable: 1, InvalidEnum: 1, OutOfRange: 2}
    unique = {(type(error), error.pointer): error for error in errors}
    return sorted(unique.values(), key=lambda error: order.get(type(error), 3))[:_MAX_ERRORS]


def _error(detail: ErrorDetails) -> ApiError:
    kind, pointer = detail["type"], to_pointer(detail["loc"])
    message = detail["msg"]
    if kind.startswith(TELNYX):
        return BY_NUMBER[kind.removeprefix(TELNYX)](message, pointer=pointer)
    if kind == "missing":
        return MissingParameter(f"{pointer[1:]} is required", pointer=pointer)
    if kind in _ENUMS:
        return InvalidEnum(message, pointer=pointer)
    if kind in _RANGES:
        return OutOfRange(message, pointer=pointer)
    return Unprocessable(message, pointer=pointer)


def to_pointer(location: Sequence[str | int]) -> str:
    """An RFC 6901 pointer."""
    return "/" + "/".join(str(part).replace("~", "~0").replace("/", "~1") for part in location)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not JSON")


def _unstorable(value: object, pointer: str, depth: int) -> Iterator[tuple[str, str]]:
    """Where it holds a NUL (PostgreSQL refuses it), half of a surrogate pair (no encoding has it), or is too deep."""
    if depth > _MAX_DEPTH:
        yield pointer, f"nested deeper than {_MAX_DEPTH} levels"
    elif isinstance(value, str):
        if _UNSTORABLE.search(value):
            yield pointer or "/", "text must not hold NUL or half of a surrogate pair"
    elif isinstance(value, dict):
        for key, member in value.items():
            below = f"{pointer}/{key[:64]}"
            yield from _unstorable(key, pointer, depth + 1)
            yield from _unstorable(member, below, depth + 1)
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}", depth + 1)
