"""SIPp, both roles, UDP and TCP, against a bare user agent with a trivial far side."""

import asyncio
import re
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path
from typing import Final, TypeVar

import pytest

from gateway.domain.ids import Sdp
from gateway.sip.call import (
    Answered,
    Cancelled,
    Confirmed,
    Ended,
    IncomingCall,
    OutgoingCall,
    Provisional,
    ReferProgress,
    Referred,
    Rejected,
    Reoffered,
    SipCallEvent,
    Target,
)
from gateway.sip.core.message import Request
from gateway.sip.endpoint import Destination, Endpoint, ServerTransaction
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.harness.lossy_link import LosesShare, lossy_link
from tests.interop.sipp_runner import Sipp, SippProcess, Transport, loopback_address, sipp

pytestmark = pytest.mark.interop

PATIENCE: Final = 30.0
TRUNK: Final = TrunkSettings(name="sipp", uri="sip:127.7.0.1", accept_from=(ip_network("127.7.0.0/16"),))
MIRRORED: Final = {"sendonly": "recvonly", "recvonly": "sendonly", "inactive": "inactive"}

EventT = TypeVar("EventT", bound=SipCallEvent)


class BareAgent:
    """A user agent without media: its SDP names a socket that takes RTP and throws it away."""

    def __init__(self, agent: UserAgent, endpoint: Endpoint, rtp: socket.socket, host: str) -> None:
        self.agent, self._endpoint, self._rtp, self._host = agent, endpoint, rtp, host
        self.calls: asyncio.Queue[IncomingCall] = asyncio.Queue()
        self.events: asyncio.Queue[SipCallEvent] = asyncio.Queue()
        self.acks: asyncio.Queue[Request] = asyncio.Queue()
        self.pracks: asyncio.Queue[Request] = asyncio.Queue()
        agent.on_invite = self._on_invite

    @property
    def address(self) -> str:
        return f"{self._host}:{self._endpoint.listeners[0].port}"

    def sdp(self, direction: str = "sendrecv") -> Sdp:
        lines = ["v=0", f"o=- 1 1 IN IP4 {self._host}", "s=-", f"c=IN IP4 {self._host}", "t=0 0"]
        lines += [f"m=audio {self._rtp.getsockname()[1]} RTP/AVP 0 101", "a=rtpmap:0 PCMU/8000"]
        lines += ["a=rtpmap:101 telephone-event/8000", "a=fmtp:101 0-15", f"a={direction}", ""]
        return Sdp("\r\n".join(lines))

    def answer_to(self, offer: Sdp | None) -> Sdp:
        """RFC 3264 section 6.1, for the direction only."""
        found = re.search(r"^a=(sendonly|recvonly|inactive)\s*$", offer or "", re.MULTILINE)
        return self.sdp("sendrecv" if found is None else MIRRORED[found.group(1)])

    def dials(self, uri: str) -> OutgoingCall:
        target = Target(
            uri=uri,
            from_uri=f"sip:gw@{self._host}",
            username="trunk",
            password="trunkpass",
            reliable_provisional="supported",
        )
        return self.agent.invite(target, self.sdp(), self.events.put_nowait)

    async def gets_call(self) -> IncomingCall:
        async with asyncio.timeout(PATIENCE):
            return await self.calls.get()

    async def hears(self, kind: type[EventT]) -> EventT:
        async with asyncio.timeout(PATIENCE):
            event = await self.events.get()
        assert isinstance(event, kind), event
        return event

    async def hears_anything(self) -> SipCallEvent:
        async with asyncio.timeout(PATIENCE):
            return await self.events.get()

    async def start(self) -> None:
        """Take calls, and note every ACK and PRACK on its way to them."""
        await self.agent.start()
        take = self._endpoint.on_ack

        def note(ack: Request, source: Destination) -> None:
            take(ack, source)
            self.acks.put_nowait(ack)

        self._endpoint.on_ack = note
        receive = self._endpoint.on_request

        def note_prack(transaction: ServerTransaction, request: Request) -> None:
            receive(transaction, request)
            if request.method == "PRACK":
                self.pracks.put_nowait(request)

        self._endpoint.on_request = note_prack

    async def gets_prack(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.pracks.get()

    async def gets_ack(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self.acks.get()

    def _on_invite(self, call: IncomingCall) -> None:
        call.listen(self.events.put_nowait)
        self.calls.put_nowait(call)


@asynccontextmanager
async def bare_agent(transport: Transport) -> AsyncIterator[BareAgent]:
    host = loopback_address()
    settings = SipSettings(listen=((transport, host, 0),))
    endpoint = Endpoint(settings)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as rtp:
        rtp.bind((host, 0))
        bare = BareAgent(UserAgent(endpoint, settings, (TRUNK,)), endpoint, rtp, host)
        await bare.start()
        try:
            yield bare
        finally:
            await bare.agent.stop(grace=2.0)
            assert (bare.agent.calls, bare.agent.dialogs, bare.agent.tasks) == (0, 0, 0)


@asynccontextmanager
async def called(
    scenario: str, transport: Transport, folder: Path, *, pause_ms: int = 500
) -> AsyncIterator[tuple[BareAgent, OutgoingCall, SippProcess]]:
    """We call SIPp."""
    setup = Sipp(scenario=scenario, host=loopback_address(), transport=transport, pause_ms=pause_ms)
    async with sipp(setup, folder) as process, bare_agent(transport) as bare:
        yield bare, bare.dials(setup.uri), process


@asynccontextmanager
async def calling(
    scenario: str, transport: Transport, folder: Path, *, pause_ms: int = 500, keys: tuple[tuple[str, str], ...] = ()
) -> AsyncIterator[tuple[BareAgent, IncomingCall, SippProcess]]:
    """SIPp calls us."""
    async with bare_agent(transport) as bare:
        setup = Sipp(
            scenario=scenario, host=loopback_address(), transport=transport, remote=bare.address, pause_ms=pause_ms
        )
        async with sipp(setup, folder) as process:
            yield bare, await bare.gets_call(), process


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    value: Transport = request.param
    return value


# SIPp answers


async def test_a_call_is_rung_answered_reoffered_and_hung_up(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_answer_echo", transport, tmp_path) as (bare, call, process):
        assert (await bare.hears(Provisional)).status == 180
        assert "m=audio 16000" in ((await bare.hears(Answered)).sdp or "")

        outcome: asyncio.Future[Answered | Rejected] = asyncio.get_running_loop().create_future()
        call.reinvite(bare.sdp("sendonly"), outcome.set_result)
        assert isinstance(await outcome, Answered)
        call.hangup(q850=16)

        await process.succeeds()


async def test_early_media_comes_before_the_answer(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_early_media_183", transport, tmp_path) as (bare, call, process):
        early = await bare.hears(Provisional)
        assert early.status == 183
        assert "m=audio 16000" in (early.sdp or "")

        assert (await bare.hears(Answered)).sdp is not None
        call.hangup()
        await process.succeeds()


async def test_early_media_that_is_reliable_is_acknowledged_and_answers(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_accept_100rel", transport, tmp_path) as (bare, call, process):
        early = await bare.hears(Provisional)
        assert "m=audio 16000" in (early.sdp or "")

        assert (await bare.hears(Answered)).sdp == early.sdp
        call.hangup()
        await process.succeeds()


async def test_a_busy_far_end_is_486(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_busy_486", transport, tmp_path) as (bare, _call, process):
        await bare.hears(Provisional)

        assert await bare.hears(Rejected) == Rejected(486, "Busy Here")
        await process.succeeds()


async def test_a_declining_far_end_is_603_with_its_cause(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_reject_603", transport, tmp_path) as (bare, _call, process):
        assert await bare.hears(Rejected) == Rejected(603, "Decline", 21)

        await process.succeeds()


async def test_a_call_that_rings_is_cancelled(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_noanswer_cancel_487", transport, tmp_path) as (bare, call, process):
        await bare.hears(Provisional)

        call.hangup()

        assert (await bare.hears(Rejected)).status == 487
        await process.succeeds()


@pytest.mark.parametrize("scenario", ["uas_challenge_401", "uas_challenge_407"])
async def test_a_challenge_is_answered(scenario: str, transport: Transport, tmp_path: Path) -> None:
    async with called(scenario, transport, tmp_path) as (bare, call, process):
        assert (await bare.hears(Provisional)).status == 180
        await bare.hears(Answered)

        call.hangup()

        await process.succeeds()


async def test_the_far_end_holds_and_resumes(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_reinvite_hold_resume", transport, tmp_path) as (bare, call, process):
        await bare.hears(Provisional)
        await bare.hears(Answered)

        for direction in ("sendonly", "sendrecv"):
            offer = (await bare.hears(Reoffered)).sdp
            assert f"a={direction}" in (offer or "")
            call.answer_reoffer(bare.answer_to(offer))
            await bare.gets_ack()  # a BYE right behind the 200 would reach SIPp before its own ACK is out
        call.hangup()

        await process.succeeds()


async def test_the_far_end_hangs_up(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_bye_after", transport, tmp_path) as (bare, _call, process):
        await bare.hears(Provisional)
        await bare.hears(Answered)

        assert await bare.hears(Ended) == Ended(16, "bye")
        await process.succeeds()


async def test_the_far_end_has_us_call_somebody_and_is_told_how_it_goes(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_sends_refer", transport, tmp_path) as (bare, call, process):
        await bare.hears(Answered)

        assert (await bare.hears(Referred)).target.uri.startswith("sip:+12025550100@")
        call.accept_refer()
        call.notify_refer(200, "OK")

        assert await bare.hears(Ended) == Ended(None, "bye")
        await process.succeeds()


async def test_the_far_end_calls_whom_we_name_and_tells_how_it_goes(transport: Transport, tmp_path: Path) -> None:
    async with called("uas_takes_refer", transport, tmp_path) as (bare, call, process):
        await bare.hears(Answered)
        told: asyncio.Queue[ReferProgress] = asyncio.Queue()

        call.refer("sip:+12025550100@127.0.0.1", told.put_nowait)

        async with asyncio.timeout(PATIENCE):
            assert [(await told.get()).status for _ in range(3)] == [202, 180, 200]
        call.hangup()
        await process.succeeds()


async def test_a_session_timer_of_the_far_end_is_refreshed_with_the_same_description(
    transport: Transport, tmp_path: Path
) -> None:
    async with called("uas_session_timer", transport, tmp_path) as (bare, _call, process):
        await bare.hears(Answered)

        assert await bare.hears(Ended) == Ended(None, "bye"), "call control hears nothing of the refreshes"
        await process.succeeds()


# SIPp calls


async def test_a_caller_that_refers_is_refused_or_told_how_it_goes(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_refer", transport, tmp_path) as (bare, call, process):
        call.answer(bare.answer_to(call.offer))
        await bare.hears(Confirmed)

        await bare.hears(Referred)
        call.reject_refer(603)
        await bare.hears(Referred)
        call.accept_refer()
        call.notify_refer(486, "Busy Here")

        await bare.hears(Ended)
        await process.succeeds()


async def test_a_caller_takes_the_place_of_another_call(transport: Transport, tmp_path: Path) -> None:
    first = Sipp(scenario="uac_inbound_basic", host=loopback_address(), transport=transport, pause_ms=20_000)
    async with bare_agent(transport) as bare:
        (tmp_path / "first").mkdir()
        async with sipp(replace(first, remote=bare.address), tmp_path / "first"):
            old = await bare.gets_call()
            old.answer(bare.answer_to(old.offer))
            await bare.hears(Confirmed)
            there = old.dialog
            assert there is not None
            keys = (("replaces", f"{there.call_id};to-tag={there.from_tag};from-tag={there.to_tag}"),)
            second = Sipp(
                scenario="uac_replaces",
                host=loopback_address(),
                transport=transport,
                remote=bare.address,
                pause_ms=200,
                keys=keys,
            )
            (tmp_path / "second").mkdir()
            async with sipp(second, tmp_path / "second") as process:
                new = await bare.gets_call()
                assert new.replaces == old.sip_call_id
                new.answer(bare.answer_to(new.offer))
                await bare.hears(Confirmed)

                assert await bare.hears(Ended) == Ended(None, "bye")
                await process.succeeds()
            old.hangup()


async def test_a_session_timer_of_the_caller_is_kept_to(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_session_timer", transport, tmp_path) as (bare, call, process):
        call.answer(bare.answer_to(call.offer))
        await bare.hears(Confirmed)

        assert await bare.hears(Ended) == Ended(None, "bye"), "the refreshes are no business of call control"
        await process.succeeds()


@pytest.mark.parametrize("scenario", ["uac_inbound_basic", "uac_inbound_pcmu_dtmf"])
async def test_a_call_comes_in_and_is_hung_up_by_the_caller(
    scenario: str, transport: Transport, tmp_path: Path
) -> None:
    async with calling(scenario, transport, tmp_path) as (bare, call, process):
        assert (call.trunk, call.request_user, call.caller_name) == ("sipp", "1000", "Test Caller")
        call.ring()
        call.answer(bare.answer_to(call.offer))

        await bare.hears(Confirmed)
        assert (await bare.hears(Ended)).reason == "bye"
        await process.succeeds()


async def test_a_call_comes_in_with_early_media(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_inbound_basic", transport, tmp_path, pause_ms=100) as (bare, call, process):
        answer = bare.answer_to(call.offer)
        call.progress(answer)
        call.answer(answer)

        await bare.hears(Confirmed)
        await bare.hears(Ended)
        await process.succeeds()


async def test_ringing_and_early_media_are_reliable_for_a_caller_that_requires_it(
    transport: Transport, tmp_path: Path
) -> None:
    async with calling("uac_100rel", transport, tmp_path, pause_ms=100) as (bare, call, process):
        answer = bare.answer_to(call.offer)
        call.ring()
        await bare.gets_prack()
        call.progress(answer)
        call.answer(answer)

        await bare.hears(Confirmed)
        await bare.hears(Ended)
        await process.succeeds()


async def test_the_caller_holds_and_resumes(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_reinvite", transport, tmp_path) as (bare, call, process):
        call.answer(bare.answer_to(call.offer))
        await bare.hears(Confirmed)

        for direction in ("sendonly", "sendrecv"):
            offer = (await bare.hears(Reoffered)).sdp
            assert f"a={direction}" in (offer or "")
            call.answer_reoffer(bare.answer_to(offer))

        await bare.hears(Ended)
        await process.succeeds()


async def test_headers_of_the_caller_arrive(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_x_headers", transport, tmp_path) as (bare, call, process):
        call.answer(bare.answer_to(call.offer))

        names = [name.lower() for name, _ in call.headers]
        assert names == ["x-tenant", "x-call-ref", "x-note", "x-lower-case", "x-multi", "x-multi"]
        assert [value for name, value in call.headers if name == "X-Multi"] == ["one", "two"]
        await bare.hears(Confirmed)
        await bare.hears(Ended)
        await process.succeeds()


async def test_the_caller_cancels(transport: Transport, tmp_path: Path) -> None:
    async with calling("uac_cancel", transport, tmp_path) as (bare, call, process):
        call.ring()

        assert await bare.hears(Cancelled) == Cancelled(None)
        await process.succeeds()


# A link that loses messages


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_sipp_is_called_over_a_lossy_link(share: float, tmp_path: Path) -> None:
    setup = Sipp(scenario="uas_answer_echo", host=loopback_address(), transport="udp")
    async with sipp(setup, tmp_path) as process, bare_agent("udp") as bare:
        weather = LosesShare(share, seed=3, burst=1)
        async with lossy_link((setup.host, setup.port), weather, host=loopback_address()) as link:
            host, port = link.address
            call = bare.dials(f"sip:1000@{host}:{port}")
            while not isinstance(await bare.hears_anything(), Answered):
                continue
            async with asyncio.timeout(PATIENCE):
                await link.carries("caller", "ACK")  # SIPp takes no BYE before it
            call.hangup()

            await process.succeeds()

        assert weather.count > 0


@pytest.mark.parametrize("share", [0.1, 0.3])
async def test_sipp_calls_over_a_lossy_link(share: float, tmp_path: Path) -> None:
    async with bare_agent("udp") as bare:
        callee_host, callee_port = bare.address.split(":")
        weather = LosesShare(share, seed=5, burst=1)
        async with lossy_link((callee_host, int(callee_port)), weather, host=loopback_address()) as link:
            host, port = link.address
            setup = Sipp(
                scenario="uac_inbound_basic",
                host=loopback_address(),
                transport="udp",
                remote=f"{host}:{port}",
                pause_ms=100,
            )
            async with sipp(setup, tmp_path) as process:
                call = await bare.gets_call()
                call.ring()
                call.answer(bare.answer_to(call.offer))

                await bare.hears(Confirmed)
                await bare.hears(Ended)
                await process.succeeds()

        assert weather.count > 0
