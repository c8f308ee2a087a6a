"""Visitors over real sockets: they come in, may come back, and their number is bounded."""

from pathlib import Path

from tests.unit.vsp.conversation import Message, invite
from tests.wire.vsp.harness import Client, running

TARGET = {"target_type": "ai_assistant", "target_id": "assistant-1"}


async def enter(client: Client, **members: object) -> Message:
    """Log in as a visitor; clientReady is taken off as well."""
    answer = await client.ask("anonymous_login", {**TARGET, "reconnection": False, **members})
    if "result" in answer:
        assert (await client.hear())["method"] == "telnyx_rtc.clientReady"
    return answer


async def test_v46_a_visitor_is_registered_and_cannot_be_called(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        answer = await enter(client)
        state = await client.ask("telnyx_rtc.gatewayState")

        assert state["result"]["params"]["state"] == "REGED"
        assert state["result"]["sessid"] == answer["result"]["sessid"]
        (session,) = server.registry.sessions()
        assert (session.username, session.connection_id) == ("", None)
        assert server.registry.find_by_username("") is None


async def test_a_visitor_s_call_reaches_call_control_also_without_a_destination(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as client:
        await enter(client)

        assert (await client.ask("telnyx_rtc.invite", invite(destination="")))["result"]["message"] == "CALL CREATED"
        ((session, wanted),) = server.control.calls
        assert session.identity.is_visitor
        assert wanted.destination == ""


async def test_a_visitor_comes_back_to_its_session_and_only_for_the_same_target(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as old, server.connect() as new, server.connect() as other:
        session_id = (await enter(old))["result"]["sessid"]

        stranger = await enter(other, sessid=session_id, reconnection=True, target_id="assistant-2")
        again = await enter(new, sessid=session_id, reconnection=True)

        assert stranger["result"]["sessid"] != session_id
        assert again["result"]["sessid"] == session_id
        assert len(server.registry) == 2


async def test_a_member_does_not_become_a_visitor_and_a_visitor_no_member(tmp_path: Path) -> None:
    async with running(tmp_path) as server, server.connect() as member, server.connect() as visitor:
        await member.log_in()
        await enter(visitor)

        assert (await member.ask("anonymous_login", TARGET))["error"]["code"] == -32001
        assert (await visitor.ask("login", {"login": "alice", "passwd": "right"}))["error"]["code"] == -32001
        assert sorted(session.username for session in server.registry.sessions()) == ["", "alice"]


async def test_visitors_are_bounded_and_may_be_switched_off(tmp_path: Path) -> None:
    async with running(tmp_path / "a", max_visitors=1) as server, server.connect() as one, server.connect() as two:
        await enter(one)
        refused = await enter(two)
        assert refused["error"]["code"] == -32001
        assert "too many" in refused["error"]["message"]
        assert "result" in await two.ask("telnyx_rtc.ping")
    async with running(tmp_path / "b", anonymous_login=False) as server, server.connect() as client:
        assert (await enter(client))["error"]["code"] == -32001
        assert len(server.registry) == 0
