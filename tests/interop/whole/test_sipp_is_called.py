"""SIPp plays the trunk that the gateway calls, over UDP and TCP; a client with media sees what comes of it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.sipp_runner import Sipp, SippProcess, Transport, loopback_address, sipp
from tests.interop.whole.site import NUMBER, gateway_with_trunk, methods, speaking
from tests.wire.whole.phone import Phone, phone

pytestmark = pytest.mark.interop


@pytest.fixture(params=["udp", "tcp"])
def transport(request: pytest.FixtureRequest) -> Transport:
    value: Transport = request.param
    return value


@asynccontextmanager
async def dialled(
    scenario: str,
    transport: Transport,
    folder: Path,
    *,
    codecs: Sequence[str] = ("PCMU",),
    pause_ms: int = 500,
    is_echo: bool = False,
    credentials: tuple[str, str] | None = None,
) -> AsyncIterator[tuple[Phone, str, SippProcess]]:
    """Alice has dialled; SIPp runs that scenario for her call."""
    setup = Sipp(scenario=scenario, host=loopback_address(), transport=transport, pause_ms=pause_ms, is_echo=is_echo)
    uri = f"sip:{setup.host}:{setup.port};transport={transport}"
    trunk_folder = folder / "sipp"
    trunk_folder.mkdir()
    async with (
        sipp(setup, trunk_folder) as process,
        gateway_with_trunk(folder / "gateway", uri, credentials=credentials) as gateway,
        phone(gateway, codecs=codecs) as alice,
    ):
        call = await alice.call(NUMBER)
        try:
            yield alice, call, process
        except AssertionError as exc:  # while all of it is still there
            exc.add_note(f"{process.errors}\n{await gateway.media_story()}")
            raise


@pytest.mark.parametrize("codec", ["PCMU", "opus"])
async def test_trunk_rings_answers_and_echoes_what_the_client_says(
    transport: Transport, codec: str, tmp_path: Path
) -> None:
    async with dialled("uas_answer_echo", transport, tmp_path, codecs=[codec], is_echo=True) as (alice, call, process):
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)
        await alice.until_answered(call)

        with speaking(alice, call, 700.0, codec=codec):
            assert await alice.hears(call, 700.0, codec=codec)

        assert [name for name in methods(alice) if name != "clientReady"] == ["ringing", "answer"]
        await alice.hang_up(call)
        await process.succeeds()


async def test_early_media_of_the_trunk_is_heard_before_and_after_the_answer(
    transport: Transport, tmp_path: Path
) -> None:
    async with dialled("uas_early_media_183", transport, tmp_path, pause_ms=4000) as (alice, call, process):
        await alice.take_early_media(call)

        assert await alice.hears(call, 425.0, codec="PCMU")
        assert "answer" not in methods(alice)
        await alice.until_answered(call)
        assert await alice.hears(call, 425.0, codec="PCMU")
        answer = await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)
        assert "sdp" not in answer["params"]
        await alice.hang_up(call)
        await process.succeeds()


@pytest.mark.parametrize(
    ("scenario", "ending"),
    [("uas_busy_486", ("USER_BUSY", 486)), ("uas_reject_603", ("CALL_REJECTED", 603))],
)
async def test_refusal_of_the_trunk_reaches_the_client_with_cause_and_sip_code(
    transport: Transport, scenario: str, ending: tuple[str, int], tmp_path: Path
) -> None:
    async with dialled(scenario, transport, tmp_path) as (alice, call, process):
        assert await alice.until_over(call) == ending
        await process.succeeds()


async def test_client_that_hangs_up_while_it_rings_cancels_at_the_trunk(transport: Transport, tmp_path: Path) -> None:
    async with dialled("uas_noanswer_cancel_487", transport, tmp_path) as (alice, call, process):
        await alice.verto.wait_for("telnyx_rtc.ringing", call_id=call)

        await alice.hang_up(call)

        await process.succeeds()
        assert "answer" not in methods(alice)


@pytest.mark.parametrize("scenario", ["uas_challenge_401", "uas_challenge_407"])
async def test_challenge_of_the_trunk_is_answered_and_the_client_sees_none_of_it(
    transport: Transport, scenario: str, tmp_path: Path
) -> None:
    credentials = ("trunk", "trunkpass")
    async with dialled(scenario, transport, tmp_path, credentials=credentials) as (alice, call, process):
        await alice.until_answered(call)

        await alice.hang_up(call)

        await process.succeeds()
        assert [name for name in methods(alice) if name != "clientReady"] == ["ringing", "answer"]


async def test_wrong_password_for_the_trunk_ends_the_call_with_its_403(transport: Transport, tmp_path: Path) -> None:
    credentials = ("trunk", "not-the-password")
    async with dialled("uas_challenge_401", transport, tmp_path, credentials=credentials) as (alice, call, process):
        assert await alice.until_over(call) == ("CALL_REJECTED", 403)
        await process.succeeds()


async def test_challenge_without_credentials_ends_the_call_with_its_407(transport: Transport, tmp_path: Path) -> None:
    async with dialled("uas_challenge_407", transport, tmp_path) as (alice, call, _process):
        assert await alice.until_over(call) == ("CALL_REJECTED", 407)


async def test_trunk_that_holds_hears_nothing_until_it_resumes_and_the_client_is_served_all_the_while(
    transport: Transport, tmp_path: Path
) -> None:
    async with dialled("uas_reinvite_hold_resume", transport, tmp_path, is_echo=True) as (alice, call, process):
        await alice.until_answered(call)
        with speaking(alice, call, 700.0, codec="PCMU"):
            assert await alice.hears(call, 700.0, codec="PCMU")
            while await alice.hears(call, 700.0, codec="PCMU", patience=1):
                assert "CSeq: 102 INVITE" not in process.messages, "the hold was not honoured"
            assert await alice.hears(call, 700.0, codec="PCMU", patience=20)
            while "CSeq: 102 ACK" not in process.messages:
                await alice.listen(call, codec="PCMU", frames=5)
            await alice.hang_up(call)

        await process.succeeds()


async def test_held_trunk_is_told_sendonly_hears_music_and_is_resumed_with_sendrecv(
    transport: Transport, tmp_path: Path
) -> None:
    async with dialled("uas_is_held", transport, tmp_path, is_echo=True) as (alice, call, process):
        await alice.until_answered(call)
        await alice.verto.modify(call, "hold")
        while "a=recvonly" not in process.messages:
            await alice.listen(call, codec="PCMU", frames=5)
        await alice.listen(call, codec="PCMU", frames=50)  # silence, although SIPp echoes the music
        with speaking(alice, call, 700.0, codec="PCMU"):
            assert not await alice.hears(call, 700.0, codec="PCMU", patience=1)
            await alice.verto.modify(call, "unhold")
            assert await alice.hears(call, 700.0, codec="PCMU", patience=20)
        await alice.hang_up(call)

        await process.succeeds()


async def test_a_session_timer_is_kept_alive_beside_a_leg_with_dtls_and_nobody_notices(
    transport: Transport, tmp_path: Path
) -> None:
    async with dialled("uas_session_timer", transport, tmp_path) as (alice, call, process):
        await alice.until_answered(call)

        await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)  # the trunk's, after two refreshes

        assert [name for name in methods(alice) if name not in ("clientReady", "ringing")] == ["answer", "bye"]
        await process.succeeds()


async def test_reliable_early_media_of_the_trunk_is_the_answer(transport: Transport, tmp_path: Path) -> None:
    async with dialled("uas_accept_100rel", transport, tmp_path) as (alice, call, process):
        await alice.take_early_media(call)

        answer = await alice.verto.wait_for("telnyx_rtc.answer", call_id=call)

        assert "sdp" not in answer["params"]
        await alice.hang_up(call)
        await process.succeeds()


async def test_trunk_that_hangs_up_ends_the_call_of_the_client(transport: Transport, tmp_path: Path) -> None:
    async with dialled("uas_bye_after", transport, tmp_path, pause_ms=2500) as (alice, call, process):
        await alice.until_answered(call)
        await alice.listen(call, codec="PCMU", frames=25)  # silence: RTP to a browser never pauses

        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert (bye["cause"], bye["causeCode"]) == ("NORMAL_CLEARING", 16)
        await process.succeeds()
