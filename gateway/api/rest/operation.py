"""One operation of the API: what it takes, what it answers, who does it.

The same description routes the request, checks it and documents it, so that the three cannot disagree.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Generic, TypeVar

from aiohttp import web
from pydantic import BaseModel

from gateway.api.rest.listing import Listing, ListRules

BodyT = TypeVar("BodyT", bound=BaseModel | None)


class Shape(Enum):
    """How an answer is wrapped (rest-v2 0.6)."""

    DATA = "data"
    """`{"data": {...}}`."""
    PAGE = "page"
    """`{"data": [...], "meta": {...}}` with the four numbers of a page."""
    BARE = "bare"
    """The value itself, as JSON."""
    TEXT = "text"
    """`text/plain`, nothing around it."""
    NOTHING = "nothing"
    """204, no body."""
    RESPONSE = "response"
    """The handler makes the response itself (a stream, a file)."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one page, and how many there are on all of them.

    Attributes:
        extra: further members of `meta`.
        doubled_meta: a second name that `meta` stands under as well.
    """

    rows: Sequence[BaseModel]
    total: int
    extra: Mapping[str, object] = field(default_factory=dict)
    doubled_meta: str | None = None


Answer = BaseModel | Sequence[BaseModel] | Rows | str | web.StreamResponse | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[BodyT]):
    """A request that has passed the checks of its operation.

    Attributes:
        path: the variable parts of the path, decoded.
        body: the parsed body; None where the operation takes none.
        listing: page, filters and order; of an operation without `rules`: the first page of everything.
        http: the request itself, for the few that need a header or to stream.
    """

    path: Mapping[str, str]
    body: BodyT
    listing: Listing
    http: web.Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method on one path.

    Attributes:
        path: without `/v2`, variable parts in braces: `/telephony_credentials/{id}`.
        name: unique; the `operationId` of the document and the name in logs.
        summary: one line for the document.
        tag: the group it is shown in.
        handler: does it. It is given a `Call` whose body is an instance of `body`.
        body: the model of the request body, None without one.
        rules: what a list may be asked for, None for anything but lists.
        answer: the model of the answer, or of each row; None where `shape` says all.
        status: of a success.
        errors: statuses of errors beyond 401, 403 and 500 that it may answer, for the document.
        parameters: further query parameters and what they are, for the document.
        must_exist: raises `ResourceNotFound` if what the path names is not there, before the body is looked at.
        is_public: needs no key.
        is_many: whether a bare answer is an array.
        media_type: of an answer that the handler makes itself.
        sent_as: the shape of an answer that the handler streams, for the document.
    """

    method: str
    path: str
    name: str
    summary: str
    tag: str
    handler: Callable[[Call[Any]], Awaitable[Answer]]  # Any: `body` says which model, checked where it is read
    body: type[BaseModel] | None = None
    rules: ListRules | None = None
    answer: type[BaseModel] | None = None
    shape: Shape = Shape.DATA
    status: int = 200
    errors: tuple[int, ...] = ()
    parameters: Mapping[str, str] = field(default_factory=dict)
    must_exist: Callable[[Mapping[str, str]], Awaitable[object]] | None = None
    is_public: bool = False
    is_many: bool = False
    media_type: str = "application/json"
    sent_as: Shape | None = None

    @property
    def resource(self) -> str:
        """The first segment of the path: what the guard knows bare paths by."""
        return self.path.split("/")[1]
