"""What provisioning raises beside the store's own errors.

AccountsError
 +- InvalidDocument   a value that was given is not acceptable, on its own or beside what is kept already
 +- NumberNotForSale  a number that is ordered is not in the inventory, or somebody's
 +- TooManyConnections  the account has as many connections as it may
 +- TooManyOfTag      a tag has as many credentials as it may
 +- UnknownReference  a key names a connection, profile or credential that does not exist
"""

from collections.abc import Sequence
from typing import ClassVar, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from gateway.domain.errors import GatewayError

_M = TypeVar("_M", bound=BaseModel)


class AccountsError(GatewayError):
    """A request of provisioning that cannot be done."""

    code: ClassVar[str] = "accounts_error"


class InvalidDocument(AccountsError):
    """What was given does not fit the model.

    Attributes:
        details: pydantic's findings; each location is a path into what was given.
    """

    code: ClassVar[str] = "invalid_document"

    def __init__(self, details: Sequence[ErrorDetails]) -> None:
        super().__init__("; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in details))
        self.details = tuple(details)


class UnknownReference(AccountsError):
    """A key names a resource that does not exist.

    Attributes:
        field: path of the key, for example `outbound/outbound_voice_profile_id`.
    """

    code: ClassVar[str] = "unknown_reference"

    def __init__(self, field: str, kind: str, key: str) -> None:
        super().__init__(f"no {kind} {key}")
        self.field, self.kind, self.key = field, kind, key


class NumberNotForSale(AccountsError):
    """A number that is ordered is not in the inventory, or somebody's.

    Attributes:
        position: in the order, from 0.
    """

    code: ClassVar[str] = "number_not_for_sale"

    def __init__(self, phone_number: str, position: int) -> None:
        super().__init__(f"{phone_number} is not for sale")
        self.phone_number, self.position = phone_number, position


class TooManyConnections(AccountsError):
    """The account has as many connections as it may."""

    code: ClassVar[str] = "too_many_connections"

    def __init__(self, limit: int) -> None:
        super().__init__(f"an account has at most {limit} connections")
        self.limit = limit


class TooManyOfTag(AccountsError):
    """A tag has as many credentials as it may."""

    code: ClassVar[str] = "too_many_of_tag"

    def __init__(self, tag: str, limit: int) -> None:
        super().__init__(f"the tag {tag!r} has {limit} credentials already")
        self.tag, self.limit = tag, limit


def checked(model: type[_M], document: object) -> _M:
    """The document as that model.

    Raises:
        InvalidDocument: it does not fit.
    """
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise InvalidDocument(error.errors(include_url=False)) from error
