"""V-17 to V-30: JSON-RPC as the JavaScript SDK decodes it (verto-js 2)."""

import asyncio
import json
import uuid
from collections import Counter
from pathlib import Path

import pytest

from tests.conformance.client import Client, client, logged_in, phone
from tests.conformance.rules import Message
from tests.harness.gateway import PASSWORD, Running
from tests.harness.lab import ring

pytestmark = pytest.mark.asyncio(loop_scope="module")

ECHO = "+12025550100"
REQUESTS: list[tuple[str, Message]] = [
    ("telnyx_rtc.ping", {}),
    ("telnyx_rtc.gatewayState", {}),
    ("telnyx_rtc.subscribe", {"eventChannel": ["news"]}),
    ("telnyx_rtc.unsubscribe", {"eventChannel": ["news"]}),
    ("telnyx_rtc.broadcast", {"eventChannel": "news", "data": {}}),
    ("telnyx_rtc.bye", {"dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.modify", {"action": "hold", "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.info", {"dtmf": "1", "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.answer", {"sdp": "v=0", "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.attach", {"sdp": "v=0", "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.candidate", {"candidate": "", "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.endOfCandidates", {"endOfCandidates": True, "dialogParams": {"callID": "gone"}}),
    ("telnyx_rtc.invite", {"sdp": "v=0"}),
    ("ai_conversation", {"type": "conversation.item.create", "item": {"type": "function_call_output"}}),
    ("login", {"login": "alice", "passwd": PASSWORD}),
    ("login", {"login": "alice", "passwd": "wrong"}),
    ("telnyx_rtc.nonsense", {}),
]
"""One of each kind, so that each way of answering is taken once: at once, after a look-up, with an error."""


def answers(alice: Client) -> list[Message]:
    return [message for message in alice.frames if "method" not in message]


async def one_of_each(alice: Client) -> list[str]:
    """Send every kind of request at once; returns their ids when each is answered."""
    ids = [str(uuid.uuid4()) for _ in REQUESTS]
    async with asyncio.TaskGroup() as group:
        for request_id, (method, params) in zip(ids, REQUESTS, strict=True):
            group.create_task(alice.ask(method, params, id=request_id))
    return ids


async def test_v017_answers_each_request_exactly_once_with_its_id_and_version(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        ids = await one_of_each(alice)
        await alice.barrier()

        counts = Counter(message["id"] for message in answers(alice))
        assert [counts[request_id] for request_id in ids] == [1] * len(ids)
        assert {message["jsonrpc"] for message in answers(alice)} == {"2.0"}


async def test_v018_successful_answers_carry_an_object(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        await one_of_each(alice)

        results = [message["result"] for message in answers(alice) if "result" in message]
        assert len(results) > 8
        assert all(isinstance(result, dict) for result in results)


async def test_v019_no_result_holds_a_key_named_result(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.verto.modify(call, "hold")
        await alice.verto.dtmf(call, "1")
        await alice.hang_up(call)
        await one_of_each(alice.verto)

        results = [message["result"] for message in answers(alice.verto) if "result" in message]
        assert len(results) > 12
        assert not [result for result in results if "result" in result]


async def test_v020_only_the_gateway_state_answers_with_a_state_in_params(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        known = len(answers(alice))
        await one_of_each(alice)

        with_state = [
            message for message in answers(alice)[known:] if "state" in message.get("result", {}).get("params", {})
        ]
        assert [message["result"]["params"]["state"] for message in with_state] == ["REGED"]


async def test_v021_no_message_of_a_call_has_a_state_in_params(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.hang_up(call)
        await ring(gateway)
        await alice.until_rung()

        requests = [message for message in alice.verto.frames if "method" in message]
        methods = {message["method"] for message in requests}
        assert {"telnyx_rtc.clientReady", "telnyx_rtc.ringing", "telnyx_rtc.answer", "telnyx_rtc.invite"} <= methods
        assert not [message for message in requests if "state" in message["params"]]
        await alice.verto.bye(await alice.until_rung(), cause="USER_BUSY", code=17)


async def test_v022_requests_have_unique_ids_that_are_no_uuids(gateway: Running) -> None:
    async with phone(gateway) as alice:
        call = await alice.call("+12025550102")
        await alice.until_over(call)

        ids = [message["id"] for message in alice.verto.frames if "method" in message]
        assert len(ids) >= 2
        assert all(type(one) is int for one in ids)
        assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("is_error", [False, True], ids=["result", "error"])
async def test_v023_never_answers_an_acknowledgement(gateway: Running, is_error: bool) -> None:
    async with logged_in(gateway) as alice:
        ready = await alice.until(lambda message: message.get("method") == "telnyx_rtc.clientReady")
        body = {"error": {"code": -32601, "message": "?"}} if is_error else {"result": {"method": ready["method"]}}
        before = len(answers(alice))
        for request_id in (ready["id"], ready["id"], 4711, "unknown"):
            await alice.say(json.dumps({"jsonrpc": "2.0", "id": request_id, **body}))
        await alice.barrier()

        assert len(answers(alice)) == before + 1  # the barrier's


async def test_v024_a_call_lives_without_any_acknowledgement(gateway: Running) -> None:
    async with phone(gateway) as alice:
        alice.verto.is_silent = True
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await ring(gateway)
        rung = await alice.until_rung()
        await alice.answer(rung)

        assert len((await gateway.get("/v2/gateway/calls?state=live"))["data"]) == 2
        await alice.hang_up(call)
        await alice.hang_up(rung)


@pytest.mark.parametrize("voice_sdk_id", ["VSDK1CQh", None, ...], ids=["text", "null", "absent"])
async def test_v025_accepts_voice_sdk_id_as_text_null_or_absent(gateway: Running, voice_sdk_id: object) -> None:
    member = {} if voice_sdk_id is ... else {"voice_sdk_id": voice_sdk_id}
    async with logged_in(gateway) as alice:
        state = await alice.ask("telnyx_rtc.gatewayState", {}, **member)
        ping = await alice.ask("telnyx_rtc.ping", {}, **member)

        assert state["result"]["params"]["state"] == "REGED"
        assert "result" in ping


async def test_v026_an_unknown_method_is_refused_and_the_session_goes_on(gateway: Running) -> None:
    async with logged_in(gateway) as alice:
        session = alice.session_id
        answer = await alice.ask("telnyx_rtc.nonsense", {"sessid": session})

        assert answer["error"]["code"] == -32601
        state = await alice.ask("telnyx_rtc.gatewayState", {})
        assert state["result"]["sessid"] == session


@pytest.mark.parametrize("kind", ["debug_report_start", "debug_report_data", "debug_report_stop"])
async def test_v027_a_debug_frame_without_method_is_no_unknown_method(gateway: Running, kind: str) -> None:
    frame = {
        "jsonrpc": "2.0",
        "id": str(uuid.uuid4()),
        "type": kind,
        "debug_report_id": str(uuid.uuid4()),
        "debug_report_version": 1,
        "call_id": str(uuid.uuid4()),
    }
    async with logged_in(gateway) as alice:
        await alice.say(json.dumps(frame))
        answer = await alice.until(lambda message: message.get("id") == frame["id"])

        assert "error" not in answer
        assert isinstance(answer["result"], dict)


async def test_v028_never_answers_a_notification(gateway: Running) -> None:
    item = {"type": "conversation.item.create", "item": {"type": "response.audio_stream.subscribe"}}
    async with logged_in(gateway) as alice:
        before = len(answers(alice))
        for method, params in [*REQUESTS, ("ai_conversation", item)]:
            if method != "login":
                await alice.say(json.dumps({"jsonrpc": "2.0", "method": method, "params": params}))
        await alice.barrier()

        assert len(answers(alice)) == before + 1  # the barrier's


async def test_v029_before_the_login_everything_but_logins_and_pings_needs_authentication(gateway: Running) -> None:
    free = ("login", "telnyx_rtc.ping")
    async with client(gateway) as nobody:
        for method, params in REQUESTS:
            if method not in free and method != "telnyx_rtc.nonsense":
                answer = await nobody.ask(method, params)
                assert (method, answer["error"]["code"]) == (method, -32000)
        assert "result" in await nobody.ask("telnyx_rtc.ping", {})
        assert "result" in await nobody.ask("login", {"login": "alice", "passwd": PASSWORD})


async def test_v030_a_client_that_is_logged_in_never_needs_authentication(gateway: Running, tmp_path: Path) -> None:
    bad: list[tuple[str, object]] = [(method, params) for method, params in REQUESTS if method != "login"]
    bad += [(method, {}) for method, _ in bad] + [(method, [1]) for method, _ in bad]
    async with logged_in(gateway) as alice:
        for method, params in bad:
            answer = await alice.ask(method, params)
            assert answer.get("error", {}).get("code") != -32000, method
        refused = await alice.ask("login", {"login": "alice", "passwd": "wrong"})
        assert refused["error"]["code"] == -32001
        assert "error" not in await alice.ask("telnyx_rtc.gatewayState", {})
