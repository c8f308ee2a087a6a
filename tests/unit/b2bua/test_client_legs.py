"""What is told of the legs of clients."""

import re
from dataclasses import dataclass, field

from gateway.b2bua.client_legs import ClientLegs
from gateway.b2bua.leg_maker import new_telnyx_id
from gateway.b2bua.legs.base import Party
from gateway.b2bua.legs.verto import TelnyxIds, VertoLeg
from gateway.domain.causes import NORMAL_CLEARING, USER_BUSY
from gateway.domain.facts import ClientLegAnswered, ClientLegClosed, ClientLegFact, ClientLegOpened
from gateway.domain.ids import Direction, LegName, Sdp, VertoCallId
from gateway.vsp.control import ClientAnswer, ClientBye, SocketLost
from tests.fakes.clients import RecordingSession


@dataclass
class Ledger:
    """Legs of clients, and what is told of them."""

    facts: list[ClientLegFact] = field(default_factory=list)
    session: RecordingSession = field(default_factory=RecordingSession)

    def __post_init__(self) -> None:
        self.legs = ClientLegs(self.facts.append)

    def leg(self, *, offer: Sdp | None, dialed: str | None = None, number: str = "+1 (202) 555-0100") -> VertoLeg:
        return VertoLeg(
            LegName.A if offer else LegName.B,
            self.session,
            VertoCallId("c1"),
            offer=offer,
            codecs=("opus",),
            caller=Party(name="Carol", number="+1-202-555-0198"),
            callee=Party(name="alice", number=number),
            ids=TelnyxIds(session_id="s1", leg_id="l1"),
            headers=(),
            post=lambda event: None,
            watch=self.legs,
            dialed=dialed,
        )

    def caller(self) -> VertoLeg:
        leg = self.leg(offer=Sdp("offer"))
        self.legs.opened(leg)
        return leg

    def called(self, dialed: str | None = None) -> VertoLeg:
        leg = self.leg(offer=None, dialed=dialed, number="alice")
        leg.dial(0, Sdp("offer"))
        return leg

    @property
    def kinds(self) -> list[type[ClientLegFact]]:
        return [type(fact) for fact in self.facts]


BYE = ClientBye(cause=NORMAL_CLEARING, sip_code=None, custom_headers=())
ANSWER = ClientAnswer(is_trickle=False, sdp=Sdp("answer"), custom_headers=(), keeps_media=False, device_token=None)


def test_caller_is_told_of_with_its_number_plain_and_as_it_was_presented() -> None:
    ledger = Ledger()

    ledger.caller()

    (fact,) = ledger.facts
    assert isinstance(fact, ClientLegOpened)
    assert (fact.leg_id, fact.call_id, fact.verto_call_id) == ("l1", "s1", "c1")
    assert (fact.direction, fact.username, fact.connection_id) == (Direction.OUTBOUND, "alice", "1")
    assert (fact.cli, fact.caller_number, fact.caller_name) == ("+12025550198", "+1-202-555-0198", "Carol")
    assert (fact.cld, fact.dest_number) == ("+12025550100", "+1 (202) 555-0100")


def test_called_client_is_told_of_once_its_invite_leaves_with_what_was_dialed() -> None:
    ledger = Ledger()
    leg = ledger.leg(offer=None, dialed="sip:alice@sip.telnyx.com")
    before = list(ledger.facts)

    leg.dial(0, Sdp("offer"))

    (fact,) = ledger.facts
    assert before == []
    assert isinstance(fact, ClientLegOpened)
    assert (fact.direction, fact.cld, fact.dest_number) == (Direction.INBOUND, "alice", "sip:alice@sip.telnyx.com")


def test_client_that_was_called_for_somebody_else_is_shown_by_its_own_name() -> None:
    ledger = Ledger()

    ledger.called()

    assert isinstance(fact := ledger.facts[0], ClientLegOpened)
    assert (fact.cld, fact.dest_number) == ("alice", "alice")


def test_client_that_comes_back_and_rings_again_has_no_second_leg() -> None:
    ledger = Ledger()
    leg = ledger.called()

    leg.come_back(ledger.session, VertoCallId("c2"))
    leg.dial(0, Sdp("offer"))
    leg.hangup(USER_BUSY, 486, "Busy", ())

    assert ledger.kinds == [ClientLegOpened, ClientLegClosed]
    assert isinstance(last := ledger.facts[-1], ClientLegClosed)
    assert last.verto_call_id == "c2"


def test_leg_is_connected_once_however_often_its_call_is() -> None:
    ledger = Ledger()
    leg = ledger.caller()

    ledger.legs.connected([leg])
    ledger.legs.connected([leg])

    assert ledger.kinds == [ClientLegOpened, ClientLegAnswered]


def test_client_that_still_rings_is_not_connected_with_the_others_of_its_call() -> None:
    ledger = Ledger()
    leg = ledger.called()

    ledger.legs.connected([leg])
    ringing = list(ledger.kinds)
    leg.receive(ANSWER)
    ledger.legs.connected([leg])

    assert ringing == [ClientLegOpened]
    assert ledger.kinds == [ClientLegOpened, ClientLegAnswered]


def test_leg_ends_once_whoever_ends_it() -> None:
    for end in (BYE, SocketLost()):
        ledger = Ledger()
        leg = ledger.caller()

        leg.receive(end)
        leg.hangup(NORMAL_CLEARING, None, None, ())
        ledger.legs.connected([leg])

        assert ledger.kinds == [ClientLegOpened, ClientLegClosed]
        assert len(ledger.legs) == 0


def test_leg_that_no_invite_was_sent_for_never_was_one() -> None:
    ledger = Ledger()
    leg = ledger.leg(offer=None)

    leg.hangup(NORMAL_CLEARING, None, None, ())

    assert ledger.facts == []


def test_ids_of_calls_and_legs_are_version_1_and_name_no_machine() -> None:
    made = {new_telnyx_id() for _ in range(1000)}

    assert len(made) == 1000
    assert all(
        re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-1[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", one) for one in made
    )
    assert all(int(one[24:26], 16) & 1 for one in made)  # the multicast bit: no network card has it
