"""Calls through the directory, with recorded clients and trunks and no packets."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from gateway.b2bua.directory import CallDirectory
from gateway.b2bua.headers import crossing_headers
from gateway.b2bua.routing import Router, Trunk
from gateway.b2bua.settings import CallSettings
from gateway.domain.causes import NORMAL_CLEARING, RECOVERY_ON_TIMER_EXPIRE, REJECTIONS, USER_BUSY
from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRinging, Fact
from gateway.domain.ids import Direction, LegName, Sdp, VertoCallId
from gateway.media.engine import Sound
from gateway.observability.metrics import REGISTRY
from gateway.sip.call import Answered, Cancelled, Confirmed, Ended, InfoDtmf, Provisional, Rejected, Reoffered
from gateway.vsp.control import (
    ClientAnswer,
    ClientBye,
    ClientDtmf,
    ClientHold,
    ClientRinging,
    ClientUpdateMedia,
    Invite,
    SocketLost,
)
from tests.fakes.clients import RecordingIncomingCall, RecordingSession, RecordingUserAgent
from tests.fakes.media import FakeMediaEngine

CALL = VertoCallId("c1")
SDP = Sdp("offer of browser")


@dataclass
class House:
    """A directory with everything around it recorded."""

    directory: CallDirectory
    alice: RecordingSession
    bob: RecordingSession
    agent: RecordingUserAgent
    engine: FakeMediaEngine
    facts: list[Fact]
    connected: dict[str, RecordingSession]
    """Sessions that are on another socket than the one that routing found."""
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def dial(
        self,
        destination: str,
        call: VertoCallId = CALL,
        sdp: Sdp = SDP,
        headers: Sequence[tuple[str, str]] = (("X-Ref", "42"), ("Subject", "hi"), ("X-Bad", "a\r\nVia: b")),
    ) -> None:
        """Alice calls."""
        invite = Invite(
            verto_call_id=call,
            sdp=sdp,
            is_trickle=False,
            destination=destination,
            caller_name="Alice",
            caller_number="+12025550198",
            client_state=None,
            custom_headers=headers,
            user_agent="test",
        )
        self.directory.call_requested(self.alice, invite)

    def alice_says(self, message: object, call: VertoCallId = CALL) -> None:
        self.directory.client_message(self.alice.session_id, call, message)  # type: ignore[arg-type] # union of messages

    def take(self, fact: Fact) -> None:
        self.facts.append(fact)
        if isinstance(fact, CallEnded):
            self.ended.set()

    @property
    def last(self) -> CallEnded:
        fact = self.facts[-1]
        assert isinstance(fact, CallEnded)
        return fact


async def connection_of(number: str) -> str | None:
    return "bob's" if number == "+12025550190" else None


@pytest.fixture
async def house() -> AsyncIterator[House]:
    alice, bob = RecordingSession("alice", "s-alice"), RecordingSession("bob", "s-bob")
    agent, engine = RecordingUserAgent(), FakeMediaEngine()
    clients = {"alice": alice, "bob": bob}
    router = Router(
        domain="sip.telnyx.com",
        trunks=[
            Trunk(name="one", uri="sip:127.0.0.2:5060;transport=tcp", codecs=("PCMU",), username="u", password="p"),
            Trunk(name="two", uri="sip:127.0.0.3:5060", codecs=("PCMA",)),
        ],
        find_client=clients.get,
        find_connection_of_number=connection_of,
        find_client_of_connection=lambda connection: bob if connection == "bob's" else None,
        is_magic_number=lambda _: False,
    )
    directory = CallDirectory(
        CallSettings(ring_timeout=5.0, stop_grace=0.0, max_calls=3, max_calls_per_session=2),
        engine=engine,
        router=router,
        invite=agent.invite,
        domain="sip.telnyx.com",
        trunk_codecs=lambda _: ("PCMU", "PCMA"),
        find_session=lambda session_id: found.get(session_id),
    )
    found: dict[str, RecordingSession] = {}
    house = House(directory, alice, bob, agent, engine, [], found)
    directory.subscribe(house.take)
    async with directory, asyncio.timeout(30):
        yield house
        await directory.drain()


async def answered(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Provisional(180, "Ringing", None))
    call.say(Answered(Sdp("answer of trunk"), {}))
    await house.alice.wait_for("answer")


async def test_outbound_call_rings_answers_and_ends_with_facts_in_order(house: House) -> None:
    await answered(house)
    house.alice_says(ClientBye(cause=NORMAL_CLEARING, sip_code=None, custom_headers=()))
    await house.ended.wait()

    assert [message[0] for message in house.alice.sent] == ["ringing", "answer"]
    assert house.alice.sent[1] == ("answer", "answer to offer of browser")
    assert house.agent.calls[0].log == [("hangup", 16)]
    assert [type(fact) for fact in house.facts] == [CallInitiated, CallRinging, CallAnswered, CallEnded]
    assert (house.last.cause, house.last.ended_by, house.last.trunk) == (NORMAL_CLEARING, LegName.A, "one")
    assert set(house.last.stages) >= {"dialed", "ringing", "active", "ended"}
    assert house.engine.sessions[0].is_closed
    assert house.directory.live() == []


async def test_media_is_told_once_that_the_call_is_answered(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Provisional(183, "Session Progress", Sdp("early answer of trunk")))
    await house.alice.wait_for("media")
    session = house.engine.sessions[0]
    assert ("answered",) not in session.log, "it rings"

    call.say(Answered(Sdp("early answer of trunk"), {}))
    await house.alice.wait_for("answer")
    house.alice_says(ClientHold("r1", True))
    house.alice_says(ClientHold("r2", False))
    house.alice_says(ClientBye(cause=NORMAL_CLEARING, sip_code=None, custom_headers=()))
    await house.ended.wait()

    assert session.log.count(("answered",)) == 1


async def test_invite_to_trunk_carries_number_caller_credentials_and_only_x_headers(house: House) -> None:
    house.dial("+49 30 123456")
    call = await house.agent.wait_for_call()

    assert call.target.uri == "sip:+4930123456@127.0.0.2:5060;transport=tcp"
    assert call.target.from_uri == "sip:+12025550198@sip.telnyx.com"
    assert call.target.from_name == "Alice"
    assert (call.target.username, call.target.password) == ("u", "p")
    assert tuple(call.target.headers) == (("X-Ref", "42"),)


@pytest.mark.parametrize("name", ["Route", "from", "P-Asserted-Identity", "f"])
async def test_a_reserved_header_of_a_client_ends_its_call_with_a_reason_that_names_it(house: House, name: str) -> None:
    house.dial("+4930123456", headers=(("X-Ref", "42"), (name, "<sip:evil>")))

    reason = f"Forbidden D10: the header {name} is reserved"
    assert house.alice.sent == [("bye", REJECTIONS["D10"].name, 403, reason)]
    assert house.agent.calls == []
    assert house.directory.live() == []


async def test_m57_custom_headers_of_the_trunks_answer_reach_the_caller(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Answered(Sdp("answer of trunk"), {"X-Agent": "7", "Server": "trunk", "X-Bad": "a\nb"}))
    await house.alice.wait_for("answer")

    assert house.alice.answer_headers == (("X-Agent", "7"),)


async def test_m57_custom_headers_of_a_clients_answer_reach_the_trunk(house: House) -> None:
    call = RecordingIncomingCall(request_user="bob", offer=Sdp("offer of trunk"))
    house.directory.incoming(call)
    await house.bob.wait_for("invite")
    headers = (("X-Agent", "7"), ("Via", "nobody"))
    answer = ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=headers)
    house.directory.client_message(house.bob.session_id, house.bob.calls[0], answer)
    await call.wait_for("answer")

    assert call.answer_headers == (("X-Agent", "7"),)


async def test_early_media_then_answer_without_sdp(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Provisional(183, "Session Progress", Sdp("early")))
    await house.alice.wait_for("media")
    call.say(Answered(Sdp("early"), {}))
    await house.alice.wait_for("answer")

    assert house.alice.sent == [("media", "answer to offer of browser"), ("answer", None)]


async def test_busy_trunk_reaches_client_with_cause_and_sip_code(house: House) -> None:
    house.dial("+4930123456")
    (await house.agent.wait_for_call()).say(Rejected(486, "Busy Here"))

    assert await house.alice.wait_for("bye") == ("bye", "USER_BUSY", 486, "Busy Here")
    await house.ended.wait()
    assert house.last.sip_status == 486


async def test_dead_trunk_is_followed_by_the_next(house: House) -> None:
    house.dial("+4930123456")
    first = await house.agent.wait_for_call()
    first.say(Rejected(503, "Service Unavailable"))
    second = await house.agent.wait_for_call(2)
    first.say(Ended(None, "bye"))
    second.say(Answered(Sdp("answer of trunk"), {}))
    await house.alice.wait_for("answer")

    assert second.target.uri == "sip:+4930123456@127.0.0.3:5060"
    assert house.directory.live()[0].trunk == "two"


async def test_unknown_destination_is_refused_after_call_created(house: House) -> None:
    house.dial("nobody@sip.telnyx.com")

    assert await house.alice.wait_for("bye") == ("bye", "SUBSCRIBER_ABSENT", 480, "User not registered")


async def test_offer_that_media_cannot_read_is_incompatible(house: House) -> None:
    house.dial("+4930123456", sdp=Sdp("bad"))

    assert await house.alice.wait_for("bye") == ("bye", "INCOMPATIBLE_DESTINATION", 488, "Not Acceptable Here")
    assert house.agent.calls == []


async def test_answer_that_media_cannot_read_hangs_up_both(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Answered(Sdp("bad"), {}))

    await house.alice.wait_for("bye")
    assert call.log == [("hangup", 88)]


async def test_internal_call_rings_and_connects_two_browsers(house: House) -> None:
    house.dial("bob")
    await house.bob.wait_for("invite")
    bobs_call = house.bob.calls[0]
    house.directory.client_message(house.bob.session_id, bobs_call, ClientRinging())
    await house.alice.wait_for("ringing")
    answer = ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=())
    house.directory.client_message(house.bob.session_id, bobs_call, answer)
    await house.alice.wait_for("answer")
    house.directory.client_message(house.bob.session_id, bobs_call, answer)
    bye = ClientBye(cause=NORMAL_CLEARING, sip_code=None, custom_headers=())
    house.directory.client_message(house.bob.session_id, bobs_call, bye)
    await house.ended.wait()

    assert house.bob.sent[0] == ("invite", "offer 1 to b", "Alice", "+12025550198", "bob", (("X-Ref", "42"),))
    assert house.alice.sent[-1] == ("bye", "NORMAL_CLEARING", None, None)
    assert house.last.direction is Direction.INTERNAL
    assert not house.directory.has_call(house.bob.session_id, bobs_call)


async def test_inbound_call_rings_browser_and_answers_trunk(house: House) -> None:
    trunk = RecordingIncomingCall("+12025550190")
    house.directory.incoming(trunk)
    await house.bob.wait_for("invite")
    bobs_call = house.bob.calls[0]
    house.directory.client_message(house.bob.session_id, bobs_call, ClientRinging())
    await trunk.wait_for("ring")
    answer = ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=())
    house.directory.client_message(house.bob.session_id, bobs_call, answer)
    assert await trunk.wait_for("answer") == ("answer", "answer to offer from trunk")
    trunk.say(Confirmed(None))
    trunk.say(Ended(16, "bye"))
    await house.ended.wait()

    assert house.bob.sent[0][5] == (("X-Tenant", "acme"),)
    assert house.bob.sent[-1] == ("bye", "NORMAL_CLEARING", None, None)


async def test_browser_that_rejects_gives_trunk_busy_here(house: House) -> None:
    trunk = RecordingIncomingCall("bob")
    house.directory.incoming(trunk)
    await house.bob.wait_for("invite")
    bye = ClientBye(cause=USER_BUSY, sip_code=None, custom_headers=())
    house.directory.client_message(house.bob.session_id, house.bob.calls[0], bye)

    assert await trunk.wait_for("reject") == ("reject", 486, "Busy Here", 17)


async def test_cancel_of_trunk_ends_the_ringing_browser(house: House) -> None:
    trunk = RecordingIncomingCall("bob")
    house.directory.incoming(trunk)
    await house.bob.wait_for("invite")
    trunk.say(Cancelled())

    assert await house.bob.wait_for("bye") == ("bye", "ORIGINATOR_CANCEL", 487, "Request Terminated")
    await house.ended.wait()
    assert [entry[0] for entry in trunk.log] == []


async def test_trunk_call_to_nobody_is_404(house: House) -> None:
    trunk = RecordingIncomingCall("+12025550111")
    house.directory.incoming(trunk)

    assert (await trunk.wait_for("reject"))[1] == 404


async def test_hold_reinvite_and_digits_reach_media_and_are_confirmed(house: House) -> None:
    await answered(house)
    media, trunk = house.engine.sessions[0], house.agent.calls[0]
    house.alice_says(ClientHold("r1", None))
    assert await house.alice.wait_for("hold") == ("hold", "r1", "toggleHold", True)
    assert media.held == {LegName.A: True}
    assert house.directory.live()[0].state == "held"

    await trunk.wait_for("reinvite")
    trunk.answer_reinvite(Answered(Sdp("recvonly"), {}))
    trunk.say(Reoffered(Sdp("sendonly")))
    house.alice_says(ClientUpdateMedia("r2", Sdp("restart"), False))
    assert await house.alice.wait_for("updated") == ("updated", "r2", "answer to restart")
    assert trunk.log == [("reinvite", "offer 2 to b"), ("answer_reoffer", "answer to sendonly")]
    assert ("accept", "b", "recvonly") in media.log
    assert media.played == {LegName.B: Sound.MUSIC}
    assert media.directions == {LegName.B: (True, False)}

    house.alice_says(ClientDtmf("12#"))
    await media.digits_sent.wait()
    assert media.digits == [(LegName.B, "12#")]


async def test_what_is_no_digit_is_refused_and_harms_nothing(house: House) -> None:
    await answered(house)
    for text in ("", "1 2", "x", "5" * 129):
        house.alice_says(ClientDtmf(text))
    house.alice_says(ClientDtmf("A"))
    media = house.engine.sessions[0]
    await media.digits_sent.wait()

    assert media.digits == [(LegName.B, "A")]
    assert [snapshot.state for snapshot in house.directory.live()] == ["active"]


async def test_update_that_waits_gets_an_error_when_the_call_ends(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    house.alice_says(ClientUpdateMedia("early", Sdp("restart"), False))
    assert await house.alice.wait_for("error") == ("error", "early", -32002)
    call.say(Rejected(603, "Decline"))

    assert (await house.alice.wait_for("bye"))[1] == "CALL_REJECTED"


async def test_lost_socket_hangs_up_the_trunk(house: House) -> None:
    await answered(house)
    house.directory.session_lost(house.alice.session_id)
    await house.ended.wait()

    assert house.agent.calls[0].log == [("hangup", 38)]
    assert "bye" not in [message[0] for message in house.alice.sent]


async def test_calls_follow_their_session_to_a_new_socket(house: House) -> None:
    await answered(house)
    again = RecordingSession("alice", house.alice.session_id)
    house.directory.session_replaced(again)
    house.agent.calls[0].say(Ended(None, "bye"))

    assert (await again.wait_for("bye"))[1] == "NORMAL_CLEARING"


async def test_client_that_changes_sockets_while_its_attach_is_made_gets_one_attach_with_the_offer_in_force(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answered(house)
    first, second = (RecordingSession("alice", house.alice.session_id) for _ in range(2))
    media = house.engine.sessions[0]
    make_offer, loop = media.offer, asyncio.get_running_loop()

    async def offer(leg: LegName) -> Sdp:
        """That for the first socket; the second comes when it is made, and before the call has heard of that."""
        monkeypatch.setattr(media, "offer", make_offer)
        loop.call_soon(house.directory.session_replaced, second)
        return await make_offer(leg)

    monkeypatch.setattr(media, "offer", offer)
    house.directory.session_replaced(first)
    await second.wait_for("attach")

    assert first.sent == []
    assert [(message[0], message[2]) for message in second.sent] == [("attach", "offer 3 to a")]


async def test_client_that_is_called_and_changes_sockets_twice_at_once_rings_once(house: House) -> None:
    trunk = RecordingIncomingCall("bob")
    house.directory.incoming(trunk)
    await house.bob.wait_for("invite")
    first, second = (RecordingSession("bob", house.bob.session_id) for _ in range(2))
    house.directory.session_replaced(first)
    house.directory.session_replaced(second)
    await second.wait_for("invite")
    answer = ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=())
    house.directory.client_message(house.bob.session_id, second.calls[0], answer)
    await trunk.wait_for("answer")

    assert first.sent == []
    assert [message[0] for message in second.sent] == ["invite"]


async def test_client_that_came_back_while_its_call_was_routed_rings_on_its_new_socket(house: House) -> None:
    again = house.connected[house.bob.session_id] = RecordingSession("bob", house.bob.session_id)
    house.bob.is_connected = False
    house.directory.incoming(RecordingIncomingCall("bob"))

    assert (await again.wait_for("invite"))[0] == "invite"
    assert house.bob.sent == []


async def test_client_whose_socket_went_while_its_call_was_routed_rings_when_it_is_back(house: House) -> None:
    house.bob.is_connected = False
    house.directory.incoming(RecordingIncomingCall("bob"))
    await house.bob.wait_for("invite")  # which goes nowhere
    again = RecordingSession("bob", house.bob.session_id)

    house.directory.session_replaced(again)

    assert (await again.wait_for("invite"))[0] == "invite"


async def test_client_that_went_while_its_call_was_routed_and_stays_away_is_no_broken_network(house: House) -> None:
    house.bob.is_connected = False
    house.directory.incoming(RecordingIncomingCall("bob"))
    await house.bob.wait_for("invite")

    house.directory.session_lost(house.bob.session_id)
    await house.ended.wait()

    assert house.last.cause is RECOVERY_ON_TIMER_EXPIRE


async def test_media_that_fails_ends_the_call_on_both_sides(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.b2bua.core.recovery.SILENCE_GRACE", 0.05)
    await answered(house)
    house.engine.sessions[0].fail(LegName.A, "consent_lost")

    assert (await house.alice.wait_for("bye"))[1] == "MEDIA_TIMEOUT"
    assert house.agent.calls[0].log == [("hangup", None)]


def refused(reason: str) -> float:
    return REGISTRY.get_sample_value("gateway_calls_refused_total", {"reason": reason}) or 0.0


async def test_call_limits_refuse_with_congestion(house: House) -> None:
    before = refused("normal_circuit_congestion")
    house.dial("+49301", VertoCallId("c1"))
    house.dial("+49302", VertoCallId("c2"))
    house.dial("+49303", VertoCallId("c3"))

    assert house.alice.sent == [("bye", "NORMAL_CIRCUIT_CONGESTION", 503, "Service Unavailable")]
    house.directory.incoming(RecordingIncomingCall("bob"))
    full = RecordingIncomingCall("bob")
    house.directory.incoming(full)
    assert (await full.wait_for("reject"))[1] == 503
    assert refused("normal_circuit_congestion") == before + 2


async def test_defect_in_one_call_hangs_up_its_legs_and_leaves_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await answered(house)
    house.dial("+49302", VertoCallId("c2"))
    second = await house.agent.wait_for_call(2)

    def broken(*_: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr(second, "answer_reoffer", broken)
    second.say(Answered(Sdp("answer"), {}))
    second.say(Reoffered(Sdp("again")))
    await house.ended.wait()

    assert second.log == [("hangup", 41)]
    assert [snapshot.verto_call_id for snapshot in house.directory.live()] == ["c1"]


async def test_stop_refuses_new_calls_and_ends_the_rest(house: House) -> None:
    await answered(house)
    await house.directory.drain()
    house.dial("+49302", VertoCallId("c2"))

    assert [message[1] for message in house.alice.sent if message[0] == "bye"] == ["SYSTEM_SHUTDOWN"] * 2
    assert house.directory.live() == []


async def test_call_control_message_of_unknown_call_is_dropped(house: House) -> None:
    await answered(house)
    house.alice_says(SocketLost(), VertoCallId("unknown"))
    house.directory.client_message(house.bob.session_id, CALL, ClientHold("r", True))

    assert [snapshot.state for snapshot in house.directory.live()] == ["active"]


async def test_call_is_hung_up_from_outside_by_its_id(house: House) -> None:
    await answered(house)
    call_id = house.directory.live()[0].call_id

    assert house.directory.find(call_id) == house.directory.live()[0]
    assert house.directory.hangup(call_id)
    await house.ended.wait()
    assert house.last.ended_by is None
    assert not house.directory.hangup(call_id)


async def test_code_of_telnyx_in_a_phrase_says_more_than_the_reason_header_beside_it(house: House) -> None:
    house.dial("+4930123456")
    call = await house.agent.wait_for_call()
    call.say(Rejected(480, "No registration D21", q850=20))

    assert await house.alice.wait_for("bye") == ("bye", "CALL_REJECTED", 480, "No registration D21")


async def test_digit_of_an_info_keeps_its_length_and_one_without_gets_the_usual(house: House) -> None:
    await answered(house)
    house.alice_says(ClientDtmf("4"))
    session = house.engine.sessions[0]
    async with asyncio.timeout(30):
        await session.digits_sent.wait()
        session.digits_sent.clear()
        house.agent.calls[0].say(InfoDtmf("5", 0.35))
        await session.digits_sent.wait()
        session.digits_sent.clear()
        house.agent.calls[0].say(InfoDtmf("6", 0.001))
        await session.digits_sent.wait()

    assert session.digits == [(LegName.B, "4"), (LegName.A, "5"), (LegName.A, "6")]
    assert session.lengths == [0.1, 0.35, 0.04]


def test_only_x_headers_with_plain_values_cross() -> None:
    headers = [("X-A", "1"), ("x-b", "ü"), ("To", "evil"), ("X-C", "a\nb"), ("X-", "no"), ("X-Long", "v" * 2000)]

    assert crossing_headers(headers) == (("X-A", "1"), ("x-b", "ü"))
    assert len(crossing_headers([("X-N", "v")] * 100)) == 50
