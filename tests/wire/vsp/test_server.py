"""Verto over real sockets."""

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import structlog

from gateway.auth.authenticator import Refusal
from gateway.domain.causes import USER_BUSY
from gateway.domain.identity import Identity
from gateway.domain.ids import Sdp, VertoCallId
from gateway.domain.registration import Ending
from gateway.observability.clock import utc_now
from gateway.observability.metrics import REGISTRY
from gateway.vsp.client import VertoClient
from gateway.vsp.control import ClientBye, ClientDtmf, ClientHold, ClientSession, ClientUpdateMedia, Invite
from gateway.vsp.login import LoginAttempt
from tests.unit.vsp.conversation import IDS, OFFER, Message, about, invite
from tests.wire.vsp.harness import Client, Running, check, running


def closed_by(reason: str) -> float:
    return REGISTRY.get_sample_value("gateway_verto_sockets_closed_total", {"reason": reason}) or 0.0


# ---- logging in


@pytest.mark.parametrize(
    "path", ["/", "/some/path", "/?voice_sdk_id=VSDK1x&canary=true&rtc_ip=1&x=y", "/?voice_sdk_id="]
)
@pytest.mark.parametrize("url", [0, 1])
async def test_v1_v3_v9_a_client_logs_in_over_ws_and_wss_on_any_path(tmp_path: Path, path: str, url: int) -> None:
    listen = ("http://127.0.0.1:0", "https://127.0.0.1:0")
    async with running(tmp_path, listen=listen) as server, server.connect(path, url=url) as client:
        answer = await client.log_in()
        state = await client.ask("telnyx_rtc.gatewayState")

        assert answer["result"]["message"] == "logged in"
        assert state["result"]["params"]["state"] == "REGED"
        assert state["voice_sdk_id"] == answer["voice_sdk_id"]
        found = server.registry.find_by_username("alice")
        assert found is not None
        assert found.session_id == answer["result"]["sessid"] == state["result"]["sessid"]


async def test_encrypted_socket_that_breaks_off_is_no_defect(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        running(tmp_path, listen=("http://127.0.0.1:0", "https://127.0.0.1:0")) as server,
        server.connect(url=1) as client,
    ):
        session_id = (await client.log_in())["result"]["sessid"]
        client.websocket.get_extra_info("socket").shutdown(socket.SHUT_RDWR)
        await server.control.wait_until(lambda: session_id in server.control.lost)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []


async def test_v2_no_subprotocol_is_selected_and_nothing_is_compressed(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect(protocols=("verto",), compress=15) as client:
        assert client.websocket.protocol is None
        assert client.websocket.compress == 0


async def test_v32_a_token_logs_in(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        answer = await client.ask("login", {"login": None, "passwd": None, "login_token": "jwt-bob"})

        assert answer["result"]["sessid"]
        assert server.registry.find_by_username("bob") is not None


async def test_v34_a_refused_login_leaves_the_socket_open_for_a_better_one(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        refused = await client.log_in(password="wrong")
        assert refused["error"] == {"code": -32001, "message": "wrong user name or password"}
        assert len(server.registry) == 0

        assert "result" in await client.log_in()


@pytest.mark.parametrize(
    ("user_agent", "bad_token", "bad_password"),
    [
        ({"sdkVersion": "2.27.10", "data": "Mozilla/5.0 (iPhone)"}, -32001, -32001),
        ("Web-2.16.0", -32001, -32001),
        (None, -32001, -32001),
        ("iOS-4.1.2", -32000, -32001),
        ("Android-3.7.0", -32000, -32001),
        ("Flutter-4.4.0", -32000, -32001),
        ("ReactNative-mpn-1.1.0", -32000, -32001),
    ],
)
async def test_v34_v35_m25_each_sdk_gets_the_code_that_it_understands(
    tmp_path: Path, user_agent: object, bad_token: int, bad_password: int
) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        more = {"User-Agent": user_agent}
        by_token = await client.ask("login", {"login": None, "passwd": None, "login_token": "jwt-nobody", **more})
        by_password = await client.ask("login", {"login": "alice", "passwd": "wrong", **more})
        by_both = await client.ask("login", {"login": "alice", "passwd": "wrong", "login_token": "jwt-nobody", **more})

        assert by_token["error"]["code"] == bad_token
        assert by_password["error"]["code"] == by_both["error"]["code"] == bad_password
        assert isinstance(by_token["error"]["message"], str)
        assert "result" in await client.log_in()


async def test_v12_pings_are_answered_while_a_login_is_checked(tmp_path: Path) -> None:
    may_go_on = asyncio.Event()

    async def slow(attempt: LoginAttempt) -> Identity | Refusal:
        await may_go_on.wait()
        return await check(attempt)

    async with running(tmp_path, authenticate=slow) as server, server.connect() as client:
        login = await client.say("login", {"login": "alice", "passwd": "right"})
        assert (await client.ask("telnyx_rtc.ping"))["result"] == {"message": "PONG"}

        may_go_on.set()

        assert (await client.hear())["id"] == login


async def test_a_socket_that_goes_while_its_login_is_checked_leaves_nothing(tmp_path: Path) -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def endless(_attempt: LoginAttempt) -> Identity | Refusal:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        raise AssertionError("unreachable")

    async with running(tmp_path, authenticate=endless) as server:
        async with server.connect() as client:
            await client.say("login", {"login": "alice", "passwd": "right"})
            await started.wait()
        await cancelled.wait()
        assert len(server.registry) == 0


async def crash(_attempt: LoginAttempt) -> Identity | Refusal:
    raise RuntimeError("the database is on fire")


async def hang(_attempt: LoginAttempt) -> Identity | Refusal:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def busy(_attempt: LoginAttempt) -> Identity | Refusal:
    return Refusal("busy", "too many logins at once, try again")


@pytest.mark.parametrize("authenticate", [crash, hang, busy])
async def test_a_login_that_cannot_be_checked_is_answered_and_the_client_is_sent_round_again(
    tmp_path: Path, authenticate: object
) -> None:
    async with (
        running(tmp_path, authenticate=authenticate, authentication_timeout=0.1) as server,  # type: ignore[arg-type]  # one of the three above
        server.connect() as client,
    ):
        answer = await client.log_in()

        assert answer["error"]["code"] == -32001
        assert await client.closed() == 1013


async def test_a_client_whose_token_has_expired_is_sent_to_log_in_before_its_next_call(tmp_path: Path) -> None:
    expires_at = [utc_now().timestamp() - 1.0, utc_now().timestamp() + 3600.0]

    async def by_token(_attempt: LoginAttempt) -> Identity | Refusal:
        return Identity(connection_id="1", credential_id="c", username="alice", token_expires_at=expires_at.pop(0))

    async with running(tmp_path, authenticate=by_token) as server, server.connect() as client:
        await client.log_in()
        assert (await client.ask("telnyx_rtc.invite", invite()))["error"]["code"] == -32000

        assert "result" in await client.ask("login", {"login_token": "fresh"})

        assert (await client.ask("telnyx_rtc.invite", invite()))["result"]["message"] == "CALL CREATED"


async def test_a_credential_whose_expiry_is_moved_ends_its_registration_at_the_new_time(tmp_path: Path) -> None:
    now = utc_now().timestamp()

    async def by_credential(attempt: LoginAttempt) -> Identity | Refusal:
        username = attempt.username or ""
        return Identity(
            connection_id="1", credential_id=username, username=username, credential_expires_at=now + 3600.0
        )

    async with (
        running(tmp_path, authenticate=by_credential) as server,
        server.connect() as one,
        server.connect() as other,
    ):
        await one.log_in("one")
        await other.log_in("other")
        counts = [server.verto.endings.end_expired()]
        server.verto.endings.set_credential_expiry("one", now - 1.0)
        server.verto.endings.set_credential_expiry("one", now + 60.0)
        counts.append(server.verto.endings.end_expired())
        server.verto.endings.set_credential_expiry("one", now - 1.0)
        counts.append(server.verto.endings.end_expired())

        assert counts == [0, 0, 1]
        assert (await one.hear())["params"] == {"state": "UNREGED"}
        assert await one.closed() == 1008
        assert (await other.ask("telnyx_rtc.gatewayState"))["result"]["params"]["state"] == "REGED"


async def test_a_login_whose_account_is_changed_each_time_that_it_is_checked_is_told_to_come_back(
    tmp_path: Path,
) -> None:
    checks = 0

    async def changing(_attempt: LoginAttempt) -> Identity | Refusal:
        nonlocal checks
        checks += 1
        server.verto.endings.end_registrations(Ending(connection_id="1"))
        return Identity(connection_id="1", credential_id=None, username="alice")

    async with running(tmp_path, authenticate=changing) as server, server.connect() as client:
        answer = await client.log_in()

        assert answer["error"]["code"] == -32001
        assert await client.closed() == 1013
        assert (checks, len(server.registry)) == (3, 0)


# ---- sessions


async def test_v41_v117_a_login_with_the_session_id_of_an_open_socket_takes_it_over(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as old, server.connect() as new:
        session_id = (await old.log_in())["result"]["sessid"]
        await old.say("telnyx_rtc.invite", invite())
        await server.control.wait_until(lambda: bool(server.control.calls))

        login = await new.say(
            "login", {"login": "alice", "passwd": "right", "sessid": session_id, "reconnection": True}
        )
        answer, bye, ready = [await new.hear() for _ in range(3)]

        assert (answer["id"], answer["result"]["sessid"]) == (login, session_id)
        assert (bye["method"], bye["params"]["callID"]) == ("telnyx_rtc.bye", "call-1")
        assert ready["params"] == {"reattached_sessions": []}
        assert [session.session_id for session in server.control.replaced] == [session_id]
        assert server.control.lost == []
        assert (await old.hear())["result"]["message"] == "CALL CREATED"
        assert (await old.hear())["method"] == "telnyx_rtc.punt"
        assert await old.closed() == 1000
        assert len(server.registry) == 1
        assert "result" in await new.ask("telnyx_rtc.gatewayState")
    assert server.control.lost == [session_id]


async def test_v43_the_session_of_somebody_else_is_never_taken_over(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as alice, server.connect() as eve:
        session_id = (await alice.log_in())["result"]["sessid"]

        answer = await eve.log_in("eve", sessid=session_id, reconnection=True)

        assert answer["result"]["sessid"] != session_id
        assert "result" in await alice.ask("telnyx_rtc.gatewayState")
        assert server.control.lost == []


async def test_v42_an_unknown_session_id_gets_a_new_session(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        answer = await client.log_in(sessid="made-up-by-flutter", reconnection=True)

        assert answer["result"]["sessid"] not in ("", "made-up-by-flutter")


async def test_v44_a_new_token_on_a_live_socket_keeps_the_session(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        first = await client.log_in()

        again = await client.ask("login", {"login_token": "jwt-alice", "sessid": first["result"]["sessid"]})
        state = await client.ask("telnyx_rtc.gatewayState")

        assert again["result"]["sessid"] == first["result"]["sessid"] == state["result"]["sessid"]
        assert state["id"] == "c3"  # nothing came in between: no clientReady
        assert server.control.lost == []


async def test_a_login_of_another_connection_on_a_live_socket_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()

        answer = await client.ask("login", {"login": "eve", "passwd": "right"})

        assert answer["error"]["code"] == -32001
        assert server.registry.find_by_username("alice") is not None
        assert server.registry.find_by_username("eve") is None


async def test_the_end_of_a_socket_ends_its_session_and_call_control_hears_of_it(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        async with server.connect() as client:
            session_id = (await client.log_in())["result"]["sessid"]

        await server.control.wait_until(lambda: server.control.lost == [session_id])

        assert len(server.registry) == 0


async def test_v41_with_a_window_a_session_waits_for_its_client_and_then_ends(tmp_path: Path) -> None:
    async with running(tmp_path, reattach_window=0.3) as server:
        async with server.connect() as client:
            session_id = (await client.log_in())["result"]["sessid"]
        async with server.connect() as client:
            again = await client.log_in(sessid=session_id)
            assert again["result"]["sessid"] == session_id
            server.control.lost.clear()  # the calls of before have ended

        await server.control.wait_until(lambda: server.control.lost == [session_id])

        assert len(server.registry) == 0


# ---- calls


async def test_v55_a_call_that_is_refused_at_once_gets_its_result_first(tmp_path: Path) -> None:
    def refuse(session: ClientSession, call: Invite) -> None:
        session.send_bye(call.verto_call_id, cause=USER_BUSY, sip_code=486, sip_reason="Busy Here")

    async with running(tmp_path) as server, server.connect() as client:
        server.control.on_call = refuse
        await client.log_in()

        created = await client.ask("telnyx_rtc.invite", invite())
        bye = await client.hear()

        assert created["result"]["message"] == "CALL CREATED"
        assert (bye["method"], bye["params"]["cause"], bye["params"]["sipCode"]) == ("telnyx_rtc.bye", "USER_BUSY", 486)


async def test_a_call_goes_both_ways_through_the_handle_of_the_session(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        session_id = (await client.log_in())["result"]["sessid"]
        await client.ask("telnyx_rtc.invite", invite())
        session, _ = server.control.calls[0]
        call_id = VertoCallId("call-1")

        session.send_ringing(call_id, **IDS)
        session.send_media(call_id, sdp=Sdp(OFFER))
        session.send_answer(call_id, sdp=None, **IDS)
        methods = [(await client.hear())["method"] for _ in range(3)]
        await client.ask("telnyx_rtc.info", about("call-1", dtmf="5"))
        await client.ask("telnyx_rtc.bye", about("call-1", cause="NORMAL_CLEARING", causeCode=16))

        assert methods == ["telnyx_rtc.ringing", "telnyx_rtc.media", "telnyx_rtc.answer"]
        (_, _, digits), (owner, ended, bye) = server.control.messages
        assert digits == ClientDtmf("5")
        assert (owner, ended) == (session_id, "call-1")
        assert isinstance(bye, ClientBye)


async def test_a_defect_in_call_control_costs_one_client_and_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_session: ClientSession, _call: Invite) -> None:
        raise RuntimeError("our bug")

    async with running(tmp_path) as server, server.connect() as one, server.connect() as other:
        server.control.on_call = fail
        await one.log_in()
        await other.log_in("bob")

        await one.say("telnyx_rtc.invite", invite())

        assert await one.closed() == 1011
        assert "result" in await other.ask("telnyx_rtc.ping")


async def test_sending_to_a_client_that_has_gone_does_nothing(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        async with server.connect() as client:
            await client.log_in()
            await client.ask("telnyx_rtc.invite", invite())
        await server.control.wait_until(lambda: bool(server.control.lost))
        session, call = server.control.calls[0]

        session.send_ringing(call.verto_call_id, **IDS)
        session.send_answer(call.verto_call_id, sdp=None, **IDS)
        session.send_bye(call.verto_call_id, cause=USER_BUSY, sip_code=None, sip_reason=None)
        session.send_invite(
            VertoCallId("in-1"),
            sdp=Sdp(OFFER),
            caller_name="",
            caller_number="",
            callee_name="",
            callee_number="",
            **IDS,
        )


# ---- bad input


async def test_v16_v26_after_garbage_torn_and_misplaced_frames_a_login_and_a_call_work(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        for text in ("garbage", "", "{", "[]", "42", '{"jsonrpc":"2.0","id":"c1","met', "#SPU 9", "[" * 20_000):
            await client.say_text(text)
        await client.websocket.send_bytes(b"\x00\xff" * 100)
        for method in ("telnyx_rtc.answer", "telnyx_rtc.bye", "telnyx_rtc.gatewayState"):
            assert (await client.ask(method, about("nobody")))["error"]["code"] == -32000

        assert "result" in await client.log_in()
        assert (await client.ask("telnyx_rtc.nobody"))["error"]["code"] == -32601
        assert (await client.ask("telnyx_rtc.invite", invite()))["result"]["message"] == "CALL CREATED"


async def test_m15_a_frame_of_many_megabytes_passes_after_the_login(tmp_path: Path) -> None:
    image = "data:image/jpeg;base64," + "QUJD" * (3 * 1024 * 1024)  # 12 MiB
    parts = [{"type": "input_text", "text": "what is this?"}, {"type": "image_url", "image_url": {"url": image}}]
    item = {"id": "item-1", "type": "message", "role": "user", "content": parts}
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()

        answer = await client.ask("ai_conversation", {"type": "conversation.item.create", "item": item})

        assert "result" in answer
        assert (await client.hear())["params"]["item"]["content"] == [{"type": "text", "text": "what is this?"}]
        assert "result" in await client.ask("telnyx_rtc.ping")


def write_raw(client: Client, data: bytes) -> None:
    """Send bytes beneath the client's own framing."""
    transport = client.websocket._response.connection.transport  # type: ignore[union-attr]  # there is one
    assert isinstance(transport, asyncio.Transport)
    transport.write(data)


def torn_ping(size: int) -> bytes:
    """A text frame of `size` bytes that lacks its last one, masked with zeros (RFC 6455 section 5.2)."""
    ping = json.dumps({"jsonrpc": "2.0", "id": "torn", "method": "telnyx_rtc.ping"}).encode()
    return b"\x81\xff" + size.to_bytes(8, "big") + bytes(4) + ping.ljust(size - 1)


async def test_many_half_sent_megabytes_cost_the_socket_that_holds_the_most_and_no_other(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path, max_bytes_receiving=2 * 1024 * 1024))
        greedy, modest = [await stack.enter_async_context(server.connect()) for _ in range(2)]
        for client in (greedy, modest):
            await client.log_in()
        write_raw(modest, torn_ping(600_000))
        write_raw(greedy, torn_ping(3_000_000))

        assert await greedy.closed() == 1013
        write_raw(modest, b" ")
        assert (await modest.hear())["id"] == "torn"


@pytest.mark.parametrize("url", [0, 1])
async def test_before_the_login_no_more_than_a_little_is_held(tmp_path: Path, url: int) -> None:
    listen = ("http://127.0.0.1:0", "https://127.0.0.1:0")
    async with running(tmp_path, listen=listen) as server, server.connect(url=url) as client:
        write_raw(client, torn_ping(2_000_000))

        assert await client.closed() == 1009


async def test_v5_v6_a_mebibyte_and_a_burst_of_a_hundred_pass_after_the_login(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()
        padded = json.dumps({"jsonrpc": "2.0", "id": "big", "method": "telnyx_rtc.ping", "params": {}})
        await client.say_text(padded + " " * (1024 * 1024 - len(padded)))
        assert (await client.hear())["id"] == "big"

        ids = [await client.say("telnyx_rtc.ping") for _ in range(100)]

        assert [(await client.hear())["id"] for _ in range(100)] == ids


@pytest.mark.parametrize("size", [70_000, 3_000_000])
async def test_an_oversized_frame_before_the_login_closes_that_socket_only(tmp_path: Path, size: int) -> None:
    before = closed_by("too_large")
    async with running(tmp_path) as server, server.connect() as bystander:
        async with server.connect() as client:
            # The reset of a connection whose bytes nobody reads may overtake the close frame.
            with contextlib.suppress(ConnectionError):
                await client.say_text("x" * size)
            code = await client.closed()
            assert code in (1009, 1006, None)

        assert "result" in await bystander.log_in()
    assert closed_by("too_large") == before + 1


async def test_a_flood_is_cut_off_and_the_next_connection_works(tmp_path: Path) -> None:
    async with running(tmp_path, message_rate=10.0, message_burst=20) as server:
        async with server.connect() as client:
            for _ in range(40):
                await client.say("telnyx_rtc.ping")
            assert await client.closed() == 1008
        async with server.connect() as client:
            assert "result" in await client.log_in()


async def test_invalid_utf8_ends_that_socket_as_websocket_demands(tmp_path: Path) -> None:
    before = closed_by("protocol")
    async with running(tmp_path) as server:
        async with server.connect() as client:
            writer = client.websocket._writer
            await writer.send_frame(b"\xff\xfe", aiohttp.WSMsgType.TEXT)
            assert await client.closed() == 1007
        async with server.connect() as client:
            assert "result" in await client.log_in()
    assert closed_by("protocol") == before + 1


async def test_a_websocket_ping_gets_its_pong(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect(autoping=False) as client:
        await client.websocket.ping(b"flutter")

        message = await client.websocket.receive(timeout=10)

        assert (message.type, bytes(message.data)) == (aiohttp.WSMsgType.PONG, b"flutter")


async def test_v128_a_speed_test_answers_both_ways(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()
        await client.say_text("#SPU 20480")
        for _ in range(20):
            await client.say_text("#SPB " + "." * 1024)
        await client.say_text("#SPE")

        upload = await client.websocket.receive_str(timeout=10)
        data = [await client.websocket.receive_str(timeout=10) for _ in range(20)]
        download = await client.websocket.receive_str(timeout=10)

        assert upload.startswith("#SPU ")
        assert sum(len(frame) - 5 for frame in data) == 20480
        assert download.startswith("#SPD ")


# ---- time


async def test_v11_the_server_pings(tmp_path: Path) -> None:
    async with running(tmp_path, ping_interval=0.05) as server, server.connect() as client:
        await client.log_in()

        pings = [await client.hear() for _ in range(2)]

        assert {ping["method"] for ping in pings} == {"telnyx_rtc.ping"}


async def test_v15_a_silent_client_is_dropped(tmp_path: Path) -> None:
    async with running(tmp_path, idle_timeout=0.2) as server, server.connect() as client:
        session_id = (await client.log_in())["result"]["sessid"]

        assert await client.closed() == 1008

        await server.control.wait_until(lambda: server.control.lost == [session_id])


async def test_a_socket_without_a_login_is_dropped(tmp_path: Path) -> None:
    async with running(tmp_path, login_timeout=0.1) as server, server.connect() as client:
        assert await client.closed() == 1008


async def test_v7_the_close_of_a_client_is_answered_at_once(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()

        async with asyncio.timeout(9):
            await client.websocket.close()

        assert client.websocket.close_code is not None


# ---- slow, many, and the end


def raw_client(url: str) -> socket.socket:
    """A connection whose window is small, for a client that stops reading."""
    host, port = url.removeprefix("http://").split(":")
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    raw_address = (host, int(port))
    with contextlib.suppress(BlockingIOError):
        raw.connect(raw_address)
    return raw


def ring_60_times(session: ClientSession) -> None:
    """Six megabytes in sixty frames."""
    for number in range(60):
        session.send_invite(
            VertoCallId(f"in-{number}"),
            sdp=Sdp("v" * 100_000),
            caller_name="",
            caller_number="",
            callee_name="",
            callee_number="",
            **IDS,
        )


@contextlib.asynccontextmanager
async def deaf_client(server: Running) -> AsyncIterator[VertoClient]:
    """A client that logs in and then reads nothing; gives the server's handle of it."""
    connector = aiohttp.TCPConnector(socket_factory=lambda _info: raw_client(server.urls[0]))
    async with aiohttp.ClientSession(connector=connector) as web, web.ws_connect(server.urls[0]) as websocket:
        await Client(websocket).log_in()
        transport = websocket._response.connection.transport  # type: ignore[union-attr]  # there is one
        transport.pause_reading()  # type: ignore[union-attr]  # there is one
        session = server.registry.find_by_username("alice")
        assert session is not None
        yield session
        transport.abort()  # type: ignore[union-attr]  # there is one


ROOMY: Message = {"max_bytes_queued": 100_000_000, "max_frames_queued": 1000, "send_timeout": 30.0}


@pytest.mark.parametrize(
    "limit", [{"max_bytes_queued": 500_000}, {"max_frames_queued": 20}, {"send_timeout": 0.2}], ids=str
)
async def test_a_client_that_stops_reading_is_dropped(tmp_path: Path, limit: Message) -> None:
    before = closed_by("slow")
    async with running(tmp_path, **{**ROOMY, **limit}) as server, deaf_client(server) as session:
        ring_60_times(session)

        await server.control.wait_until(lambda: bool(server.control.lost))

    assert closed_by("slow") == before + 1


async def test_stopping_does_not_wait_for_a_client_that_stopped_reading(tmp_path: Path) -> None:
    async with running(tmp_path, **ROOMY, close_timeout=0.1) as server, deaf_client(server) as session:
        ring_60_times(session)

        async with asyncio.timeout(9):
            await server.verto.stop()

        assert server.control.lost == [session.session_id]


async def test_a_hold_and_a_media_update_are_answered_through_the_handle(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await client.log_in()
        await client.ask("telnyx_rtc.invite", invite())
        session, call = server.control.calls[0]
        for members in ({"action": "hold"}, {"action": "updateMedia", "sdp": OFFER}, {"action": "unhold"}):
            await client.say("telnyx_rtc.modify", about("call-1", **members))
        await server.control.wait_until(lambda: len(server.control.messages) == 3)
        (_, _, hold), (_, _, update), (_, _, unhold) = server.control.messages
        assert isinstance(hold, ClientHold)
        assert isinstance(update, ClientUpdateMedia)
        assert isinstance(unhold, ClientHold)

        session.reply_hold(hold.request_id, call.verto_call_id, action="hold", is_held=True)
        session.reply_update_media(update.request_id, call.verto_call_id, sdp=Sdp(OFFER))
        session.reply_error(unhold.request_id, code=-32002, message="not now")

        assert (await client.hear())["result"]["holdState"] == "held"
        assert (await client.hear())["result"]["sdp"] == OFFER
        assert (await client.hear())["error"]["message"] == "not now"


async def test_v59_no_secret_of_a_frame_reaches_the_log_even_at_debug_level(tmp_path: Path) -> None:
    level = logging.getLogger("gateway.vsp.websocket")
    level.setLevel(logging.DEBUG)
    try:
        with structlog.testing.capture_logs() as lines:
            async with running(tmp_path) as server, server.connect() as client:
                await client.say_text('{"jsonrpc":"2.0","id":"1","method":"login","params":{"passwd":"hunter2"')
                await client.log_in(password="hunter2")
                await client.ask("login", {"login_token": "jwt-alice"})
                await client.ask("telnyx_rtc.invite", invite())
                await client.ask("telnyx_rtc.info", about("call-1", dtmf="998877"))
    finally:
        level.setLevel(logging.NOTSET)

    text = repr(lines)
    assert sum(line["event"] == "verto_frame_received" for line in lines) == 5
    assert any(line["event"] == "verto_frame_sent" for line in lines)
    for secret in ("hunter2", "jwt-alice", "998877", "top-secret"):
        assert secret not in text


async def test_bad_frames_cost_two_log_lines_however_many_they_are(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        async with running(tmp_path) as server:
            async with server.connect() as client:
                for _ in range(50):
                    await client.say_text("garbage")
                await client.ask("telnyx_rtc.ping")
            async with server.connect() as client:
                await client.log_in()

    events = [line["event"] for line in lines]
    assert (events.count("frame_refused"), events.count("frames_refused")) == (1, 1)


async def test_sockets_are_bounded_in_total_per_address_and_without_login(tmp_path: Path) -> None:
    for name in ("max_sockets", "max_sockets_per_address", "max_sockets_without_login"):
        limits: Message = {name: 2}
        async with running(tmp_path, **limits) as server, server.connect(), server.connect():
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                async with server.connect():
                    raise AssertionError("that is one too many")
            assert refused.value.status == 503


async def test_a_logged_in_socket_makes_room_for_one_that_has_not(tmp_path: Path) -> None:
    async with running(tmp_path, max_sockets_without_login=1) as server, server.connect() as first:
        await first.log_in()

        async with server.connect() as second:
            assert "result" in await second.log_in("bob")


async def test_100_connections_leave_no_task_socket_or_session(tmp_path: Path) -> None:
    async with running(tmp_path) as server:
        for number in range(100):
            async with server.connect() as client:
                if number % 3:
                    await client.log_in()
                if number % 5 == 0:
                    client.websocket._response.close()  # the connection is torn
        await server.control.wait_until(lambda: len(server.control.lost) == 66)
        async with server.connect() as client:
            await client.log_in()
        await server.control.wait_until(lambda: len(server.control.lost) == 67)

        assert len(server.registry) == 0
    assert server.verto.sockets == 0
    assert len(asyncio.all_tasks()) == 1


async def test_stopping_closes_every_socket_with_1001_and_refuses_new_ones(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client, server.connect() as idle:
        session_id = (await client.log_in())["result"]["sessid"]
        async with asyncio.TaskGroup() as group:
            codes = [group.create_task(one.closed()) for one in (client, idle)]
            await server.verto.stop()

        assert [code.result() for code in codes] == [1001, 1001]
        assert server.control.lost == [session_id]
        assert server.verto.sockets == 0
        with pytest.raises(aiohttp.WSServerHandshakeError):
            async with server.connect():
                raise AssertionError("no more")


async def test_stopping_ends_the_windows_of_lost_sessions(tmp_path: Path) -> None:
    async with running(tmp_path, reattach_window=3600.0) as server:
        async with server.connect() as client:
            session_id = (await client.log_in())["result"]["sessid"]
        async with server.connect() as client:
            await client.log_in("bob")  # by now the first socket has ended
    assert session_id in server.control.lost
    assert len(server.registry) == 0


async def test_stopping_does_not_wait_for_a_client_that_never_answers_the_close(tmp_path: Path) -> None:
    async with running(tmp_path, close_timeout=0.2) as server, server.connect(autoclose=False) as client:
        await client.log_in()

        async with asyncio.timeout(9):
            await server.verto.stop()

        assert server.verto.sockets == 0


# ---- how many


@pytest.mark.parametrize(
    ("limit", "second", "third"),
    [({"max_sessions_per_user": 1}, "alice", "bob"), ({"max_sessions_per_connection": 1}, "bob", "eve")],
)
async def test_one_session_too_many_is_refused_and_none_ends_for_it(
    tmp_path: Path, limit: Message, second: str, third: str
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(running(tmp_path, **limit))
        one, two, three = [await stack.enter_async_context(server.connect()) for _ in range(3)]
        session_id = (await one.log_in())["result"]["sessid"]

        refused = await two.log_in(second)
        taken_over = await three.log_in(sessid=session_id, reconnection=True)

        assert refused["error"]["code"] == -32001
        assert "too many sessions" in refused["error"]["message"]
        assert taken_over["result"]["sessid"] == session_id  # the same session: not one more
        assert "result" in await two.log_in(third)


async def test_m65_m69_call_control_hears_who_arrived_and_who_declined(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as phone, server.connect() as browser:
        late: Message = {"User-Agent": "iOS-4.1.2", "userVariables": {"pn_late_fanout": "true"}}
        phone_id = (await phone.log_in(**late))["result"]["sessid"]
        browser_id = (await browser.log_in("bob", loginParams={"decline_push": True}))["result"]["sessid"]

        assert server.control.arrived == [(phone_id, True, True)]
        assert server.control.declined == [browser_id]


async def test_m65_m66_attach_calls_says_whether_a_call_is_there(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        session_id = (await client.log_in())["result"]["sessid"]
        assert (await client.ask("telnyx_rtc.attachCalls"))["error"] == {"message": "no call waits for this device"}

        server.control.called.add(session_id)

        answer = await client.ask("telnyx_rtc.attachCalls")
        assert answer["result"] == {"params": {"state": "ATTACHED"}, "sessid": session_id}
