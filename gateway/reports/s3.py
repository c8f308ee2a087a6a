"""Reports in a bucket of any S3-compatible service, through obstore (no thread of Python waits for it)."""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, Final, TypeVar

from obstore.exceptions import BaseError
from obstore.store import S3Store as Bucket

from gateway.reports.objects import Entry, NoSuchObject, ReportStoreDown
from gateway.reports.settings import ReportSettings

_T = TypeVar("_T")

RETRIES: Final = 1
"""Of obstore, within `store_timeout`. A client that got 503 tries again by itself."""


class S3Store:
    """`ObjectStore` over a bucket, which must exist."""

    def __init__(self, settings: ReportSettings) -> None:
        """Nothing is asked of the service yet; a wrong key shows with the first object."""
        bucket, _, prefix = settings.store.removeprefix("s3://").partition("/")
        self._name, self._timeout = settings.store, settings.store_timeout
        self._bucket = Bucket(bucket, **_options(settings, prefix.strip("/")))

    async def put(self, key: str, content: bytes) -> None:
        """See `ObjectStore`. In one request: several parts would make the object appear no sooner."""
        await self._run(self._bucket.put_async(key, content, use_multipart=False))

    async def get(self, key: str) -> bytes:
        """See `ObjectStore`."""
        return await self._run(self._read(key))

    async def _read(self, key: str) -> bytes:
        try:
            answer = await self._bucket.get_async(key)
        except FileNotFoundError as error:
            raise NoSuchObject(key) from error
        return (await answer.bytes_async()).to_bytes()

    async def entries(self, folder: str = "") -> list[Entry]:
        """See `ObjectStore`."""
        return await self._run(self._list(folder))

    async def _list(self, folder: str) -> list[Entry]:
        found = await self._bucket.list(prefix=folder or None, chunk_size=1000).collect_async()
        # obstore takes a prefix for whole parts of a path, so `call` does not find `call-2/...`.
        return sorted(
            (Entry(one["path"], one["size"], one["last_modified"]) for one in found), key=lambda entry: entry.key
        )

    async def delete(self, key: str) -> None:
        """See `ObjectStore`."""
        await self._run(self._bucket.delete_async(key))

    async def close(self) -> None:
        """See `ObjectStore`; obstore lets go of its connections by itself."""

    async def _run(self, work: Coroutine[Any, Any, _T]) -> _T:  # Any: what nobody sends or yields
        try:
            async with asyncio.timeout(self._timeout):
                return await work
        except TimeoutError as error:
            raise ReportStoreDown(f"{self._name}: no answer within {self._timeout} s") from error
        except (BaseError, OSError) as error:
            raise ReportStoreDown(f"{self._name}: {_first_line(error)}") from error


def _options(settings: ReportSettings, prefix: str) -> dict[str, Any]:  # Any: obstore's keyword arguments
    options: dict[str, Any] = {
        "region": settings.s3_region,
        "virtual_hosted_style_request": False,
        "retry_config": {"max_retries": RETRIES, "retry_timeout": timedelta(seconds=settings.store_timeout)},
        "client_options": {
            "timeout": timedelta(seconds=settings.store_timeout),
            "connect_timeout": timedelta(seconds=min(5.0, settings.store_timeout)),
            "allow_http": settings.s3_endpoint.startswith("http://"),
            "user_agent": "rtc-gateway",
        },
    }
    if prefix:
        options["prefix"] = prefix
    if settings.s3_endpoint:
        options["endpoint"] = settings.s3_endpoint.rstrip("/")
    if settings.s3_access_key_id:
        options["access_key_id"] = settings.s3_access_key_id
        options["secret_access_key"] = settings.s3_secret_access_key
    return options


def _first_line(error: Exception) -> str:
    """obstore's messages go on with the whole tree of Rust's error."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
