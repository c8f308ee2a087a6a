"""What a connection asks of its clients' media: which legs it makes, and which calls it forbids."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from gateway.b2bua.directory import CallDirectory
from gateway.b2bua.leg_maker import NO_CODEC
from gateway.b2bua.routing import Router, Trunk
from gateway.b2bua.settings import CallSettings
from gateway.domain.client_media import DEFAULT_CLIENT_MEDIA, ClientMedia, DtmfMode
from gateway.domain.ids import LegName, Sdp, VertoCallId
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions
from gateway.sip.call import Answered, InfoDtmf, Provisional
from gateway.vsp.control import ClientAnswer, ClientDtmf, ClientReplace, ClientTransfer, Invite
from tests.fakes.clients import RecordingIncomingCall, RecordingSession, RecordingUserAgent
from tests.fakes.media import FakeMediaEngine, FakeMediaSession

B3 = ("CALL_REJECTED", 488, "Media Encryption Required B3")
CALL = VertoCallId("c1")
TRUNK_NUMBER = "+4930123456"


@dataclass
class Site:
    """A directory, two clients and a trunk; `media` is what the connections of the clients ask for."""

    directory: CallDirectory
    alice: RecordingSession
    bob: RecordingSession
    agent: RecordingUserAgent
    engine: FakeMediaEngine
    media: dict[str, ClientMedia] = field(default_factory=dict)

    def dial(self, destination: str, call: VertoCallId = CALL) -> None:
        """Alice calls."""
        invite = Invite(
            verto_call_id=call,
            sdp=Sdp("offer of browser"),
            is_trickle=False,
            destination=destination,
            caller_name="",
            caller_number="",
            client_state=None,
            custom_headers=(),
            user_agent="test",
        )
        self.directory.call_requested(self.alice, invite)

    async def opened(self) -> FakeMediaSession:
        """The media of the only call, once Bob rings."""
        await self.bob.wait_for("invite")
        return self.engine.sessions[0]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    alice, bob = RecordingSession("alice", "s-alice"), RecordingSession("bob", "s-bob")
    agent, engine, media = RecordingUserAgent(), FakeMediaEngine(), dict[str, ClientMedia]()

    async def none_of_that_number(_number: str) -> str | None:
        return None

    async def media_of(username: str) -> ClientMedia:
        return media.get(username, DEFAULT_CLIENT_MEDIA)

    directory = CallDirectory(
        CallSettings(stop_grace=0.0),
        engine=engine,
        router=Router(
            domain="sip.telnyx.com",
            trunks=[Trunk(name="one", uri="sip:127.0.0.2:5060", codecs=("PCMU",))],
            find_client={"alice": alice, "bob": bob}.get,
            find_connection_of_number=none_of_that_number,
            find_client_of_connection=lambda _: None,
            is_magic_number=lambda _: False,
        ),
        invite=agent.invite,
        domain="sip.telnyx.com",
        trunk_codecs=lambda _: ("PCMU", "PCMA"),
        media_of=media_of,
    )
    async with directory, asyncio.timeout(30):
        yield Site(directory, alice, bob, agent, engine, media)
        await directory.drain()


async def test_called_client_is_offered_the_codecs_of_its_connection_in_their_order(site: Site) -> None:
    site.media["bob"] = ClientMedia(codecs=("G722", "PCMU"), dtmf=DtmfMode.INBAND)
    site.directory.incoming(RecordingIncomingCall("bob"))

    media = await site.opened()

    assert media.codecs == {LegName.A: ("PCMU", "PCMA"), LegName.B: ("G722", "PCMU")}
    assert media.options[LegName.A] == DEFAULT_OPTIONS
    assert media.options[LegName.B] == LegOptions(dtmf=DtmfMode.INBAND, keeps_order=True)


async def test_calling_client_is_bound_by_its_own_offer_alone(site: Site) -> None:
    site.media["alice"] = ClientMedia(codecs=("G722",), dtmf=DtmfMode.SIP_INFO)
    site.dial("bob")

    media = await site.opened()

    assert media.codecs[LegName.A] == media.codecs[LegName.B] == ("opus", "G722", "PCMU", "PCMA")
    assert media.options[LegName.A] == LegOptions(dtmf=DtmfMode.SIP_INFO)
    assert media.options[LegName.B] == DEFAULT_OPTIONS


async def test_without_a_word_of_the_connection_everything_is_as_the_settings_say(site: Site) -> None:
    site.directory.incoming(RecordingIncomingCall("bob"))

    media = await site.opened()

    assert media.codecs[LegName.B] == ("opus", "G722", "PCMU", "PCMA")
    assert media.options == {LegName.A: DEFAULT_OPTIONS, LegName.B: DEFAULT_OPTIONS}


async def test_call_to_a_client_that_may_use_no_codec_of_ours_is_refused(site: Site) -> None:
    site.media["bob"] = ClientMedia(codecs=())
    incoming = RecordingIncomingCall("bob")
    site.directory.incoming(incoming)

    assert (await incoming.wait_for("reject"))[1:3] == (488, NO_CODEC)
    assert site.bob.sent == []
    assert site.engine.sessions == []


async def test_call_of_a_trunk_to_a_client_that_demands_encryption_is_refused(site: Site) -> None:
    site.media["bob"] = ClientMedia(requires_encryption=True)
    incoming = RecordingIncomingCall("bob")
    site.directory.incoming(incoming)

    assert (await incoming.wait_for("reject"))[1:3] == B3[1:]
    assert site.bob.sent == []


async def test_call_to_a_trunk_by_a_client_that_demands_encryption_is_refused(site: Site) -> None:
    site.media["alice"] = ClientMedia(requires_encryption=True)
    site.dial(TRUNK_NUMBER)

    assert await site.alice.wait_for("bye") == ("bye", *B3)
    assert site.agent.calls == []


async def test_clients_that_demand_encryption_call_each_other(site: Site) -> None:
    site.media |= dict.fromkeys(("alice", "bob"), ClientMedia(requires_encryption=True))
    site.dial("bob")

    await site.bob.wait_for("invite")


@pytest.mark.parametrize("mode", DtmfMode)
async def test_digits_reach_a_client_by_signalling_or_by_media_but_never_by_both(site: Site, mode: DtmfMode) -> None:
    site.media["alice"] = ClientMedia(dtmf=mode)
    site.dial(TRUNK_NUMBER)
    call = await site.agent.wait_for_call()
    call.say(Answered(Sdp("answer of trunk"), {}))
    await site.alice.wait_for("answer")
    media = site.engine.sessions[0]

    media.hear(LegName.B, "1", 0.25)
    call.say(InfoDtmf("2", 0.3))
    media.hear(LegName.A, "3", 0.2)
    site.directory.client_message(site.alice.session_id, CALL, ClientDtmf("4"))
    while (LegName.B, "4") not in media.digits:
        media.digits_sent.clear()
        await media.digits_sent.wait()

    told = [message for message in site.alice.sent if message[0] == "dtmf"]
    if mode is DtmfMode.SIP_INFO:
        assert (told, media.digits) == ([("dtmf", "1", 0.25), ("dtmf", "2", 0.3)], [(LegName.B, "4")])
    else:
        assert (told, media.digits) == ([], [(LegName.A, "2"), (LegName.B, "4")])


async def test_flood_of_digits_in_the_media_neither_ends_the_call_nor_floods_the_client(site: Site) -> None:
    site.media["alice"] = ClientMedia(dtmf=DtmfMode.SIP_INFO)
    site.dial(TRUNK_NUMBER)
    call = await site.agent.wait_for_call()
    call.say(Answered(Sdp("answer of trunk"), {}))
    await site.alice.wait_for("answer")

    for _ in range(5000):
        site.engine.sessions[0].hear(LegName.B, "1", 0.05)
    call.say(InfoDtmf("2", 0.1))
    while ("dtmf", "2", 0.1) not in site.alice.sent:
        await site.alice.wait_for("dtmf", count=sum(message[0] == "dtmf" for message in site.alice.sent) + 1)

    assert 40 <= sum(message[0] == "dtmf" for message in site.alice.sent) <= 60
    assert [snapshot.state for snapshot in site.directory.live()] == ["active"]


async def test_client_that_demands_encryption_is_not_transferred_to_a_trunk(site: Site) -> None:
    site.media["bob"] = ClientMedia(requires_encryption=True)
    site.dial("bob")
    await site.bob.wait_for("invite")
    bobs = next(leg.verto_call_id for leg in site.directory.live()[0].client_legs if leg.username == "bob")
    site.directory.client_message(
        site.bob.session_id, bobs, ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=())
    )
    await site.alice.wait_for("answer")
    site.directory.client_message(site.alice.session_id, CALL, ClientTransfer("r1", TRUNK_NUMBER))

    refusal = await site.alice.wait_for("error")

    assert (refusal, site.alice.error_messages) == (("error", "r1", -32002), [B3[2]])
    assert site.agent.calls == []


async def test_caller_that_a_trunk_answered_is_not_transferred_to_a_client_that_demands_encryption(site: Site) -> None:
    site.media["bob"] = ClientMedia(requires_encryption=True)
    site.dial(TRUNK_NUMBER)
    call = await site.agent.wait_for_call()
    call.say(Provisional(180, "Ringing", None))
    call.say(Answered(Sdp("answer of trunk"), {}))
    await site.alice.wait_for("answer")
    site.directory.client_message(site.alice.session_id, CALL, ClientTransfer("r1", "bob"))

    refusal = await site.alice.wait_for("error")

    assert (refusal, site.alice.error_messages) == (("error", "r1", -32002), [B3[2]])
    assert site.bob.sent == []


async def test_attended_transfer_joins_no_trunk_with_a_client_that_demands_encryption(site: Site) -> None:
    site.media["bob"] = ClientMedia(requires_encryption=True)
    site.dial(TRUNK_NUMBER)
    (await site.agent.wait_for_call()).say(Answered(Sdp("answer of trunk"), {}))
    await site.alice.wait_for("answer")
    site.dial("bob", VertoCallId("c2"))
    await site.bob.wait_for("invite")
    theirs = next(leg for call in site.directory.live() for leg in call.client_legs if leg.username == "bob")
    answer = ClientAnswer(sdp=Sdp("answer of bob"), is_trickle=False, custom_headers=())
    site.directory.client_message(site.bob.session_id, theirs.verto_call_id, answer)
    await site.alice.wait_for("answer", count=2)
    site.directory.client_message(site.alice.session_id, CALL, ClientReplace("r1", VertoCallId("c2")))

    await site.alice.wait_for("error")
    assert site.alice.error_messages == [B3[2]]
    assert len(site.directory.live()) == 2
