"""Calls to and from the lab, with fake SIP below: what each event of the far end leads to."""

import pytest

from gateway.domain.errors import GatewayError
from gateway.domain.ids import Sdp
from gateway.lab import rtp_peer
from gateway.lab import switchboard as under_test
from gateway.lab.calls import CallState, EndedBy, LabCall
from gateway.lab.rtp_sockets import NoLabPort
from gateway.lab.switchboard import NotACallingScenario, TooManyLabCalls
from gateway.sip.call import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    InfoDtmf,
    OnSipCallEvent,
    Provisional,
    Rejected,
    Reoffered,
    Target,
)
from tests.fakes.sip_legs import FakeOutgoingLeg
from tests.unit.lab.conftest import OFFER, Desk

HOLD = Sdp(OFFER.replace("o=- 1 1", "o=- 1 2") + "a=sendonly\r\n")
VIDEO = Sdp("v=0\r\nc=IN IP4 127.0.0.1\r\nm=video 9 RTP/AVP 96\r\n")


def only_call(desk: Desk) -> LabCall:
    calls = desk.switchboard.history.newest(10)
    assert calls is not None and len(calls) == 1
    return calls[0]


async def test_call_to_the_echo_rings_then_answers(desk: Desk) -> None:
    leg = desk.receive("+12025550100")

    await leg.has_asked("answer")

    assert [entry[0] for entry in leg.asked] == ["ring", "answer"]
    assert only_call(desk).state is CallState.ANSWERED


@pytest.mark.parametrize(
    ("number", "rejection"),
    [
        ("+12025550102", (486, "Busy Here", 17)),
        ("+12025550103", (603, "Decline", 21)),
        ("+12025550105", (404, "Not Found", 1)),
        ("+12025550114", (480, "Temporarily Unavailable", None)),
        ("+12025550113", (503, "Service Unavailable", 41)),
        ("+12025550115", (488, "Media Encryption Required B3", None)),
        ("alice", (404, "No Such Lab Number", None)),
    ],
)
async def test_number_that_refuses_does_so_at_once(
    desk: Desk, number: str, rejection: tuple[int, str, int | None]
) -> None:
    leg = desk.receive(number)

    assert leg.asked == [("reject", *rejection)]
    call = only_call(desk)
    assert (call.state, call.ended_by, call.sip_status) == (CallState.ENDED, EndedBy.LAB, rejection[0])
    assert desk.switchboard.history.live() == []


async def test_call_with_early_media_says_so_until_it_is_answered() -> None:
    desk = Desk(time_scale=1.0)

    desk.receive("+12025550106")

    assert only_call(desk).state is CallState.EARLY_MEDIA
    desk.switchboard.hang_up_all()


async def test_early_media_uses_the_same_answer_in_183_and_200(desk: Desk) -> None:
    leg = desk.receive("+12025550106")

    await leg.has_asked("answer")

    assert [entry[0] for entry in leg.asked] == ["progress", "answer"]
    assert leg.asked[0][1] == leg.asked[1][1]


async def test_call_without_an_offer_gets_one_in_the_200(desk: Desk) -> None:
    leg = desk.receive("+12025550106", None)
    await leg.has_asked("answer")

    leg.tell(Confirmed(OFFER))

    assert [entry[0] for entry in leg.asked] == ["ring", "answer"]
    assert "m=audio" in str(leg.asked[1][1])
    assert only_call(desk).state is CallState.ANSWERED


async def test_useless_answer_in_the_ack_ends_the_call(desk: Desk) -> None:
    leg = desk.receive("+12025550100", None)
    await leg.has_asked("answer")

    leg.tell(Confirmed(VIDEO))

    assert leg.asked[-1] == ("hangup",)
    assert only_call(desk).state is CallState.ENDED


async def test_offer_without_audio_gets_488(desk: Desk) -> None:
    leg = desk.receive("+12025550100", VIDEO)

    assert leg.asked == [("reject", 488, "Not Acceptable Here", None)]
    assert desk.switchboard.history.live() == []


async def test_lab_hangs_up_after_the_ack(desk: Desk) -> None:
    leg = desk.receive("+12025550108")
    await leg.has_asked("answer")
    leg.tell(Confirmed(None))

    await leg.has_asked("hangup")

    assert only_call(desk).ended_by is EndedBy.LAB


@pytest.mark.parametrize(
    ("event", "reason"), [(Cancelled(), "cancelled"), (Ended(16, "bye"), "bye"), (Ended(None, "no_ack"), "no_ack")]
)
async def test_end_by_the_far_end_is_the_end(desk: Desk, event: Cancelled | Ended, reason: str) -> None:
    leg = desk.receive("+12025550104")

    leg.tell(event)
    leg.tell(Ended(16, "late"))

    call = only_call(desk)
    assert (call.ended_by, call.reason) == (EndedBy.FAR_END, reason)
    assert call.times.ended is not None


async def test_hold_is_answered_with_recvonly(desk: Desk) -> None:
    leg = desk.receive("+12025550100")
    await leg.has_asked("answer")

    leg.tell(Reoffered(HOLD))

    method, answer = leg.asked[-1]
    assert method == "answer_reoffer"
    assert "a=recvonly" in str(answer)


async def test_offer_in_a_call_that_cannot_be_used_is_refused_and_the_call_goes_on(desk: Desk) -> None:
    leg = desk.receive("+12025550100")
    await leg.has_asked("answer")

    leg.tell(Reoffered(VIDEO))

    assert leg.asked[-1] == ("reject_reoffer", 488)
    assert only_call(desk).state is CallState.ANSWERED


async def test_request_for_an_offer_is_answered_with_one(desk: Desk) -> None:
    leg = desk.receive("+12025550100")
    await leg.has_asked("answer")

    leg.tell(Reoffered(None))

    assert "m=audio" in str(leg.asked[-1][1])


async def test_one_call_too_many_gets_503() -> None:
    desk = Desk(max_calls=1)
    desk.receive("+12025550104")

    refused = desk.receive("+12025550100")

    assert refused.asked == [("reject", 503, "Too Many Lab Calls", None)]
    with pytest.raises(TooManyLabCalls):
        desk.switchboard.call(to="alice", caller="+12025550190", scenario="echo")
    desk.switchboard.hang_up_all()
    assert desk.switchboard.history.live() == []


async def test_defect_ends_one_call_and_not_the_others(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    other, broken = desk.receive("+12025550100"), desk.receive("+12025550100")
    await broken.has_asked("answer")

    monkeypatch.setattr(broken, "answer_reoffer", lambda _sdp: 1 / 0)
    broken.tell(Reoffered(OFFER))

    assert broken.asked[-1] == ("hangup",)
    assert [call.facts.way.value for call in desk.switchboard.history.live()] == ["incoming"]
    await other.has_asked("answer")


def call_out(desk: Desk, **extra: float) -> tuple[LabCall, FakeOutgoingLeg]:
    call = desk.switchboard.call(to="alice", caller="+12025550190", scenario="tone", **extra)
    return call, desk.legs[-1]


async def test_lab_calls_a_client_through_the_gateway(desk: Desk) -> None:
    call, leg = call_out(desk)

    assert leg.target == Target(
        uri="sip:alice@127.0.0.1:5060;transport=tcp", from_uri="sip:+12025550190@127.0.0.1:5070"
    )
    assert "m=audio" in leg.offer
    assert call.state is CallState.TRYING


async def test_progress_of_an_outgoing_call_is_seen(desk: Desk) -> None:
    call, leg = call_out(desk)
    states = [call.state]

    for event in (Provisional(180, "Ringing", None), Provisional(183, "", OFFER), Provisional(180, "Ringing", None)):
        leg.tell(event)
        states.append(call.state)
    leg.tell(Answered(OFFER, {}))
    states.append(call.state)

    assert states == [
        CallState.TRYING,
        CallState.RINGING,
        CallState.EARLY_MEDIA,
        CallState.EARLY_MEDIA,
        CallState.ANSWERED,
    ]
    assert call.times.ringing is not None and call.times.answered is not None


async def test_outgoing_call_ends_after_its_duration(desk: Desk) -> None:
    call, leg = call_out(desk, duration=0.01)
    leg.tell(Answered(OFFER, {}))

    await leg.has_asked("hangup")

    assert (call.state, call.ended_by) == (CallState.ENDED, EndedBy.LAB)


async def test_rejected_call_tells_the_status(desk: Desk) -> None:
    call, leg = call_out(desk)

    leg.tell(Rejected(486, "Busy Here", 17))

    assert (call.state, call.sip_status, call.reason) == (CallState.ENDED, 486, "Busy Here")


async def test_answer_that_cannot_be_used_ends_the_call(desk: Desk) -> None:
    call, leg = call_out(desk)

    leg.tell(Answered(VIDEO, {}))

    assert leg.asked == [("hangup",)]
    assert call.state is CallState.ENDED


async def test_hold_by_the_called_side_is_answered(desk: Desk) -> None:
    _, leg = call_out(desk)
    leg.tell(Answered(OFFER, {}))

    leg.tell(Reoffered(HOLD))
    leg.tell(Reoffered(None))
    leg.tell(Confirmed(OFFER))

    assert [entry[0] for entry in leg.asked] == ["answer_reoffer", "answer_reoffer"]


@pytest.mark.parametrize("scenario", ["busy", "no_answer", "retry_after", "nonsense"])
async def test_scenario_of_somebody_who_is_called_cannot_call(desk: Desk, scenario: str) -> None:
    with pytest.raises(NotACallingScenario):
        desk.switchboard.call(to="alice", caller="bob", scenario=scenario)


async def test_user_that_is_no_plain_name_is_percent_encoded(desk: Desk) -> None:
    desk.switchboard.call(to="al ice@x", caller="#31#", scenario="echo")

    assert desk.legs[-1].target.uri == "sip:al%20ice%40x@127.0.0.1:5060;transport=tcp"
    assert desk.legs[-1].target.from_uri == "sip:%2331%23@127.0.0.1:5070"


async def test_call_that_cannot_be_sent_is_over(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_target: Target, _offer: Sdp, _on_event: OnSipCallEvent) -> FakeOutgoingLeg:
        raise NoLabPort("none")

    monkeypatch.setattr(desk.switchboard, "_invite", refuse)

    with pytest.raises(GatewayError):
        desk.switchboard.call(to="alice", caller="bob", scenario="echo")
    assert desk.switchboard.history.live() == []
    assert only_call(desk).reason == "none"


async def test_last_thousand_calls_are_kept(desk: Desk) -> None:
    for _ in range(1010):
        desk.receive("+12025550102")

    newest = desk.switchboard.history.newest(2000)

    assert newest is not None and len(newest) == 1000
    assert newest[0].number == 1010
    border = newest[3].facts.lab_call_id
    older = desk.switchboard.history.newest(2, before=border)
    assert older is not None and [call.number for call in older] == [1006, 1005]
    assert desk.switchboard.history.newest(2, before="unknown") is None


async def test_nothing_was_heard_of_a_call_without_audio(desk: Desk) -> None:
    desk.receive("+12025550102")

    heard = await only_call(desk).heard()

    assert (heard.packets, heard.codec, heard.sound.frequency) == (0, None, None)


def test_calling_scenarios_are_named_in_the_refusal() -> None:
    assert all(name in str(NotACallingScenario("x")) for name in under_test.calling_scenarios())


async def test_call_without_a_free_port_gets_503(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_host: str) -> None:
        raise NoLabPort("no free pair")

    monkeypatch.setattr(rtp_peer, "bind_pair", refuse)

    leg = desk.receive("+12025550100")

    assert leg.asked == [("reject", 503, "No Media Port", None)]
    assert only_call(desk).reason == "no free pair"


async def test_digits_by_info_and_late_news_change_nothing(desk: Desk) -> None:
    leg = desk.receive("+12025550100")
    await leg.has_asked("answer")

    leg.tell(InfoDtmf("5", 0.1))

    assert only_call(desk).state is CallState.ANSWERED
    assert (await only_call(desk).heard()).digit_count == 0


async def test_called_side_that_hangs_up_ends_the_lab_call(desk: Desk) -> None:
    call, leg = call_out(desk)
    leg.tell(Answered(OFFER, {}))

    leg.tell(Ended(16, "bye"))

    assert (call.ended_by, call.reason) == (EndedBy.FAR_END, "bye")
    assert call.over.is_set()
