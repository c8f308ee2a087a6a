"""The official server SDKs against a whole gateway; only their base URL is another one.

`telnyx` is imported where it is used: it takes as long as all other imports of the suite together, in each worker.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import aiohttp
import pytest
import pytest_asyncio

from tests.harness.gateway import Running, running

_T = TypeVar("_T")

SDK: Final = "4.189.0"


@dataclass(frozen=True)
class Backend:
    """A user's backend: the SDK with retries off, plain HTTP beside it, and a connection to work under.

    `sdk` is Any: its parameters are literals and typed dictionaries, which the tests overstep on purpose.
    """

    sdk: Any
    gateway: Running
    http: aiohttp.ClientSession
    connection_id: str

    async def raw(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, data: bytes | None = None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """A request by hand, with the key unless `headers` say otherwise: status, headers, body."""
        sent = {"Authorization": f"Bearer {self.gateway.key}", **(headers or {})}
        async with self.http.request(
            method, self.gateway.http + path, headers=sent, data=data, skip_auto_headers=["Content-Type"]
        ) as response:
            return response.status, dict(response.headers), await response.read()

    async def credential(self, **wanted: Any) -> Any:  # Any: the SDK's models
        """A new credential under the connection."""
        return (await self.sdk.telephony_credentials.create(connection_id=self.connection_id, **wanted)).data

    async def connection(self, name: str, **wanted: Any) -> Any:  # Any: as above
        """A new connection."""
        made = await self.sdk.credential_connections.create(
            connection_name=name, user_name=name, password="long enough", **wanted
        )
        return made.data


async def refused(work: Awaitable[object]) -> tuple[int, str, Any]:
    """The status, the SDK's class and the body of a refusal."""
    from telnyx import APIStatusError

    with pytest.raises(APIStatusError) as caught:
        await work
    return caught.value.status_code, type(caught.value).__name__, caught.value.body


def code_of(body: Any) -> tuple[str, str | None]:  # Any: decoded JSON
    """Code and place of the first error."""
    error = body["errors"][0]
    source = error.get("source", {})
    return error["code"], source.get("pointer") or source.get("parameter")


def part_of(token: str, number: int) -> Any:  # Any: decoded JSON
    """Header (0) or payload (1) of a JWT."""
    text = token.split(".")[number]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


async def everything(pages: AsyncIterator[_T]) -> list[_T]:
    """All rows of all pages, as the SDK iterates them."""
    return [row async for row in pages]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def backend(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Backend]:
    from telnyx import AsyncTelnyx

    async with (
        running(tmp_path_factory.mktemp("gateway")) as gateway,
        AsyncTelnyx(api_key=gateway.key, base_url=f"{gateway.http}/v2", max_retries=0) as sdk,
        aiohttp.ClientSession() as http,
    ):
        yield Backend(sdk, gateway, http, gateway.connections["alice"])


Read = Callable[[], Awaitable[Any]]  # Any: the SDK's models
