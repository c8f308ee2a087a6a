"""aiohttp's routes of the operations, below `/v2` and bare: an SDK whose base URL lacks `/v2` sends bare paths."""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final

from aiohttp import web
from pydantic import BaseModel

from gateway.api.rest.body import parse_json, read_octets, validated
from gateway.api.rest.listing import Listing, read_listing
from gateway.api.rest.operation import Answer, Call, Operation, Rows, Shape

PREFIXES: Final = ("/v2", "")


def routes(operations: Iterable[Operation]) -> list[web.RouteDef]:
    """For `app.add_routes`, with the middleware `middleware.telnyx_errors`."""
    return [
        web.route(operation.method, prefix + operation.path, _handler(operation))
        for operation in operations
        for prefix in PREFIXES
    ]


def _handler(operation: Operation) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def handle(request: web.Request) -> web.StreamResponse:
        rules = operation.rules
        listing = Listing() if rules is None else read_listing(list(request.query.items()), rules)
        path = dict(request.match_info)
        parsed = {} if operation.body is None else parse_json(await read_octets(request))
        if operation.must_exist is not None:
            await operation.must_exist(path)
        body = None if operation.body is None else validated(parsed, operation.body)
        call = Call(path=path, body=body, listing=listing, http=request)
        return to_response(operation, listing, await operation.handler(call))

    return handle


def to_response(operation: Operation, listing: Listing, answer: Answer) -> web.StreamResponse:
    """Wrap what a handler returned in the shape of its operation."""
    match operation.shape, answer:
        case Shape.DATA, BaseModel():
            return _json({"data": _plain(operation, answer)}, operation.status)
        case Shape.BARE, BaseModel():
            return _json(_plain(operation, answer), operation.status)
        case Shape.BARE, [*models]:
            return _json([_plain(operation, model) for model in models], operation.status)
        case Shape.PAGE, Rows():
            rows = [_plain(operation, row) for row in answer.rows]
            meta = _meta(operation, listing, answer)
            doubled = {} if answer.doubled_meta is None else {answer.doubled_meta: meta}
            return _json({"data": rows, "meta": meta, **doubled}, operation.status)
        case Shape.TEXT, str():
            return web.Response(text=answer, status=operation.status)
        case Shape.NOTHING, None:
            return web.Response(status=operation.status)
        case Shape.RESPONSE, web.StreamResponse():
            return answer
    raise AssertionError(f"{operation.name} answers {type(answer).__name__} in the shape {operation.shape.value}")


def _meta(operation: Operation, listing: Listing, page: Rows) -> dict[str, object]:
    if operation.rules is None or not operation.rules.is_paged:
        return dict(page.extra)
    return {
        "page_number": listing.number,
        "page_size": listing.size,
        "total_pages": listing.total_pages(page.total),
        "total_results": page.total,
        **page.extra,
    }


def _plain(operation: Operation, model: object) -> object:
    assert operation.answer is not None
    assert isinstance(model, operation.answer), f"{operation.name} answers {type(model).__name__}"
    return model.model_dump(mode="json", by_alias=True)


def _json(value: object, status: int) -> web.Response:
    return web.json_response(value, status=status, dumps=_dumps)


def _dumps(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def resources(operations: Sequence[Operation]) -> frozenset[str]:
    """The first path segments: what the guard protects below the root."""
    return frozenset(operation.resource for operation in operations)


def public_paths(operations: Sequence[Operation]) -> frozenset[str]:
    """Paths that need no key."""
    return frozenset(prefix + one.path for one in operations if one.is_public for prefix in PREFIXES)
