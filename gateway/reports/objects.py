"""What the archive needs of a store: objects under keys with slashes, as S3 has them and a folder can."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from gateway.domain.errors import GatewayError


class ReportStoreDown(GatewayError):
    """The store cannot be reached, refuses us or is full. The client is told to try again."""

    code: ClassVar[str] = "report_store_down"


class NoSuchObject(GatewayError):
    """There is no object of that key."""

    code: ClassVar[str] = "no_such_object"


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing. `modified_at` is aware, UTC."""

    key: str
    size: int
    modified_at: datetime


class ObjectStore(Protocol):
    """A folder or a bucket. No method blocks the loop; each may raise `ReportStoreDown`."""

    async def put(self, key: str, content: bytes) -> None:
        """Write an object whole, over one of that key if there is one."""

    async def get(self, key: str) -> bytes:
        """Read an object. Raises `NoSuchObject`."""

    async def entries(self, folder: str = "") -> list[Entry]:
        """The objects below a folder (without a slash at its end), all of them for "", in order of their keys."""

    async def delete(self, key: str) -> None:
        """Remove an object; it is no mistake when there is none."""

    async def close(self) -> None:
        """Let go of threads and connections."""
