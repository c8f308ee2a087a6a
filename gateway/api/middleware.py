"""Asks for a key, and turns whatever a handler raises into the API's reply.

Nothing of an unexpected exception reaches the client.
"""

from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from gateway.accounts.errors import InvalidDocument, TooManyConnections, TooManyOfTag, UnknownReference
from gateway.api.errors import (
    ApiError,
    ApiErrors,
    ApiKeyRevoked,
    AuthenticationFailed,
    BadRequest,
    DuplicateResource,
    MethodNotAllowed,
    MissingReference,
    NotAuthorized,
    ResourceInUse,
    ResourceNotFound,
    TooLarge,
    TooManyRequests,
    Unavailable,
    UnexpectedError,
    Unprocessable,
    error_response,
)
from gateway.api.guard import GRANTED, WRITE, Guard
from gateway.api.rest.body import in_telnyx_words
from gateway.auth.errors import Busy, KeyRevoked, ShutOut
from gateway.observability.logging import get_logger
from gateway.store.errors import Duplicate, InUse, NotFound, StoreUnavailable


def telnyx_errors(guard: Guard, *, on_write: Callable[[], None] = lambda: None) -> Middleware:
    """A middleware for the paths that `guard` protects: it asks for a key first, then answers errors in Telnyx' form.

    Other paths go through untouched. The order of checks is Telnyx': authentication, path, then the rest.

    Args:
        on_write: told behind every request that may have changed something.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not guard.is_api(request.path):
            return await handler(request)
        try:
            if guard.protects(request.path):
                await _authorise(guard, request)
            return await handler(request)
        except web.HTTPRedirection:
            raise
        except Exception as error:  # our API's edge: whatever it is, the client gets a reply it can read
            answer = _as_api_error(error, request)
            return error_response(*(answer.errors if isinstance(answer, ApiErrors) else [answer]))
        finally:
            if guard.needed_scope(request.method, request.path) == WRITE:
                on_write()

    return middleware


async def _authorise(guard: Guard, request: web.Request) -> None:
    try:
        grant = await guard.grant(request.headers.get("Authorization"), request.remote or "unknown")
    except KeyRevoked as error:
        raise ApiKeyRevoked("this API key was revoked") from error
    except ShutOut as error:
        raise TooManyRequests("too many wrong API keys came from this address", wait=error.wait) from error
    if grant is None:
        raise AuthenticationFailed("send a valid API key as `Authorization: Bearer KEY`")
    if (needed := guard.needed_scope(request.method, request.path)) not in grant.scope:
        raise NotAuthorized(f"this key has no scope `{needed}`")
    request[GRANTED] = grant


def _as_api_error(error: Exception, request: web.Request) -> ApiError | ApiErrors:
    if isinstance(error, ApiError | ApiErrors):
        return error
    if isinstance(error, web.HTTPException):
        return _of_http(error, request)
    if isinstance(error, ConnectionError):
        return BadRequest("the request ended before its body did")  # which nobody will read
    if (known := _of_refusal(error)) is not None:
        return known
    if isinstance(error, StoreUnavailable):
        get_logger().error("request_failed", method=request.method, error_code=error.code, detail=str(error))
        return Unavailable("the database did not answer; try again")
    get_logger().error("request_failed", method=request.method, path=request.path, exc_info=error)
    return UnexpectedError("the gateway failed; its log has the details")


def _of_http(error: web.HTTPException, request: web.Request) -> ApiError:
    """What aiohttp itself refuses."""
    match error:
        case web.HTTPNotFound():
            return ResourceNotFound(f"nothing answers at {request.path}")
        case web.HTTPMethodNotAllowed():
            return MethodNotAllowed(error.method, error.allowed_methods)
        case web.HTTPRequestEntityTooLarge():
            return TooLarge("the body is larger than `http.max_body_size`")
        case _:
            return BadRequest(error.text or error.reason)


def _of_refusal(error: Exception) -> ApiError | ApiErrors | None:
    """What provisioning and the store refuse."""
    match error:
        case NotFound():
            return ResourceNotFound(str(error))
        case Duplicate():
            return DuplicateResource(f"that {error.field} is taken already", pointer=f"/{error.field}")
        case InUse():
            return ResourceInUse(str(error))
        case InvalidDocument():
            return ApiErrors(in_telnyx_words(error.details))
        case TooManyOfTag():
            return Unprocessable(str(error), pointer="/tag")
        case TooManyConnections():
            return Unprocessable(str(error))
        case Busy():
            return TooManyRequests("too many passwords are being hashed; try again")
        case UnknownReference():
            return MissingReference(str(error), pointer=f"/{error.field}")
        case _:
            return None
