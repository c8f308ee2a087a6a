"""Calls over a link that loses messages, on real sockets; `tests/unit/sip/core/test_lost_messages.py` has every one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from gateway.sip.call import Answered, Cancelled, Confirmed, Ended, Provisional, Rejected, Reoffered
from tests.harness.lossy_link import LosesFirst, LosesShare, LossyLink, loses_nothing, lossy_link
from tests.wire.sip.agents import ANSWER, OTHER, Agent, Inbound, Outbound, Outcome, pair, settings

GIVES_UP = 0.05
"""T1 in seconds, for what never arrives: it is given up after 3.2 s."""

FOR_EVER = 10_000


@dataclass(slots=True)
class Ends:
    caller: Agent
    callee: Agent
    link: LossyLink

    @property
    def uri(self) -> str:
        host, port = self.link.address
        return f"sip:bob@{host}:{port}"

    async def ring(self) -> tuple[Outbound, Inbound]:
        out = self.caller.dials(self.uri, reliability="supported")
        return out, await self.callee.gets_call()


@asynccontextmanager
async def ends(*, t1: float = 0.1) -> AsyncIterator[Ends]:
    async with pair(settings(t1=t1)) as (caller, callee):
        listener = callee.endpoint.listeners[0]
        async with lossy_link((listener.host, listener.port), loses_nothing) as link:
            yield Ends(caller, callee, link)


async def has_a_whole_call(both: Ends) -> None:
    """Early media, answer, re-INVITE, BYE."""
    out, into = await both.ring()
    into.call.progress(ANSWER)
    assert (await out.ear.hears(Provisional)).sdp == ANSWER
    into.call.answer(ANSWER)
    await out.ear.hears(Answered)
    await into.ear.hears(Confirmed)
    outcome = Outcome()
    out.call.reinvite(OTHER, outcome)
    await into.ear.hears(Reoffered)
    into.call.answer_reoffer(ANSWER)
    assert isinstance(await outcome.get(), Answered)
    out.call.hangup(q850=16)
    assert await into.ear.hears(Ended) == Ended(16, "bye")


@pytest.mark.parametrize(
    ("sender", "message"),
    [
        ("caller", "INVITE"),
        ("callee", "183 INVITE"),
        ("caller", "PRACK"),
        ("callee", "200 PRACK"),
        ("callee", "200 INVITE"),
        ("caller", "ACK"),
        ("caller", "BYE"),
        ("callee", "200 BYE"),
    ],
)
async def test_a_message_that_is_lost_twice_does_not_matter(sender: str, message: str) -> None:
    async with ends() as both:
        both.link.loses = LosesFirst(sender, message, 2)

        await has_a_whole_call(both)

        await both.link.carries("callee", "200 BYE")
        await both.caller.becomes_idle()
        assert (sender, message, True) in both.link.seen


async def test_a_lost_cancel_and_a_lost_487_are_repeated() -> None:
    for sender, message in (("caller", "CANCEL"), ("callee", "487 INVITE"), ("caller", "ACK")):
        async with ends() as both:
            both.link.loses = LosesFirst(sender, message)
            out, into = await both.ring()
            into.call.ring()
            await out.ear.hears(Provisional)

            out.call.hangup()

            assert (await out.ear.hears(Rejected)).status == 487
            await into.ear.hears(Cancelled)


async def test_an_ack_that_never_arrives_ends_the_call_on_both_sides() -> None:
    async with ends(t1=GIVES_UP) as both:
        both.link.loses = LosesFirst("caller", "ACK", FOR_EVER)
        out, into = await both.ring()

        into.call.answer(ANSWER)

        await out.ear.hears(Answered)
        assert await into.ear.hears(Ended) == Ended(None, "no_ack")
        assert await out.ear.hears(Ended) == Ended(None, "bye")


async def test_a_prack_that_never_arrives_refuses_the_call() -> None:
    async with ends(t1=GIVES_UP) as both:
        both.link.loses = LosesFirst("caller", "PRACK", FOR_EVER)
        out, into = await both.ring()

        into.call.progress(ANSWER)

        await out.ear.hears(Provisional)
        assert await into.ear.hears(Ended) == Ended(None, "no_prack")
        assert (await out.ear.hears(Rejected)).status in (408, 504)  # both give up after 64*T1


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_on_a_lossy_link_calls_come_about_and_end(share: float) -> None:
    async with ends() as both:
        weather = both.link.loses = LosesShare(share, seed=7)

        for _ in range(2):
            await has_a_whole_call(both)

        await both.caller.becomes_idle()
        await both.callee.becomes_idle()
        assert weather.count > 0
