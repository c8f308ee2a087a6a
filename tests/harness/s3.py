"""An S3 service on loopback: moto's server, in a process of its own."""

import asyncio
import re
import sys
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from obstore.store import S3Store as Bucket


@asynccontextmanager
async def s3_service() -> AsyncIterator[str]:
    """Its address, `http://127.0.0.1:PORT`. It takes any key."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0", stdout=DEVNULL, stderr=PIPE
    )
    try:
        async with asyncio.timeout(40):
            yield_address = await _address(process)
        async with asyncio.TaskGroup() as group:
            reader = group.create_task(_drain(process))
            try:
                yield yield_address
            finally:
                reader.cancel()
    finally:
        process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    while line := await process.stderr.readline():
        if (found := re.search(rb"http://127\.0\.0\.1:\d+", line)) is not None:
            return found[0].decode()
    raise AssertionError("the S3 service ended at once")


async def _drain(process: asyncio.subprocess.Process) -> None:
    """Its log, which would fill the pipe."""
    assert process.stderr is not None
    while await process.stderr.readline():
        pass


async def make_bucket(address: str, name: str) -> None:
    """Make a bucket; obstore itself cannot."""
    import aiohttp

    async with aiohttp.ClientSession() as http, http.put(f"{address}/{name}") as answer:
        assert answer.status == 200, await answer.text()


def bucket(address: str, name: str) -> Bucket:
    """A bucket, past our own code."""
    return Bucket(
        name,
        endpoint=address,
        region="us-east-1",
        access_key_id="test",
        secret_access_key="test",
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
    )
