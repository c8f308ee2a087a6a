"""What the lab's far ends do in a call that stands, seen by a user agent and an audio peer of the gateway's side."""

import asyncio
from typing import TypeVar

import pytest

from gateway.lab import sdp
from gateway.lab.calls import CallState, LabCall
from gateway.lab.rtp_stream import NOTES
from gateway.lab.scenario import Silence, Tone
from gateway.media.core.rtp import RtpPacket
from gateway.sip.call import Answered, Ended, Referred, Rejected, Reoffered, SipCallEvent
from tests.wire.lab.site import Caller, ListeningPeer, Site, site
from tests.wire.media import sound

KindT = TypeVar("KindT", bound=SipCallEvent)


async def next_event(caller: Caller, kind: type[KindT]) -> KindT:
    """The next event that is of that kind, however many others come before it."""
    while True:
        _, event = await caller.event()
        if isinstance(event, kind):
            return event


async def answered(running: Site, number: str) -> tuple[Caller, LabCall]:
    caller = running.call(number)
    await caller.until(Answered)
    return caller, running.lab.switchboard.history.live()[-1]


def answer_reoffer(caller: Caller, reoffered: Reoffered) -> sdp.Stream:
    """Answer it as the media says; returns what was offered."""
    assert caller.leg is not None
    assert reoffered.sdp is not None
    caller.leg.answer_reoffer(caller.media.answer(reoffered.sdp))
    return sdp.parse(reoffered.sdp)


async def hears(peer: ListeningPeer, *frequencies: float) -> None:
    """One of these tones, in a second of its own."""
    async with asyncio.timeout(30):
        while (heard := peer.sound().frequency) is None or min(abs(heard - one) for one in frequencies) > 1:
            await peer.hears_more(5)


async def test_hold_is_offered_with_music_and_ended_with_the_echo_again_and_again() -> None:
    async with site(time_scale=0.3) as running:
        caller, call = await answered(running, "+12025550110")
        caller.media.play(Tone(700.0))
        await hears(caller.media, 700.0)

        for _ in range(2):
            assert answer_reoffer(caller, await next_event(caller, Reoffered)).way is sdp.Way.SENDONLY
            await hears(caller.media, *NOTES)
            assert answer_reoffer(caller, await next_event(caller, Reoffered)).way is sdp.Way.SENDRECV
            await hears(caller.media, 700.0)

        assert call.reinvite_status == 200


async def test_hold_that_is_refused_leaves_the_echo() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550110")
        caller.media.play(Tone(700.0))
        await next_event(caller, Reoffered)
        assert caller.leg is not None

        caller.leg.reject_reoffer(488)
        await next_event(caller, Reoffered)

        assert call.reinvite_status == 488
        await hears(caller.media, 700.0)


async def test_other_codec_is_offered_alone_and_the_tone_goes_on_in_it() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550112")

        stream = answer_reoffer(caller, await next_event(caller, Reoffered))

        assert [one for one in stream.codecs.values() if one.name != sdp.TELEPHONE_EVENT] == [sdp.PCMA]
        await hears(caller.media, 1004.0)
        assert caller.media.codec == sdp.PCMA
        assert call.reinvite_status == 200


async def test_other_codec_that_is_refused_leaves_the_first() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550112")
        await next_event(caller, Reoffered)
        assert caller.leg is not None

        caller.leg.reject_reoffer(488)
        await hears(caller.media, 1004.0)

        assert (caller.media.codec, call.reinvite_status) == (sdp.PCMU, 488)


async def test_refer_is_sent_and_the_lab_hangs_up_once_it_was_followed() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550111")
        referred = await next_event(caller, Referred)
        assert caller.leg is not None

        caller.leg.accept_refer()
        caller.leg.notify_refer(180, "Ringing")
        caller.leg.notify_refer(200, "OK")

        address = running.lab.address
        assert referred.target.uri == f"sip:+12025550100@{address.host}:{address.port}"
        assert (await next_event(caller, Ended)).reason == "bye"
        assert call.refer_status == 200


async def test_refer_that_is_refused_leaves_the_call() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550111")
        await next_event(caller, Referred)
        assert caller.leg is not None

        caller.leg.reject_refer(603)
        caller.media.play(Tone(700.0))
        await hears(caller.media, 700.0)

        assert call.refer_status == 603


async def test_calling_lab_refers_too() -> None:
    async with site(time_scale=0.1) as running:
        heard: asyncio.Queue[SipCallEvent] = asyncio.Queue()
        peer = ListeningPeer()
        call = running.lab.switchboard.call(to="alice", caller="bob", scenario="refer")
        into = await running.next_call()
        assert into.offer is not None
        into.listen(heard.put_nowait)
        into.answer(peer.answer(into.offer))
        async with asyncio.timeout(30):
            while not isinstance(await heard.get(), Referred):
                pass

        into.reject_refer(501)
        into.hangup()
        await call.over.wait()

        peer.close()
        assert call.refer_status == 501


class Dialler(ListeningPeer):
    """Sends digits as telephone-events, and keeps what it hears."""

    def __init__(self) -> None:
        super().__init__()
        self.payloads: list[bytes] = []
        self._sequence = 0

    def _receive(self, packet: RtpPacket, source: tuple[str, int]) -> None:
        self.payloads.append(packet.payload)
        super()._receive(packet, source)

    def dial(self, digits: str, *, has_end: bool = True) -> None:
        """Each digit 100 ms long, all of it at once; without end bit as if those packets were lost."""
        for number, digit in enumerate(digits):
            for ticks, flags in ((160, 0), (480, 0), (800, 0x80), (800, 0x80)):
                if flags and not has_end:
                    continue
                payload = bytes(("0123456789*#ABCD".index(digit), flags | 10)) + ticks.to_bytes(2, "big")
                self._sequence += 1
                self._send(RtpPacket(101, self._sequence, 1000 + 2000 * number, 7, False, payload))


@pytest.mark.parametrize("has_end", [True, False])
async def test_digits_come_back_as_their_tones_and_are_kept(has_end: bool) -> None:
    async with site(time_scale=0.1) as running:
        dialler = Dialler()
        caller = running.call("+12025550109", media=dialler)
        await caller.until(Answered)
        (call,) = running.lab.switchboard.history.live()
        await dialler.has_heard(2)

        dialler.dial("1590*#D", has_end=has_end)
        if not has_end:
            dialler.play(Silence())  # audio behind the last digit tells that it is over
        async with asyncio.timeout(30):
            while sound.digits("PCMU", dialler.payloads) != "1590*#D":
                await dialler.hears_more(1)

        assert "".join(digit.digit for digit in (await call.heard()).digits) == "1590*#D"


async def reinvited(caller: Caller) -> None:
    """Our own re-INVITE, answered by the lab."""
    assert caller.leg is not None
    outcome: asyncio.Future[Answered | Rejected] = asyncio.get_running_loop().create_future()
    caller.leg.reinvite(caller.media.reoffer(is_holding=False), outcome.set_result)
    async with asyncio.timeout(30):
        assert isinstance(await outcome, Answered)


async def test_stopped_rtp_comes_no_more_and_the_call_lives() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550117")
        await caller.media.has_heard(5)
        media = call.media
        assert media is not None
        async with asyncio.timeout(30):
            while not media.is_mute:
                await reinvited(caller)
        sent = media.counts.sent

        for _ in range(10):
            await reinvited(caller)

        assert media.counts.sent == sent
        assert call.state is CallState.ANSWERED


async def test_moved_rtp_comes_from_another_port_and_the_old_one_still_listens() -> None:
    async with site(time_scale=0.1) as running:
        caller, call = await answered(running, "+12025550118")
        media = call.media
        assert media is not None
        before = media.port
        caller.media.play(Silence())

        await caller.media.has_rejected(10)  # this peer follows nobody

        assert media.port != before
        assert media.hearing is not None
        assert media.hearing.stats.packets_received > caller.media.packets_heard


async def test_every_second_call_of_a_minute_is_answered() -> None:
    async with site(time_scale=1.0) as running:
        first, second, third = (running.call("+12025550113") for _ in range(3))

        rejected = (await first.until(Rejected))[-1][1]
        assert isinstance(rejected, Rejected)
        assert (rejected.status, rejected.retry_after) == (503, 5.0)
        await second.until(Answered)
        await third.until(Rejected)


async def test_session_timer_is_demanded_and_refreshed_by_the_caller() -> None:
    async with site(time_scale=0.05) as running:
        caller, call = await answered(running, "+12025550116")
        caller.media.play(Silence())

        await caller.media.has_heard(250)  # 5 s, more than the 4 s of the session

        assert call.state is CallState.ANSWERED
        assert caller.leg is not None
        caller.leg.hangup()


async def test_call_that_takes_the_place_of_another_ends_it() -> None:
    async with site(time_scale=0.1) as running:
        first, old = await answered(running, "+12025550120")
        assert first.leg is not None
        there = first.leg.dialog

        second = running.call("+12025550120", replaces=there)
        await second.until(Answered)

        assert (await next_event(first, Ended)).reason == "bye"
        await old.over.wait()
        assert [call.scenario for call in (one.facts for one in running.lab.switchboard.history.live())] == ["silence"]
