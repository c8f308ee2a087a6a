"""Errors of the REST API as Telnyx words them: `{"errors": [{"code", "title", "detail", "source"}]}`.

`ApiError` carries its reply; `middleware.telnyx_errors` is the one place where an exception becomes a response.

Source: the error codes that Telnyx documents for its v2 API.
"""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final

from aiohttp import web

from gateway.domain.errors import GatewayError


class ApiError(GatewayError):
    """A request that is refused; the class says how, the instance with which words.

    Attributes:
        status: the HTTP status.
        number: Telnyx' `code`, digits.
        title: Telnyx' title of that code.
        detail: for people: what is wrong and what would be right.
        pointer: RFC 6901 pointer into the JSON body, if a part of it is at fault.
        parameter: the query parameter, if one is at fault.
    """

    code: ClassVar[str] = "api_error"
    status: ClassVar[int] = 400
    number: ClassVar[str] = "10015"
    title: ClassVar[str] = "Bad Request"

    def __init__(self, detail: str, *, pointer: str | None = None, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.detail, self.pointer, self.parameter = detail, pointer, parameter

    @property
    def headers(self) -> dict[str, str]:
        """Header fields that belong to the reply."""
        return {}

    @property
    def whole_body(self) -> object | None:
        """The reply's `errors` where the service departs from its own envelope, else None."""
        return None


class BadRequest(ApiError):
    """Malformed: paging, a filter, a parameter."""

    code: ClassVar[str] = "bad_request"


class AuthenticationFailed(ApiError):
    """No key, not a bearer key, or an unknown one."""

    code: ClassVar[str] = "authentication_failed"
    status: ClassVar[int] = 401
    number: ClassVar[str] = "10009"
    title: ClassVar[str] = "Authentication failed"

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 15.5.2: a 401 says which scheme is wanted."""
        return {"WWW-Authenticate": "Bearer"}


class ApiKeyRevoked(AuthenticationFailed):
    """A key that was good once."""

    code: ClassVar[str] = "api_key_revoked"
    number: ClassVar[str] = "20002"
    title: ClassVar[str] = "API Key revoked"


class NotAuthorized(ApiError):
    """The key is valid and may not do this."""

    code: ClassVar[str] = "not_authorized"
    status: ClassVar[int] = 403
    number: ClassVar[str] = "10010"
    title: ClassVar[str] = "Authorization failed"


class ResourceNotFound(ApiError):
    """No such path, or no resource of that id."""

    code: ClassVar[str] = "resource_not_found"
    status: ClassVar[int] = 404
    number: ClassVar[str] = "10005"
    title: ClassVar[str] = "Resource not found"


class MethodNotAllowed(ApiError):
    """The path exists, not with this method. Telnyx documents no code of its own for it."""

    code: ClassVar[str] = "method_not_allowed"
    status: ClassVar[int] = 405

    def __init__(self, method: str, allowed: set[str]) -> None:
        self.allowed = ", ".join(sorted(allowed))
        super().__init__(f"{method} is not possible here; allowed: {self.allowed}")

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 15.5.6."""
        return {"Allow": self.allowed}


class TooManyRequests(ApiError):
    """A bound of ours is reached. `wait`: seconds after which another try makes sense."""

    code: ClassVar[str] = "too_many_requests"
    status: ClassVar[int] = 429
    number: ClassVar[str] = "10011"
    title: ClassVar[str] = "Too many requests"

    def __init__(self, detail: str, *, wait: float = 1.0) -> None:
        super().__init__(detail)
        self.wait = wait

    @property
    def headers(self) -> dict[str, str]:
        """RFC 9110 section 10.2.3; the server SDKs wait for it."""
        return {"Retry-After": str(max(1, math.ceil(self.wait)))}


class TooLarge(ApiError):
    """A request body above the limit of the listener."""

    code: ClassVar[str] = "too_large"
    status: ClassVar[int] = 413
    title: ClassVar[str] = "Payload too large"


class InvalidJson(ApiError):
    """A body that does not parse."""

    code: ClassVar[str] = "invalid_json"
    number: ClassVar[str] = "10023"
    title: ClassVar[str] = "Invalid JSON"


class MissingParameter(ApiError):
    """A required key is absent or blank."""

    code: ClassVar[str] = "missing_parameter"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10004"
    title: ClassVar[str] = "Missing required parameter"


class InvalidUrl(ApiError):
    """A URL without a scheme, malformed, or longer than 2000 characters."""

    code: ClassVar[str] = "invalid_url"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10003"
    title: ClassVar[str] = "Invalid URL"


class InvalidPhoneNumber(ApiError):
    """A number that is unknown, or malformed for what is done with it."""

    code: ClassVar[str] = "invalid_phone_number"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10002"
    title: ClassVar[str] = "Invalid phone number"


class MissingReference(ApiError):
    """A key names a resource that does not exist."""

    code: ClassVar[str] = "missing_reference"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10017"
    title: ClassVar[str] = "Associated resource does not exist"


class ResourceInUse(ApiError):
    """Something else needs what is to be deleted."""

    code: ClassVar[str] = "resource_in_use"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10021"
    title: ClassVar[str] = "Resource in use"


class InvalidValue(ApiError):
    """A value that its key cannot take, where Telnyx answers its general code with 422."""

    code: ClassVar[str] = "invalid_parameter"
    status: ClassVar[int] = 422


class Unprocessable(ApiError):
    """A value of the wrong type or form."""

    code: ClassVar[str] = "unprocessable"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10027"
    title: ClassVar[str] = "Unprocessable entity"


class ExpiredCredential(ApiError):
    """A change of a credential whose time is over: the one reply that is an object (rest-v2 A.1.7)."""

    code: ClassVar[str] = "expired_credential"
    status: ClassVar[int] = 422

    @property
    def whole_body(self) -> object | None:
        """As the service words it."""
        return {"status": "can't update credentials in expired status"}


class DuplicateResource(ApiError):
    """A value that must be unique is taken."""

    code: ClassVar[str] = "duplicate_resource"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10012"
    title: ClassVar[str] = "Duplicate resource"


class OutOfRange(ApiError):
    """A number outside its limits."""

    code: ClassVar[str] = "out_of_range"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10033"
    title: ClassVar[str] = "Value outside of range"


class InvalidEnum(ApiError):
    """A value outside its closed set."""

    code: ClassVar[str] = "invalid_enum"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "10032"
    title: ClassVar[str] = "Invalid enumerated value"


class CallHasEnded(ApiError):
    """A command for a call that is over."""

    code: ClassVar[str] = "call_has_ended"
    status: ClassVar[int] = 422
    number: ClassVar[str] = "90018"
    title: ClassVar[str] = "Call has already ended"


class UnexpectedError(ApiError):
    """Ours; the log has the rest."""

    code: ClassVar[str] = "unexpected_error"
    status: ClassVar[int] = 500
    number: ClassVar[str] = "10007"
    title: ClassVar[str] = "Unexpected error"


class Unavailable(UnexpectedError):
    """The database is locked, full or gone: worth another try."""

    code: ClassVar[str] = "unavailable"
    status: ClassVar[int] = 503


class ApiErrors(GatewayError):
    """Several errors of one request, at least one; the first decides the status."""

    code: ClassVar[str] = "api_errors"

    def __init__(self, errors: Sequence[ApiError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = tuple(errors)


BY_NUMBER: Final[Mapping[str, type[ApiError]]] = {
    kind.number: kind
    for kind in (
        DuplicateResource,
        InvalidEnum,
        InvalidPhoneNumber,
        InvalidUrl,
        InvalidValue,
        MissingParameter,
        MissingReference,
        OutOfRange,
        Unprocessable,
    )
}
"""What a model's own rule may name: errors of a request's body, all of them 422."""


def error_response(*errors: ApiError) -> web.Response:
    """The reply of one error or of several."""
    first = errors[0]
    body = first.whole_body or [_to_json(error) for error in errors]
    return web.json_response({"errors": body}, status=first.status, headers=first.headers)


def _to_json(error: ApiError) -> dict[str, object]:
    body: dict[str, object] = {"code": error.number, "title": error.title, "detail": error.detail}
    if error.pointer is not None:
        body["source"] = {"pointer": error.pointer}
    elif error.parameter is not None:
        body["source"] = {"parameter": error.parameter}
    return body
