"""What the store raises.

StoreError
 +- NotFound            the row asked for, or the row that a new one would belong to, does not exist
 +- Duplicate           a value that must be unique is taken; `field` says which
 +- MissingParent       a row names another one that does not exist (repositories turn it into NotFound)
 +- InUse               a row that another one needs cannot be deleted
 +- StoreUnavailable    the database is locked for too long, gone, full or refuses us
 +- WrongSchema         the database was made by another program, or by a newer version of this one
"""

from typing import ClassVar

from gateway.domain.errors import GatewayError


class StoreError(GatewayError):
    """The database refused or is gone."""

    code: ClassVar[str] = "store_error"
    sip_status: ClassVar[int] = 500


class NotFound(StoreError):
    """No such row."""

    code: ClassVar[str] = "not_found"
    sip_status: ClassVar[int] = 404

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"no {kind} {key}")
        self.kind, self.key = kind, key


class Duplicate(StoreError):
    """A unique value is taken already."""

    code: ClassVar[str] = "duplicate"
    sip_status: ClassVar[int] = 409

    def __init__(self, table: str, field: str) -> None:
        super().__init__(f"that {field} is taken already ({table})")
        self.table, self.field = table, field


class MissingParent(StoreError):
    """A foreign key points to nothing."""

    code: ClassVar[str] = "missing_parent"


class InUse(StoreError):
    """Something else needs that row."""

    code: ClassVar[str] = "in_use"
    sip_status: ClassVar[int] = 409

    def __init__(self, kind: str, key: str) -> None:
        super().__init__(f"{kind} {key} is in use")
        self.kind, self.key = kind, key


class StoreUnavailable(StoreError):
    """The database did not do it; nothing was written."""

    code: ClassVar[str] = "store_unavailable"
    sip_status: ClassVar[int] = 503


class WrongSchema(StoreError):
    """The tables are not ours or of a newer version."""

    code: ClassVar[str] = "wrong_schema"
