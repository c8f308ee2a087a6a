"""A switchboard with fake SIP legs below it."""

from collections.abc import AsyncIterator

import pytest

from gateway.domain.ids import Sdp
from gateway.lab.settings import LabSettings
from gateway.lab.switchboard import Switchboard
from gateway.sip.call import OnSipCallEvent, Target
from tests.fakes.sip_legs import FakeIncomingLeg, FakeOutgoingLeg

OFFER = Sdp(
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 0 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)


class Desk:
    """A switchboard and the legs that it has made."""

    def __init__(self, *, max_calls: int = 5, time_scale: float = 0.001) -> None:
        self.legs: list[FakeOutgoingLeg] = []
        self.switchboard = Switchboard(
            LabSettings(time_scale=time_scale, max_calls=max_calls),
            invite=self._invite,
            lab_address=lambda: "127.0.0.1:5070",
            gateway_uri=lambda: "sip:127.0.0.1:5060;transport=tcp",
        )

    def receive(self, number: str, offer: Sdp | None = OFFER) -> FakeIncomingLeg:
        leg = FakeIncomingLeg(number, offer)
        self.switchboard.take(leg)
        return leg

    def _invite(self, target: Target, offer: Sdp, on_event: OnSipCallEvent) -> FakeOutgoingLeg:
        self.legs.append(FakeOutgoingLeg(target, offer, on_event))
        return self.legs[-1]


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    desk = Desk()
    yield desk
    desk.switchboard.hang_up_all()
