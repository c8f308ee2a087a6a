"""M-72 and M-73: visitors, and what they type. M-74 and M-75 need an assistant that speaks."""

import uuid

import pytest

from tests.conformance.mobile.marks import platforms
from tests.conformance.mobile.site import ECHO, OFFER, Site
from tests.harness.mobile.dialect import Login
from tests.harness.mobile.sdk import Sdk

pytestmark = pytest.mark.asyncio(loop_scope="module")

TARGET = "assistant-7f0c"


@platforms("iaf")
async def test_m072_a_visitor_needs_no_credentials_and_calls_nobody_but_the_assistant(site: Site, sdk: Sdk) -> None:
    """There is no assistant yet: its calls end with words that say so, and never at the number that they name."""
    async with site.dialed(sdk) as client:
        result = await client.login(Login(), is_anonymous_at=TARGET)
        byes = [
            await client.wait_for("telnyx_rtc.bye", await client.invite(number, OFFER)) for number in ("", "x", ECHO)
        ]

        assert (result["message"], bool(result["sessid"])) == ("logged in", True)
        assert {bye["cause"] for bye in byes} == {"SERVICE_NOT_IMPLEMENTED"}
        assert all("assistant" in bye["sipReason"] for bye in byes)
        assert client.all_of("telnyx_rtc.ringing") == []


@platforms("af")
async def test_m073_what_was_typed_comes_back_as_a_completed_item_of_the_user(site: Site, sdk: Sdk) -> None:
    item_id = str(uuid.uuid4())
    async with site.dialed(sdk) as client:
        await client.login(Login(), is_anonymous_at=TARGET)
        result = await client.request("ai_conversation", sdk.dialect.item_params(item_id, "guten Tag"))
        echo = await client.wait_for("ai_conversation")

        assert isinstance(result, dict)
        assert echo["type"] == "conversation.item.created"
        item = echo["item"]
        assert (item["id"], item["role"], item["status"], item["type"]) == (item_id, "user", "completed", "message")
        assert [part["text"] for part in item["content"]] == ["guten Tag"]
