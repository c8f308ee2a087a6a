"""Detail records of real calls: what is billed, and that it is what the clients saw."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from tests.harness.gateway import Running, running
from tests.harness.verto_client import connected
from tests.wire.whole.phone import Phone, phone
from tests.wire.whole.test_pushes import log_in, mobile_login

ECHO, BUSY = "+12025550100", "+12025550102"
USERS = ("alice", "robert", "carol")

Row = dict[str, Any]  # Any: JSON of the API


@dataclass
class Office:
    """A gateway and its phones, with a price for calls to America."""

    gateway: Running
    phones: AsyncExitStack

    async def phone(self, user: str) -> Phone:
        return await self.phones.enter_async_context(phone(self.gateway, user, codecs=["PCMU"]))

    async def records(self, count: int, **filters: str) -> list[Row]:
        """The records in the order in which the legs began, once there are so many."""
        query = {"filter[record_type]": "webrtc", "sort": "started_at"}
        query |= {f"filter[{name}]": value for name, value in filters.items()}
        path = str(URL("/v2/detail_records").with_query(query))
        async with asyncio.timeout(5):  # the promise: at the latest five seconds after the end
            while len(rows := (await self.gateway.get(path))["data"]) < count:
                pass
        assert len(rows) == count
        return list(rows)


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    settings = {
        "lab": {"time_scale": 0.1},
        "calls": {"stop_grace": 0.0},
        "rates": [{"prefix": "+1", "rate": "0.0125"}],
    }
    async with running(tmp_path, settings, users=USERS) as gateway, AsyncExitStack() as phones:
        yield Office(gateway, phones)


async def internal(caller: Phone, callee: Phone, user: str) -> tuple[str, str]:
    """A call between two phones that is answered; the ids at either end."""
    call = await caller.call(user)
    count = sum(message["method"] == "telnyx_rtc.invite" for message in callee.verto.messages)
    theirs = await callee.until_rung(max(1, count))
    await callee.answer(theirs)
    await caller.until_answered(call)
    return call, theirs


def seconds(row: Row) -> float:
    """Between the two times that a record shows."""
    start, end = (datetime.fromisoformat(row[name]) for name in ("started_at", "finished_at"))
    return (end - start).total_seconds()


async def test_record_of_a_call_names_what_the_client_saw_and_costs_its_minute(office: Office) -> None:
    alice, began = await office.phone("alice"), datetime.now(UTC)
    call = await alice.call(ECHO, caller_id_number="+1-202-555-0198", caller_id_name="Alice")
    await alice.until_answered(call)
    await alice.hang_up(call)
    ended = datetime.now(UTC)

    (row,) = await office.records(1)

    ringing = (await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call))["params"]
    assert row["id"] == row["telnyx_leg_id"] == ringing["telnyx_leg_id"]
    assert row["telnyx_session_id"] == ringing["telnyx_session_id"]
    assert (row["call_id"], row["session_id"], row["auth_username"]) == (call, alice.verto.session_id, "alice")
    assert (row["connection_id"], row["connection_name"]) == (office.gateway.connections["alice"], "alice")
    assert (row["direction"], row["cld"], row["dest_number"]) == ("outbound", ECHO, ECHO)
    assert (row["cli"], row["caller_number"], row["caller_name"]) == ("+12025550198", "+1-202-555-0198", "Alice")
    assert (row["billed_sec"], row["rate"], row["cost"]) == (60, "0.0125", "0.0125")
    assert row["call_sec"] <= (ended - began).total_seconds() + 0.5
    assert began.replace(microsecond=0) <= datetime.fromisoformat(row["started_at"]) <= ended
    assert datetime.fromisoformat(row["finished_at"]) <= ended
    assert row["telnyx_call_control_id"] == ""


async def test_call_between_two_clients_has_a_record_of_each_in_one_session(office: Office) -> None:
    alice, robert = await office.phone("alice"), await office.phone("robert")
    call, theirs = await internal(alice, robert, "robert@sip.telnyx.com")
    await robert.hang_up(theirs)

    caller, callee = await office.records(2)

    invite = (await robert.verto.wait_for("telnyx_rtc.invite"))["params"]
    assert [(row["direction"], row["auth_username"], row["call_id"]) for row in (caller, callee)] == [
        ("outbound", "alice", call),
        ("inbound", "robert", theirs),
    ]
    assert callee["telnyx_leg_id"] == invite["telnyx_leg_id"] != caller["telnyx_leg_id"]
    assert caller["telnyx_session_id"] == callee["telnyx_session_id"] == invite["telnyx_session_id"]
    assert {row["cld"] for row in (caller, callee)} == {"robert"}
    assert {row["dest_number"] for row in (caller, callee)} == {"robert@sip.telnyx.com"}
    assert {(row["billed_sec"], row["rate"]) for row in (caller, callee)} == {(60, "0.002")}


@pytest.mark.parametrize("destination", [BUSY, "nobody@sip.telnyx.com"])
async def test_call_that_failed_has_a_record_of_no_seconds(office: Office, destination: str) -> None:
    alice = await office.phone("alice")
    await alice.until_over(await alice.call(destination))

    (row,) = await office.records(1)

    assert (row["call_sec"], row["billed_sec"], row["cost"]) == (0, 0, "0")


async def test_call_that_lives_has_no_record_yet_and_that_of_a_lost_client_ends_with_it(office: Office) -> None:
    alice, robert = await office.phone("alice"), await office.phone("robert")
    await internal(alice, robert, "robert")
    while_it_lives = await office.records(0)
    await alice.verto.bye(next(iter(alice.media)))

    assert while_it_lives == []
    assert {row["call_sec"] <= seconds(row) + 1 for row in await office.records(2)} == {True}


async def test_client_that_did_not_win_the_race_has_a_record_of_its_own_that_costs_nothing(office: Office) -> None:
    alice = await office.phone("alice")
    async with (
        connected(office.gateway.websocket) as first_socket,
        connected(office.gateway.websocket) as second_socket,
    ):
        first, second = Phone(first_socket, ["PCMU"]), Phone(second_socket, ["PCMU"])
        for one, agent, provider in ((first, "iOS-4.1.2", "ios"), (second, "Android-3.7.0", "android")):
            login = mobile_login("robert", agent, provider=provider)
            login["userVariables"]["push_when_active"] = True  # it rings together with the others
            await log_in(one.verto, login)
        call = await alice.call("robert")
        theirs = await first.until_rung()
        await second.until_rung()
        await first.answer(theirs)
        await alice.until_answered(call)
        await second.verto.wait_for("telnyx_rtc.bye")
        await alice.hang_up(call)
        await first.close()

        rows = await office.records(3)

    inbound = {row["session_id"]: row["billed_sec"] for row in rows if row["direction"] == "inbound"}
    assert inbound == {first.verto.session_id: 60, second.verto.session_id: 0}
    assert len({row["telnyx_leg_id"] for row in rows}) == 3


async def test_transfer_keeps_the_record_of_the_one_who_stays_and_begins_that_of_the_one_who_comes(
    office: Office,
) -> None:
    alice, robert, carol = [await office.phone(user) for user in USERS]
    call, theirs = await internal(alice, robert, "robert")
    await robert.verto.modify(theirs, "transfer", destination="carol")
    ringing = await carol.until_rung()
    await carol.answer(ringing)
    (left,) = await office.records(1)
    await carol.hang_up(ringing)

    rows = await office.records(3)

    assert (left["auth_username"], left["call_id"], left["billed_sec"]) == ("robert", theirs, 60)
    assert [(row["auth_username"], row["direction"], row["billed_sec"]) for row in rows] == [
        ("alice", "outbound", 60),
        ("robert", "inbound", 60),
        ("carol", "inbound", 60),
    ]
    assert rows[0]["call_id"] == call
    assert rows[2]["cld"] == "carol"
    ends = [datetime.fromisoformat(row["finished_at"]) for row in (left, rows[2], rows[0])]
    assert ends == sorted(ends)  # in whole seconds: the two who talked last may end on either side of one
    assert ends[2] - ends[1] <= timedelta(seconds=1)


async def test_attended_transfer_takes_a_leg_into_another_call_and_its_record_keeps_its_ids(office: Office) -> None:
    alice, robert, carol = [await office.phone(user) for user in USERS]
    _, roberts = await internal(robert, alice, "alice")
    second, carols = await internal(alice, carol, "carol")
    await alice.verto.modify(roberts, "replace", replaceCallID=second)
    await alice.verto.wait_for("telnyx_rtc.bye", call_id=second)
    of_alice = await office.records(2)
    await carol.hang_up(carols)

    rows = await office.records(4)

    seen = (await carol.verto.wait_for("telnyx_rtc.invite"))["params"]
    (of_carol,) = [row for row in rows if row["auth_username"] == "carol"]
    assert {row["auth_username"] for row in of_alice} == {"alice"}
    assert (of_carol["telnyx_leg_id"], of_carol["telnyx_session_id"]) == (
        seen["telnyx_leg_id"],
        seen["telnyx_session_id"],
    )
    assert sorted(row["auth_username"] for row in rows) == ["alice", "alice", "carol", "robert"]
    assert {row["billed_sec"] for row in rows} == {60}


async def test_login_with_a_token_counts_under_the_credential(office: Office) -> None:
    provisioning = office.gateway.gateway.provisioning
    made = await provisioning.add_credential(office.gateway.connections["alice"], name="desk")
    token = await provisioning.create_token(made.credential.credential_id, ttl=600)
    async with connected(office.gateway.websocket) as verto:
        await verto.login(login_token=token)
        desk = Phone(verto, ["PCMU"])
        await desk.until_over(await desk.call(BUSY))

    (row,) = await office.records(1, auth_username=made.credential.sip_username)

    assert (row["connection_id"], row["direction"]) == (office.gateway.connections["alice"], "outbound")
    assert await office.records(0, auth_username="alice") == []
