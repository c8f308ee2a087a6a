"""Checklist I of rest-v2, the items of the Node SDK: 8, 37 and 40."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.interop.server_sdk.conftest import Backend

pytestmark = [pytest.mark.interop, pytest.mark.asyncio(loop_scope="module")]

HERE: Final = Path(__file__).parent


async def probe(backend: Backend, item: str) -> Any:  # Any: decoded JSON
    process = await asyncio.create_subprocess_exec(
        "node",
        str(HERE / "probe.mjs"),
        item,
        f"{backend.gateway.http}/v2",
        backend.gateway.key,
        backend.connection_id,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(30):
        output, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return json.loads(output)


async def test_sdk_is_the_one_that_the_specification_was_read_from(backend: Backend) -> None:
    package = json.loads((HERE / "node_modules" / "telnyx" / "package.json").read_text())

    assert package["version"] == "7.24.0"


async def test_item_8_refusal_with_422_is_asked_for_once(backend: Backend) -> None:
    assert await probe(backend, "refusedOnce") == {"status": 422, "requests": 1}


async def test_item_37_list_of_an_empty_account_ends(backend: Backend) -> None:
    assert await probe(backend, "listEnds") == {"ids": []}


async def test_item_40_token_is_a_string(backend: Backend) -> None:
    answer = await probe(backend, "token")

    assert (answer["type"], answer["parts"]) == ("string", 3)
