"""Two user agents call each other over real sockets."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from gateway.sip.call import (
    Answered,
    Cancelled,
    Confirmed,
    DigitsUnsent,
    Ended,
    InfoDtmf,
    Provisional,
    Rejected,
    Reoffered,
    Target,
)
from gateway.sip.transport.flow import Transport
from tests.wire.sip.agents import ANSWER, OFFER, OTHER, Agent, Ear, Outcome, connected, pair, running, settings

Pair = tuple[Agent, Agent]


@pytest.fixture(params=["udp", "tcp"])
async def agents(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    async with pair(settings(cast("Transport", request.param))) as both:
        yield both


async def test_a_call_is_rung_answered_and_hung_up_by_the_caller(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri("+12025550100"))
    into = await callee.gets_call()

    assert (into.call.offer, into.call.request_user, into.call.trunk) == (OFFER, "+12025550100", "loop")
    assert (into.call.caller_number, into.call.caller_name) == ("alice", "Alice")
    assert into.call.sip_call_id == out.call.sip_call_id
    into.call.ring()
    assert await out.ear.hears(Provisional) == Provisional(180, "Ringing", None)
    into.call.answer(ANSWER)
    assert (await out.ear.hears(Answered)).sdp == ANSWER
    assert await into.ear.hears(Confirmed) == Confirmed(None)
    out.call.hangup(q850=16)
    assert await into.ear.hears(Ended) == Ended(16, "bye")


async def test_the_callee_hangs_up(agents: Pair) -> None:
    out, into = await connected(*agents)

    into.call.hangup(q850=31)

    assert await out.ear.hears(Ended) == Ended(31, "bye")
    agents[0].assert_idle()


async def test_early_media_comes_with_183(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()

    into.call.progress(ANSWER)

    assert await out.ear.hears(Provisional) == Provisional(183, "Session Progress", ANSWER)
    into.call.answer(ANSWER)
    assert (await out.ear.hears(Answered)).sdp == ANSWER


async def test_digits_go_both_ways_in_their_order(agents: Pair) -> None:
    out, into = await connected(*agents)

    out.call.send_digits("12#", 0.2)
    into.call.send_digits("A", None)

    assert [await into.ear.hears(InfoDtmf) for _ in range(3)] == [InfoDtmf(digit, 0.2) for digit in "12#"]
    assert await out.ear.hears(InfoDtmf) == InfoDtmf("A", 0.1)
    assert out.call.takes_info and into.call.takes_info
    out.call.hangup()
    await into.ear.hears(Ended)


async def test_no_digits_are_sent_before_the_answer(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.ring()
    await out.ear.hears(Provisional)

    out.call.send_digits("12", None)
    into.call.send_digits("3", None)

    assert await out.ear.hears(DigitsUnsent) == DigitsUnsent(2, 481)
    assert await into.ear.hears(DigitsUnsent) == DigitsUnsent(1, 481)
    assert not out.call.takes_info
    into.call.answer(ANSWER)
    await out.ear.hears(Answered)
    assert await into.ear.hears(Confirmed) == Confirmed(None)


async def test_a_busy_callee_is_486(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())

    (await callee.gets_call()).call.reject(486, "Busy Here")

    assert await out.ear.hears(Rejected) == Rejected(486, "Busy Here")
    caller.assert_idle()
    callee.assert_idle()


async def test_a_refusal_brings_its_q850_cause(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())

    (await callee.gets_call()).call.reject(603, "Decline", q850=21)

    assert await out.ear.hears(Rejected) == Rejected(603, "Decline", 21)


async def test_a_caller_that_hangs_up_while_it_rings_cancels(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.ring()
    await out.ear.hears(Provisional)

    out.call.hangup(q850=16)

    assert await into.ear.hears(Cancelled) == Cancelled(16)
    assert (await out.ear.hears(Rejected)).status == 487
    callee.assert_idle()


async def test_a_hangup_before_any_response_cancels_as_soon_as_one_comes(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()

    out.call.hangup()

    assert await into.ear.hears(Cancelled) == Cancelled(None)
    assert (await out.ear.hears(Rejected)).status == 487


async def test_a_cancel_that_crosses_the_200_is_followed_by_a_bye(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()
    into.call.ring()
    await out.ear.hears(Provisional)

    into.call.answer(ANSWER)
    out.call.hangup(q850=16)

    assert (await out.ear.hears(Rejected)).status == 487
    await into.ear.hears(Confirmed)
    assert await into.ear.hears(Ended) == Ended(16, "bye")


async def test_a_hangup_right_after_our_200_waits_for_the_ack(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    into = await callee.gets_call()

    into.call.answer(ANSWER)
    into.call.hangup(q850=16)

    await out.ear.hears(Answered)
    assert await out.ear.hears(Ended) == Ended(16, "bye")


async def test_both_hang_up_at_once(agents: Pair) -> None:
    out, into = await connected(*agents)

    out.call.hangup()
    into.call.hangup()

    third = agents[0].dials(agents[1].uri())
    (await agents[1].gets_call()).call.reject(486, "Busy Here")
    await third.ear.hears(Rejected)


async def test_the_caller_offers_again(agents: Pair) -> None:
    out, into = await connected(*agents)
    outcome = Outcome()

    out.call.reinvite(OTHER, outcome)
    assert await into.ear.hears(Reoffered) == Reoffered(OTHER)
    into.call.answer_reoffer(ANSWER)

    result = await outcome.get()
    assert isinstance(result, Answered)
    assert result.sdp == ANSWER


async def test_the_callee_offers_again_and_is_refused(agents: Pair) -> None:
    out, into = await connected(*agents)
    outcome = Outcome()

    into.call.reinvite(OTHER, outcome)
    await out.ear.hears(Reoffered)
    out.call.reject_reoffer(488)

    assert await outcome.get() == Rejected(488, "Not Acceptable Here")
    out.call.hangup()
    assert (await into.ear.hears(Ended)).reason == "bye"


async def test_offers_that_cross_are_settled_by_491_and_the_waiting_times(agents: Pair) -> None:
    out, into = await connected(*agents)
    of_caller, of_callee = Outcome(), Outcome()

    # with random 0 the owner of the Call-ID waits 2.1 s, the other side not at all: it comes first
    out.call.reinvite(OTHER, of_caller)
    into.call.reinvite(OTHER, of_callee)

    await out.ear.hears(Reoffered)
    out.call.answer_reoffer(ANSWER)
    assert isinstance(await of_callee.get(), Answered)
    await into.ear.hears(Reoffered)
    into.call.answer_reoffer(ANSWER)
    assert isinstance(await of_caller.get(), Answered)


async def test_commands_in_the_wrong_state_are_ignored(agents: Pair) -> None:
    caller, callee = agents
    out = caller.dials(callee.uri())
    out.call.answer_reoffer(ANSWER)
    out.call.reject_reoffer(488)
    out.call.reinvite(OTHER, Outcome())
    into = await callee.gets_call()
    into.call.answer_reoffer(ANSWER)
    into.call.reject_reoffer(488)
    into.call.reinvite(OTHER, Outcome())
    into.call.reject(486, "Busy Here")
    await out.ear.hears(Rejected)

    out.call.hangup()
    into.call.hangup()
    into.call.ring()
    into.call.answer(ANSWER)

    assert out.ear.events.empty()
    assert into.ear.events.empty()


async def test_headers_that_a_caller_adds_arrive_in_order(agents: Pair) -> None:
    caller, callee = agents
    headers = (("X-Tenant", "acme"), ("x-multi", "one"), ("X-Multi", "two"), ("P-Other", "no"))
    target = Target(uri=callee.uri("a%20b"), from_uri="sip:alice@127.0.0.1", headers=headers)
    caller.agent.invite(target, OFFER, Ear())

    into = await callee.gets_call()

    assert tuple(into.call.headers) == headers[:3]
    assert (into.call.request_user, into.call.request_host) == ("a b", "127.0.0.1")
    into.call.reject(404, "Not Found")


async def test_an_agent_that_stops_hangs_up_its_calls() -> None:
    async with running() as callee:
        async with running() as caller:
            answered, ringing = caller.dials(callee.uri()), caller.dials(callee.uri())
            first, second = await callee.gets_call(), await callee.gets_call()
            first.call.answer(ANSWER)
            second.call.ring()
            await answered.ear.hears(Answered)
            await ringing.ear.hears(Provisional)
            await caller.agent.stop(grace=5.0)

            caller.assert_idle()
            assert (await ringing.ear.hears(Rejected)).status == 487
            late = caller.dials(callee.uri())
            assert (await late.ear.hears(Rejected)).status == 503
        assert await first.ear.hears(Confirmed) == Confirmed(None)
        assert (await first.ear.hears(Ended)).reason == "bye"
        await second.ear.hears(Cancelled)
