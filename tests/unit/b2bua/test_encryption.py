"""Which trunks and legs may be in a call, as far as encryption goes."""

import pytest

from gateway.b2bua.encryption import demand, serving
from gateway.b2bua.legs.base import may_meet
from gateway.b2bua.legs.sip import CallerLeg, TrunkLeg
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.routing import ToTrunks, Trunk
from gateway.domain.client_media import ClientMedia
from gateway.domain.ids import LegName
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import LegOptions
from gateway.trunks.core.identity import Caller
from gateway.trunks.core.rules import OutboundCall
from tests.fakes.clients import RecordingIncomingCall, RecordingUserAgent
from tests.unit.b2bua.test_leg_maker import TRUNK_NUMBER, Site, site

OFF, OPTIONAL, REQUIRED, DTLS = MediaEncryption

__all__ = ["site"]


def trunks(*encryptions: MediaEncryption) -> list[Trunk]:
    return [
        Trunk(name=str(index), uri="sip:127.0.0.2:5060", codecs=("PCMU",), encryption=encryption)
        for index, encryption in enumerate(encryptions)
    ]


def caller(encryption: MediaEncryption) -> CallerLeg:
    return CallerLeg(
        LegName.A,
        RecordingIncomingCall("bob"),
        codecs=("PCMU",),
        post=lambda event: None,
        find_replaced=lambda replaces: None,
        options=LegOptions(encryption=encryption),
    )


@pytest.mark.parametrize(
    ("encryptions", "is_demanded", "served"),
    [
        ((OFF, OFF), False, [("0", OFF), ("1", OFF)]),
        ((OFF, REQUIRED, OFF), False, [("0", OFF), ("2", OFF)]),
        ((REQUIRED, OPTIONAL, REQUIRED), False, [("0", REQUIRED), ("2", REQUIRED)]),
        ((OFF, OPTIONAL, REQUIRED), True, [("1", REQUIRED), ("2", REQUIRED)]),
        ((OFF, DTLS, REQUIRED, DTLS), True, [("1", DTLS), ("3", DTLS)]),
        ((OFF, OFF), True, []),
        ((), False, []),
    ],
)
def test_one_offer_serves_trunks_that_are_encrypted_alike(
    encryptions: tuple[MediaEncryption, ...], is_demanded: bool, served: list[tuple[str, MediaEncryption]]
) -> None:
    found = serving(trunks(*encryptions), is_demanded=is_demanded)

    assert [(trunk.name, trunk.encryption) for trunk in found] == served


@pytest.mark.parametrize(
    ("encryption", "becomes", "is_met"),
    [(OFF, OFF, False), (OPTIONAL, REQUIRED, True), (REQUIRED, REQUIRED, True), (DTLS, DTLS, True)],
)
def test_what_is_optional_can_be_demanded_of_a_trunk_that_calls(
    encryption: MediaEncryption, becomes: MediaEncryption, is_met: bool
) -> None:
    leg = caller(encryption)

    assert demand(leg) is is_met
    assert leg.options.encryption is becomes


def test_leg_towards_a_trunk_is_encrypted_as_its_trunk_is() -> None:
    leg = TrunkLeg(
        LegName.B,
        ToTrunks(tuple(trunks(DTLS)), TRUNK_NUMBER),
        invite=RecordingUserAgent().invite,
        call=OutboundCall(called=TRUNK_NUMBER, caller=Caller(number="alice"), domain="127.0.0.1"),
        post=lambda event: None,
        find_replaced=lambda replaces: None,
    )

    assert leg.options == LegOptions(encryption=DTLS)


@pytest.mark.parametrize(("encryption", "may"), [(OFF, False), (OPTIONAL, False), (REQUIRED, True), (DTLS, True)])
async def test_client_that_demands_encryption_meets_a_trunk_whose_media_can_only_be_encrypted(
    site: Site, encryption: MediaEncryption, may: bool
) -> None:
    site.media["alice"] = ClientMedia(requires_encryption=True)
    site.dial("bob")
    await site.bob.wait_for("invite")
    alice = next(
        leg
        for call in site.directory._calls
        for leg in call.verto_legs.values()
        if isinstance(leg, VertoLeg) and leg.media.requires_encryption
    )

    assert may_meet(alice, caller(encryption)) is may
    assert may_meet(caller(encryption), alice) is may
