"""What becomes of whatever a handler raises."""

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from structlog.testing import capture_logs

from gateway.api.guard import Guard
from gateway.api.middleware import telnyx_errors
from gateway.auth.keys import KeyGrant


class AnyKey:
    async def check(self, key: str) -> KeyGrant | None:
        return KeyGrant(key_id="1", scope=frozenset({"read", "write"}))


async def answer_to(error: Exception) -> tuple[int, list[str]]:
    """The status, and the events that were logged."""

    async def handler(_request: web.Request) -> web.StreamResponse:
        raise error

    request = make_mocked_request("POST", "/v2/balance", headers={"Authorization": "Bearer KEY"})
    with capture_logs() as lines:
        response = await telnyx_errors(Guard(AnyKey()))(request, handler)
    return response.status, [line["event"] for line in lines]


@pytest.mark.parametrize("error", [ConnectionResetError("closed"), ConnectionAbortedError()])
async def test_client_that_goes_in_the_middle_of_its_body_costs_no_line(error: Exception) -> None:
    assert await answer_to(error) == (400, [])


async def test_defect_of_ours_is_logged_once_and_tells_the_client_nothing() -> None:
    assert await answer_to(RuntimeError("secret")) == (500, ["request_failed"])
