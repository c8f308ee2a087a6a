"""A leg towards the SIP phones of a user: who rings, who wins, and what the caller is told when nobody does."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from gateway.b2bua.core.events import Event, LegAnswered, LegEnded, LegProgressed, LegRinging
from gateway.b2bua.legs.phone import ANSWERED_ELSEWHERE, PhoneLeg
from gateway.domain.causes import NO_ANSWER, NORMAL_CLEARING
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode
from gateway.domain.identity import Identity
from gateway.domain.ids import LegName, Sdp
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import LegOptions
from gateway.sip.call import Answered, Ended, Provisional, Rejected
from gateway.sip.core.location import Binding
from gateway.sip.registrar import Phone, PhoneUser
from gateway.sip.transport.flow import Destination, Flow
from tests.fakes.clients import RecordingUserAgent

ALICE = Identity(connection_id="1", credential_id=None, username="alice")
OFFER = Sdp("offer")


@dataclass(frozen=True)
class Way:
    """A flow that sends nothing."""

    remote: Destination
    is_reliable: bool = False
    is_open: bool = True

    def send(self, data: bytes) -> bool:
        return False

    def to_port(self, port: int) -> Flow:
        return self

    def close(self) -> None:
        """Nothing is open."""


def phone(number: int, *, instance: str | None = None, reg_id: int | None = None, at: float = 0.0) -> Phone:
    return Binding(
        uri=f"sip:alice@192.0.2.{number}",
        q=1.0,
        instance=instance,
        reg_id=reg_id,
        call_id="c",
        cseq=1,
        flow=Way(Destination("udp", f"192.0.2.{number}", 5060)),
        path=(),
        owner=ALICE,
        user_agent="ua",
        since=at,
        refreshed_at=at,
        expires_at=100.0,
    )


class Site:
    """A leg, what it has posted, and the calls that it made."""

    def __init__(self, *phones: Phone, media: ClientMedia = DEFAULT_CLIENT_MEDIA) -> None:
        self.agent = RecordingUserAgent()
        self.events: list[Event] = []
        user = PhoneUser(username="alice", phones=phones, registered_at=datetime(2026, 1, 1, tzinfo=UTC))
        self.leg = PhoneLeg(
            LegName.B,
            user,
            media=media,
            codecs=("PCMU",),
            invite=self.agent.invite,
            from_uri="sip:bob@sip.example.com",
            from_name="Bob",
            to_uri="sip:alice@sip.example.com",
            headers=(("X-Tenant", "acme"),),
            post=self.events.append,
            find_replaced=lambda _replaces: None,
        )

    def dial(self) -> None:
        self.leg.dial(0, OFFER)

    @property
    def uris(self) -> list[str]:
        return [call.target.uri for call in self.agent.calls]

    def hung_up(self, number: int) -> bool:
        return any(entry[0] == "hangup" for entry in self.agent.calls[number].log)


def test_every_phone_is_called_over_its_flow_by_the_name_of_its_user() -> None:
    site = Site(phone(1), phone(2))

    site.dial()

    targets = [call.target for call in site.agent.calls]
    assert site.uris == ["sip:alice@192.0.2.1", "sip:alice@192.0.2.2"]
    assert [target.to_uri for target in targets] == ["sip:alice@sip.example.com"] * 2
    assert [str(target.flow and target.flow.remote) for target in targets] == [
        "udp:192.0.2.1:5060",
        "udp:192.0.2.2:5060",
    ]
    assert all(target.headers == (("X-Tenant", "acme"),) for target in targets)


def test_media_is_what_the_connection_of_the_user_asks_for() -> None:
    site = Site(phone(1), media=ClientMedia(codecs=("PCMA",), dtmf=DtmfMode.INBAND))

    assert site.leg.options == LegOptions(dtmf=DtmfMode.INBAND, keeps_order=True, may_send_keys=False)


def test_media_is_encrypted_where_it_is_demanded_with_no_keys_over_an_open_flow() -> None:
    site = Site(phone(1), media=ClientMedia(requires_encryption=True))

    assert site.leg.options == LegOptions(encryption=MediaEncryption.REQUIRED, may_send_keys=False)


def test_a_phone_behind_a_proxy_is_called_by_its_path() -> None:
    site = Site(replace(phone(1), path=("<sip:proxy.example.com;lr>",)))

    site.dial()

    target = site.agent.calls[0].target
    assert (target.routes, target.flow) == (("<sip:proxy.example.com;lr>",), None)


def test_the_caller_hears_once_that_phones_ring() -> None:
    site = Site(phone(1), phone(2))
    site.dial()

    for call in site.agent.calls:
        call.say(Provisional(180, "Ringing", None))

    assert site.events == [LegRinging()]


def test_early_media_is_passed_on_from_a_phone_that_rings_alone() -> None:
    alone, together = Site(phone(1)), Site(phone(1), phone(2))
    for site in (alone, together):
        site.dial()
        site.agent.calls[0].say(Provisional(183, "Session Progress", Sdp("early")))

    assert alone.events == [LegProgressed(Sdp("early"))]
    assert together.events == [LegRinging()]


def test_the_first_to_answer_has_the_call_and_the_others_miss_none() -> None:
    site = Site(phone(1), phone(2), phone(3))
    site.dial()

    site.agent.calls[1].say(Answered(Sdp("answer"), {}))
    site.agent.calls[0].say(Rejected(487, "Request Terminated"))

    assert site.events == [LegAnswered(Sdp("answer"), ())]
    assert site.agent.calls[0].log == site.agent.calls[2].log == [("hangup", ANSWERED_ELSEWHERE)]
    assert site.leg.sip_call_id == site.agent.calls[1].sip_call_id


def test_after_the_answer_only_that_phone_is_heard() -> None:
    site = Site(phone(1), phone(2))
    site.dial()
    site.agent.calls[1].say(Answered(Sdp("answer"), {}))
    site.events.clear()

    site.agent.calls[0].say(Ended(16, "bye"))
    site.agent.calls[1].say(Ended(16, "bye"))

    assert site.events == [LegEnded(LegName.B, NORMAL_CLEARING)]


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        ((486, 503), 486),
        ((503, 486), 486),
        ((408, 480), 480),
        ((488, 486), 486),
        ((503, 503), 503),
    ],
)
def test_when_all_refuse_the_best_of_the_answers_is_told(statuses: tuple[int, int], told: int) -> None:
    site = Site(phone(1), phone(2))
    site.dial()

    for call, status in zip(site.agent.calls, statuses, strict=True):
        call.say(Rejected(status, "reason"))

    [ended] = site.events
    assert isinstance(ended, LegEnded)
    assert ended.sip_status == told


def test_a_decline_is_for_all_phones() -> None:
    site = Site(phone(1), phone(2))
    site.dial()

    site.agent.calls[0].say(Rejected(603, "Decline"))
    site.agent.calls[1].say(Rejected(487, "Request Terminated"))

    [ended] = site.events
    assert isinstance(ended, LegEnded)
    assert ended.sip_status == 603
    assert site.hung_up(1)


def test_the_flows_of_one_phone_are_tried_one_after_the_other_the_newest_first() -> None:
    old, new = phone(1, instance="i", reg_id=1, at=1.0), phone(2, instance="i", reg_id=2, at=2.0)
    site = Site(old, new)

    site.dial()
    site.agent.calls[0].say(Rejected(430, "Flow Failed"))
    site.agent.calls[0].say(Rejected(430, "Flow Failed"))
    site.agent.calls[1].say(Answered(Sdp("answer"), {}))

    assert site.uris == ["sip:alice@192.0.2.2", "sip:alice@192.0.2.1"]
    assert site.events == [LegAnswered(Sdp("answer"), ())]


def test_a_word_of_the_user_is_not_asked_for_again_over_another_flow() -> None:
    site = Site(phone(1, instance="i", reg_id=1), phone(2, instance="i", reg_id=2))

    site.dial()
    site.agent.calls[0].say(Rejected(486, "Busy Here"))

    assert len(site.agent.calls) == 1
    assert isinstance(site.events[0], LegEnded)


def test_a_caller_who_gives_up_stops_all_and_hears_nothing_more() -> None:
    site = Site(phone(1), phone(2))
    site.dial()

    site.leg.hangup(NO_ANSWER, None, None, ())
    site.agent.calls[0].say(Rejected(487, "Request Terminated"))
    site.agent.calls[1].say(Rejected(487, "Request Terminated"))

    assert site.events == []
    assert [call.log for call in site.agent.calls] == [[("hangup", NO_ANSWER.code)]] * 2


def test_phone_whose_connection_says_so_gets_digits_by_info_once_it_has_answered() -> None:
    site = Site(phone(1), media=ClientMedia(dtmf=DtmfMode.SIP_INFO))
    site.dial()

    with capture_logs() as lines:
        site.leg.send_digits("12", None)
    site.agent.calls[0].say(Answered(Sdp("answer"), {}))
    site.leg.send_digits("34", 0.2)

    assert site.leg.options == LegOptions(dtmf=DtmfMode.SIP_INFO, may_send_keys=False)
    assert site.leg.takes_digits
    assert [(line["event"], line["count"], line["sip_status"]) for line in lines] == [("digits_not_sent", 2, 481)]
    assert site.agent.calls[0].log == [("digits", "34", 0.2)]
