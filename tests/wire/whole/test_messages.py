"""What clients tell each other beside the audio: channels of a connection, and texts within a call."""

from typing import Any

from tests.harness.gateway import PASSWORD, Running
from tests.harness.verto_client import connected
from tests.wire.whole.phone import phone

TEXT = {"from": "alice", "to": "robert", "body": "on my way\nin five"}


def about(call_id: str, **params: object) -> dict[str, Any]:
    return {"sessid": "", "dialogParams": {"callID": call_id}, **params}


async def test_v102_a_text_reaches_the_other_client_of_the_call(gateway: Running) -> None:
    async with phone(gateway, "alice") as alice, phone(gateway, "robert") as robert:
        call = await alice.call("robert")
        ringing = await robert.until_rung()
        await robert.answer(ringing)
        await alice.until_answered(call)

        result = await alice.verto.request("telnyx_rtc.info", about(call, msg=TEXT))
        info = await robert.verto.wait_for("telnyx_rtc.info")
        await robert.verto.request("telnyx_rtc.info", about(ringing, msg={**TEXT, "body": "fine"}))
        reply = await alice.verto.wait_for("telnyx_rtc.info")

        assert result["callID"] == call
        assert info["params"] == {"callID": ringing, "msg": TEXT}
        assert (reply["params"]["callID"], reply["params"]["msg"]["body"]) == (call, "fine")
        await alice.hang_up(call)


async def test_v102_a_text_for_a_trunk_is_acknowledged_and_goes_nowhere(gateway: Running) -> None:
    async with phone(gateway, "alice") as alice:
        call = await alice.call("+12025550101")
        await alice.until_answered(call)

        assert (await alice.verto.request("telnyx_rtc.info", about(call, msg=TEXT)))["callID"] == call
        await alice.hang_up(call)


async def test_v105_a_broadcast_stays_within_its_connection(gateway: Running) -> None:
    async with (
        connected(gateway.websocket) as one,
        connected(gateway.websocket) as two,
        connected(gateway.websocket) as stranger,
    ):
        await one.login("alice", PASSWORD)
        await two.login("alice", PASSWORD)
        await stranger.login("robert", PASSWORD)
        for client in (two, stranger):
            result = await client.request("telnyx_rtc.subscribe", {"eventChannel": ["desk"]})
            assert result["subscribedChannels"] == ["desk"]

        await one.request("telnyx_rtc.broadcast", {"eventChannel": "desk", "data": {"light": "red"}})
        event = await two.wait_for("telnyx_rtc.event")
        await two.request("telnyx_rtc.unsubscribe", {"eventChannel": ["desk"]})
        await one.request("telnyx_rtc.broadcast", {"eventChannel": "desk", "data": {"light": "green"}})
        for client in (two, stranger):
            await client.request("telnyx_rtc.ping", {})

        assert event["params"] == {"eventChannel": "desk", "data": {"light": "red"}, "from": "alice"}
        assert sum(message["method"] == "telnyx_rtc.event" for message in two.messages) == 1
        assert all(message["method"] != "telnyx_rtc.event" for message in stranger.messages)
