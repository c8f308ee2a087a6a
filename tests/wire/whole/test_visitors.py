"""A visitor calls: there is no assistant yet, and the application can read so."""

import pytest

from tests.harness.gateway import Running
from tests.harness.verto_client import connected
from tests.wire.media.browser import Browser


@pytest.mark.parametrize("destination", ["", "+12025550100", "robert@sip.telnyx.com"])
async def test_m72_whatever_a_visitor_calls_ends_with_a_cause_that_says_why(gateway: Running, destination: str) -> None:
    async with connected(gateway.websocket) as visitor:
        target = {"target_type": "ai_assistant", "target_id": "assistant-1", "reconnection": False}
        await visitor.request("anonymous_login", target)
        await visitor.wait_for("telnyx_rtc.clientReady")
        browser = Browser(codecs=["opus"])
        call = await visitor.invite(destination, await browser.offer())

        bye = (await visitor.wait_for("telnyx_rtc.bye", call_id=call))["params"]
        await browser.close()

        assert (bye["cause"], bye["causeCode"], bye["sipCode"]) == ("SERVICE_NOT_IMPLEMENTED", 79, 501)
        assert bye["sipReason"] == "No assistant here"
        sessions = (await gateway.get("/v2/gateway/sessions"))["data"]
        assert [(one["username"], one["connection_id"]) for one in sessions] == [("", None)]
