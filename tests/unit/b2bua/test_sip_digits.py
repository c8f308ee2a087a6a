"""How digits reach a far end that speaks SIP: by what its media agreed on, else by INFO where it takes that."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from structlog.testing import capture_logs

from gateway.b2bua.directory import CallDirectory
from gateway.b2bua.routing import Router, Trunk
from gateway.b2bua.settings import CallSettings
from gateway.domain.client_media import DtmfMode
from gateway.domain.ids import LegName, Sdp, VertoCallId
from gateway.media.engine import LegOptions
from gateway.sip.call import Answered, DigitsUnsent, Rejected
from gateway.vsp.control import ClientAnswer, ClientDtmf, Invite
from tests.fakes.clients import RecordingIncomingCall, RecordingOutgoingCall, RecordingSession, RecordingUserAgent
from tests.fakes.media import FakeMediaEngine, FakeMediaSession

CALL = VertoCallId("c1")
NUMBER = "+4930123456"
RFC_2833, INBAND, SIP_INFO = DtmfMode


@dataclass
class Site:
    """A directory and a client of it."""

    directory: CallDirectory
    alice: RecordingSession
    agent: RecordingUserAgent
    engine: FakeMediaEngine

    def dial(self) -> None:
        invite = Invite(
            verto_call_id=CALL,
            sdp=Sdp("offer of browser"),
            is_trickle=False,
            destination=NUMBER,
            caller_name="",
            caller_number="",
            client_state=None,
            custom_headers=(),
            user_agent="test",
        )
        self.directory.call_requested(self.alice, invite)

    async def answered(self, count: int = 1, *, takes_events: bool, takes_info: bool = False) -> RecordingOutgoingCall:
        """The attempt number `count`, answered."""
        call = await self.agent.wait_for_call(count)
        self.media.has_telephone_event, call.takes_info = takes_events, takes_info
        call.say(Answered(Sdp("answer of trunk"), {}))
        await self.alice.wait_for("answer")
        return call

    @property
    def media(self) -> FakeMediaSession:
        return self.engine.sessions[0]

    def alice_says(self, digits: str) -> None:
        self.directory.client_message(self.alice.session_id, CALL, ClientDtmf(digits))

    async def played(self) -> list[tuple[LegName, str]]:
        """What media have been given to play, once there is something."""
        await self.media.digits_sent.wait()
        return self.media.digits


@asynccontextmanager
async def site(*modes: DtmfMode) -> AsyncIterator[Site]:
    """With a trunk for each mode, in that order; calls of the first one may come in."""
    alice, agent, engine = RecordingSession("alice", "s-alice"), RecordingUserAgent(), FakeMediaEngine()
    trunks = [
        Trunk(name=str(number), uri="sip:127.0.0.2:5060", codecs=("PCMU",), dtmf=mode)
        for number, mode in enumerate(modes)
    ]

    async def none_of_that_number(_number: str) -> str | None:
        return None

    directory = CallDirectory(
        CallSettings(stop_grace=0.0),
        engine=engine,
        router=Router(
            domain="sip.telnyx.com",
            trunks=trunks,
            find_client={"alice": alice}.get,
            find_connection_of_number=none_of_that_number,
            find_client_of_connection=lambda _: None,
            is_magic_number=lambda _: False,
        ),
        invite=agent.invite,
        domain="sip.telnyx.com",
        trunk_codecs=lambda _: ("PCMU",),
        caller_options=lambda _: LegOptions(dtmf=modes[0]),
    )
    async with directory, asyncio.timeout(30):
        yield Site(directory, alice, agent, engine)
        await directory.drain()


def infos(call: RecordingOutgoingCall | RecordingIncomingCall) -> list[tuple[object, ...]]:
    return [entry[1:] for entry in call.log if entry[0] == "digits"]


async def test_trunk_that_wants_info_gets_digits_of_both_kinds_so_and_media_plays_none() -> None:
    async with site(SIP_INFO) as one:
        one.dial()
        call = await one.answered(takes_events=True)

        one.alice_says("42")
        one.media.hear(LegName.A, "7", 0.25)
        await call.wait_for("digits", 2)

        assert one.media.options[LegName.B] == LegOptions(dtmf=SIP_INFO)
        assert infos(call) == [("42", None), ("7", 0.25)]
        assert one.media.digits == []


async def test_trunk_that_calls_and_wants_info_gets_it() -> None:
    async with site(SIP_INFO) as one:
        call = RecordingIncomingCall("alice")
        one.directory.incoming(call)
        await one.alice.wait_for("invite")
        (theirs,) = [leg.verto_call_id for leg in one.directory.live()[0].client_legs]
        answer = ClientAnswer(sdp=Sdp("answer of alice"), is_trickle=False, custom_headers=())
        one.directory.client_message(one.alice.session_id, theirs, answer)
        await call.wait_for("answer")

        one.directory.client_message(one.alice.session_id, theirs, ClientDtmf("42"))
        await call.wait_for("digits")

        assert one.media.options[LegName.A] == LegOptions(dtmf=SIP_INFO)
        assert infos(call) == [("42", None)]


@pytest.mark.parametrize("mode", [RFC_2833, INBAND])
async def test_trunk_whose_media_take_digits_gets_no_info_whatever_it_allows(mode: DtmfMode) -> None:
    async with site(mode) as one:
        one.dial()
        call = await one.answered(takes_events=True, takes_info=True)

        one.media.hear(LegName.A, "7", 0.25)
        one.alice_says("42")

        assert await one.played() == [(LegName.B, "42")]
        assert one.media.options[LegName.B] == LegOptions(dtmf=mode)
        assert infos(call) == []


async def test_trunk_without_telephone_event_that_allows_info_gets_info() -> None:
    async with site(RFC_2833) as one:
        one.dial()
        call = await one.answered(takes_events=False, takes_info=True)

        one.alice_says("42")
        one.media.hear(LegName.A, "7", 0.25)
        await call.wait_for("digits", 2)

        assert infos(call) == [("42", None), ("7", 0.25)]


async def test_trunk_that_takes_digits_in_no_way_gets_none_and_the_log_counts_them() -> None:
    async with site(RFC_2833) as one:
        one.dial()
        call = await one.answered(takes_events=False)

        with capture_logs() as lines:
            one.alice_says("42")
            await one.media.digits_refused.wait()

        assert [(line["event"], line["count"]) for line in lines] == [("digits_not_sent", 2)]
        assert infos(call) == []


@pytest.mark.parametrize(("takes_events", "by_info"), [(True, False), (False, True)])
async def test_second_trunk_gets_digits_as_the_offer_of_the_first_lets_it(takes_events: bool, by_info: bool) -> None:
    async with site(RFC_2833, SIP_INFO) as one:
        one.dial()
        (await one.agent.wait_for_call()).say(Rejected(503, "Service Unavailable"))
        call = await one.answered(2, takes_events=takes_events)

        one.alice_says("42")
        if by_info:
            await call.wait_for("digits")
        else:
            assert await one.played() == [(LegName.B, "42")]

        assert one.media.options[LegName.B] == LegOptions(dtmf=RFC_2833)
        assert infos(call) == ([("42", None)] if by_info else [])


async def test_what_is_no_digit_goes_into_no_info() -> None:
    async with site(SIP_INFO) as one:
        one.dial()
        call = await one.answered(takes_events=False)

        for text in ("1 2", "x", "5\r\nSignal=6", ""):
            one.alice_says(text)
        one.alice_says("A")
        await call.wait_for("digits")

        assert infos(call) == [("A", None)]


@pytest.mark.parametrize(("status", "event"), [(415, "digits_not_sent"), (None, "digits_dropped")])
async def test_digits_that_the_far_end_does_not_get_are_counted_in_the_log(status: int | None, event: str) -> None:
    async with site(SIP_INFO) as one:
        one.dial()
        call = await one.answered(takes_events=False)

        with capture_logs() as lines:
            call.say(DigitsUnsent(3, status))

        (line,) = lines
        assert (line["event"], line["log_level"], line["leg"]) == (event, "warning", "b")
        assert (line["count"], line["sip_status"], line["sip_call_id"]) == (3, status, call.sip_call_id)
        assert [snapshot.state for snapshot in one.directory.live()] == ["active"]
