"""What happened in a call, through the whole gateway: kept, shown, exported, sent to a collector, without secrets."""

import asyncio
import json
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.domain.ids import CallId
from gateway.domain.trace import TraceEntry, TraceKind
from gateway.sip.core.message import Request
from gateway.traces.core.book import Placed
from gateway.traces.core.ladder_text import WIDTH
from tests.harness.gateway import Running, running
from tests.unit.sip.core.messages import request
from tests.unit.traces.hep_reader import HepPacket, read_hep
from tests.wire.sip.wire import udp_peer
from tests.wire.whole.attackers import destination
from tests.wire.whole.phone import phone
from tests.wire.whole.sip_phone import sip_phone

TONE, ECHO = "+12025550101", "+12025550100"
FAST: Final = {"lab": {"time_scale": 0.1}, "calls": {"stop_grace": 0.0}}

DIGITS: Final = "9*5#17*#"
"""Of no number, time or id: four plain digits do turn up in those by chance."""

JWT: Final = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJzM2NyZXQifQ.UGxhbnRlZFNpZ25hdHVyZQ"
SECRETS: Final = (
    b"P1antedResponse",
    b"P1antedInlineKey",
    b"P1antedIcePassword",
    b"P1antedDeviceToken",
    b"P1antedUriPassword",
    b"Signal=9",
    DIGITS.encode(),
    JWT.encode(),
)
SDP: Final = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/SAVP 0\r\n"
    "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:P1antedInlineKey\r\na=ice-pwd:P1antedIcePassword\r\n"
)


class Written:
    """Tells what the tracer has written."""

    def __init__(self, gateway: Running) -> None:
        self.entries: list[Placed] = []
        self._changed = asyncio.Event()
        tracer = gateway.gateway.tracer
        assert tracer is not None
        tracer.on_written = self._take

    def _take(self, entries: Sequence[Placed]) -> None:
        self.entries += entries
        self._changed.set()

    async def until(self, is_it: Callable[[TraceEntry], bool]) -> CallId:
        """Wait for such an entry; returns its call."""
        async with asyncio.timeout(30):
            while True:
                for call_id, entry in self.entries:
                    if is_it(entry):
                        return call_id
                self._changed.clear()
                await self._changed.wait()

    async def until_titled(self, start: str) -> CallId:
        """Wait for an entry whose title begins so."""
        return await self.until(lambda entry: entry.title.startswith(start))


class Collector(asyncio.DatagramProtocol):
    """A Homer that only reads."""

    def __init__(self) -> None:
        self.datagrams: list[bytes] = []
        self._changed = asyncio.Event()

    @property
    def packets(self) -> list[HepPacket]:
        return [read_hep(datagram) for datagram in self.datagrams]

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.datagrams.append(data)
        self._changed.set()

    async def until(self, is_it: Callable[[HepPacket], bool]) -> None:
        async with asyncio.timeout(30):
            while not any(is_it(packet) for packet in self.packets):
                self._changed.clear()
                await self._changed.wait()


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """A collector, and how the settings name it."""
    transport, collector = await asyncio.get_running_loop().create_datagram_endpoint(
        Collector, local_addr=("127.0.0.1", 0)
    )
    try:
        yield collector, f"udp:127.0.0.1:{transport.get_extra_info('sockname')[1]}"
    finally:
        transport.close()


async def fetch(gateway: Running, path: str, *, key: str | None = None) -> tuple[int, bytes]:
    headers = {"Authorization": f"Bearer {gateway.key if key is None else key}"}
    async with aiohttp.ClientSession() as client, client.get(gateway.http + path, headers=headers) as response:
        return response.status, await response.read()


def trace(call_id: str, kind: str = "") -> str:
    return f"/v2/gateway/calls/{call_id}/trace{kind}"


async def entries(gateway: Running, call_id: str) -> list[Any]:  # Any: JSON of the API
    found: list[Any] = (await gateway.get(trace(call_id)))["data"]["entries"]
    return found


async def test_call_is_told_from_the_first_frame_to_the_last_bye(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        written = Written(gateway)
        call = await alice.call(TONE)
        await alice.until_answered(call)
        assert await alice.hears(call, 1004.0, codec="PCMU")
        call_id = await written.until_titled("leg a: DTLS is through")
        live = (await gateway.get(trace(call_id)))["data"]
        await alice.hang_up(call)
        await written.until_titled("ended by")
        await written.until_titled("200 OK (BYE)")
        shown = (await gateway.get(trace(call_id)))["data"]

    assert live["is_live"] and not shown["is_live"]
    assert [line["name"] for line in shown["lifelines"]] == ["client", "VSP", "B2BUA", "SIP"]
    titles = [(entry["title"], entry["from"], entry["to"]) for entry in shown["entries"] if entry["from"] is not None]
    for expected in (
        ("telnyx_rtc.invite", 0, 1),
        ("result (telnyx_rtc.invite)", 1, 0),
        ("INVITE (SDP)", 2, 3),
        ("180 Ringing (INVITE)", 3, 2),
        ("200 OK (INVITE, SDP)", 3, 2),
        ("ACK", 2, 3),
        ("telnyx_rtc.answer", 1, 0),
        ("telnyx_rtc.bye", 0, 1),
        ("BYE", 2, 3),
        ("200 OK (BYE)", 3, 2),
    ):
        assert expected in titles, expected
    notes = [entry["title"] for entry in shown["entries"] if entry["from"] is None]
    for start in (
        "outbound call from alice",
        "ringing",
        "answered",
        "leg a: codec PCMU",
        "leg a: ICE path",
        "leg b: RTP/AVP, our port",
        "leg b: first packet received",
        "leg a: first packet sent",
        "leg b: packets received",
        "ended by leg a: NORMAL_CLEARING",
    ):
        assert any(note.startswith(start) for note in notes), start
    assert [entry["offset_s"] for entry in shown["entries"]] == sorted(e["offset_s"] for e in shown["entries"])
    [invite] = [entry for entry in shown["entries"] if entry["title"] == "INVITE (SDP)"]
    assert invite["text"].startswith(f"INVITE sip:{TONE}@127.0.0.1") and invite["transport"] == "udp"


async def test_call_of_a_trunk_is_told_too_and_only_what_is_new_is_asked_for(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway:
        written = Written(gateway)
        async with udp_peer() as peer:
            peer.send(invite_with_secrets(), destination(gateway, "udp"))
            call_id = await written.until_titled("ended by")
        first = await entries(gateway, call_id)
        _, rest = await fetch(gateway, f"{trace(call_id)}?after={first[0]['sequence']}")

    assert first[0]["title"] == "INVITE (SDP)" and (first[0]["from"], first[0]["to"]) == (0, 1)
    assert [entry["sequence"] for entry in json.loads(rest)["data"]["entries"]] == [
        entry["sequence"] for entry in first if entry["sequence"] > first[0]["sequence"]
    ]


async def test_text_svg_and_pcap_hold_the_same_call(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        written = Written(gateway)
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.hang_up(call)
        call_id = await written.until_titled("200 OK (BYE)")
        await written.until_titled("ended by")
        _, text = await fetch(gateway, trace(call_id, ".txt"))
        _, svg = await fetch(gateway, trace(call_id, ".svg"))
        _, pcap = await fetch(gateway, trace(call_id, ".pcap"))
        shown = await entries(gateway, call_id)

    lines = text.decode().splitlines()
    assert any(re.search(r"\|-+ \d+ INVITE \(SDP\) -+>\|", line) for line in lines)
    assert max(map(len, lines)) <= WIDTH
    root = ElementTree.fromstring(svg)  # noqa: S314 - our own
    drawn = [group.get("data-entry") for group in root.iter("{http://www.w3.org/2000/svg}g") if group.get("data-entry")]
    assert drawn == [str(entry["sequence"]) for entry in shown]
    assert pcap.count(b"\r\nCSeq: ") == sum(entry["kind"] == "sip" for entry in shown)


async def test_trace_asks_for_a_key_a_known_call_and_a_number(tmp_path: Path) -> None:
    nobody = "00000000-0000-0000-0000-000000000000"
    async with running(tmp_path, FAST) as gateway:
        writer = (await gateway.gateway.provisioning.create_key(scope=("write",))).text
        for kind in ("", ".txt", ".svg", ".pcap"):
            assert (await fetch(gateway, trace(nobody, kind), key="KEYwrong"))[0] == 401
            assert (await fetch(gateway, trace(nobody, kind), key=writer))[0] == 403
            assert (await fetch(gateway, trace(nobody, kind)))[0] == 404
        for wrong in ("x", "-1", str(2**63), "٣"):
            status, body = await fetch(gateway, f"{trace(nobody)}?after={wrong}")
            assert (status, json.loads(body)["errors"][0]["source"]["parameter"]) == (400, "after")


async def test_nothing_is_kept_when_traces_are_off(tmp_path: Path) -> None:
    async with running(tmp_path, {**FAST, "traces": {"enabled": False}}) as gateway:
        async with phone(gateway, codecs=["PCMU"]) as alice:
            call = await alice.call(ECHO)
            await alice.until_answered(call)
            [live] = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
            await alice.hang_up(call)
        shown = (await gateway.get(trace(live["call_id"])))["data"]
        _, text = await fetch(gateway, trace(live["call_id"], ".txt"))

        assert gateway.gateway.tracer is None
    assert shown["entries"] == []
    assert b"Nothing is kept of it." in text


def invite_with_secrets() -> Request:
    digest = 'Digest username="u", realm="r", nonce="n", uri="sip:b", response="P1antedResponse"'
    return request(
        "INVITE",
        call_id="planted",
        body=SDP.encode(),
        more=(
            ("Contact", "<sip:peer:P1antedUriPassword@127.0.0.1>"),
            ("Authorization", digest),
            ("Proxy-Authorization", digest),
            ("X-Token", JWT),
            ("Content-Type", "application/sdp"),
        ),
    )


def digit_with_secrets() -> Request:
    return request(
        "INFO",
        call_id="planted",
        branch="z9hG4bK2",
        number=2,
        body=b"Signal=9\r\nDuration=160\r\n",
        more=(("Content-Type", "application/dtmf-relay"),),
    )


def contents(folder: Path) -> dict[str, bytes]:
    """The files of the database."""
    return {path.name: path.read_bytes() for path in folder.glob("gateway.db*")}


async def test_no_planted_secret_and_no_digit_is_in_any_output(tmp_path: Path) -> None:
    async with collecting() as (collector, name):
        settings = {**FAST, "traces": {"hep": {"collector": name}}}
        async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
            written = Written(gateway)
            async with udp_peer() as peer:
                peer.send(invite_with_secrets(), destination(gateway, "udp"))
                from_trunk = await written.until_titled("ended by")
                peer.send(digit_with_secrets(), destination(gateway, "udp"))
                await written.until_titled("INFO")
            call = await alice.call(
                ECHO, userVariables={"push_device_token": "P1antedDeviceToken"}, custom={"jwt": JWT}, note=JWT
            )
            await alice.until_answered(call)
            await alice.verto.dtmf(call, DIGITS)
            from_client = await written.until_titled("telnyx_rtc.info")
            await alice.hang_up(call)
            await written.until_titled("200 OK (BYE)")
            outputs = {
                f"{call_id}{kind}": (await fetch(gateway, trace(call_id, kind)))[1]
                for call_id in (from_trunk, from_client)
                for kind in ("", ".txt", ".svg", ".pcap")
            }
    outputs |= {f"HEP {number}": datagram for number, datagram in enumerate(collector.datagrams)}
    outputs |= contents(tmp_path)

    everything = b"\n".join(outputs.values())
    for present in (b"Duration=160", b"planted", b"telnyx_rtc.info", b"inline:xxxx"):
        assert present in everything, present
    found = [(name, secret) for name, data in outputs.items() for secret in SECRETS if secret in data]
    assert found == []


async def test_collector_gets_messages_frames_facts_and_rtcp_of_a_call(tmp_path: Path) -> None:
    async with collecting() as (collector, name):
        settings = {**FAST, "traces": {"keep": 0, "hep": {"collector": name, "capture_id": 77}}}
        async with running(tmp_path, settings) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
            call = await alice.call(ECHO)
            await alice.until_answered(call)
            await alice.hang_up(call)
            await collector.until(lambda packet: packet["type"] == 1 and b"200 OK" in packet["payload"])
            await collector.until(lambda packet: packet["type"] == 5)
            await collector.until(lambda packet: b"ended by leg a" in packet["payload"])

    packets = collector.packets
    assert {packet["type"] for packet in packets} == {1, 5, 100}
    assert len({packet["correlation_id"] for packet in packets}) == 1
    assert {packet["capture_id"] for packet in packets} == {77}
    [invite] = [packet for packet in packets if packet["payload"].startswith(b"INVITE ")]
    assert (invite["family"], invite["protocol"], invite["source"]) == (2, 17, "127.0.0.1")
    assert all(json.loads(packet["payload"]) for packet in packets if packet["type"] != 1)
    assert any(b"telnyx_rtc.invite" in packet["payload"] for packet in packets if packet["type"] == 100)


async def test_nobody_is_told_of_rtcp_where_there_is_no_collector(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        written = Written(gateway)
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        await alice.hang_up(call)
        await written.until_titled("ended by")

    kinds = {entry.kind for _, entry in written.entries}
    assert kinds == {TraceKind.SIP, TraceKind.VERTO, TraceKind.MEDIA, TraceKind.CALL}


async def test_collector_that_is_not_there_changes_nothing_for_a_call(tmp_path: Path) -> None:
    async with collecting() as (_, name):
        pass  # the port is free again, and nobody listens on it
    async with running(tmp_path, {**FAST, "traces": {"hep": {"collector": name}}}) as gateway:
        async with phone(gateway, codecs=["PCMU"]) as alice:
            written = Written(gateway)
            call = await alice.call(ECHO)
            await alice.until_answered(call)
            await alice.hang_up(call)
            call_id = await written.until_titled("ended by")
        kept = await entries(gateway, call_id)

    assert kept[-1]["kind"] in ("call", "sip")


async def test_traces_outlive_the_process(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        call = await alice.call(ECHO)
        await alice.until_answered(call)
        [live] = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
    async with running(tmp_path, FAST, users=()) as again:
        kept = [entry["title"] for entry in await entries(again, live["call_id"])]

    assert "telnyx_rtc.invite" in kept
    assert any(title.startswith("ended by") for title in kept)


async def test_leg_that_moves_to_another_call_is_told_of_there_from_then_on(tmp_path: Path) -> None:
    async with running(tmp_path, FAST) as gateway, phone(gateway, codecs=["PCMU"]) as alice:
        written = Written(gateway)
        one, other = [await alice.call(number) for number in (ECHO, TONE)]
        for call in (one, other):
            await alice.until_answered(call)
        await alice.verto.modify(one, "replace", replaceCallID=other)
        await written.until_titled("attended transfer")
        [left] = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
        await gateway.post(f"/v2/gateway/calls/{left['call_id']}/actions/hangup", {})
        await written.until(lambda entry: entry.title.startswith("ended by the gateway"))
        byes = [(call_id, entry.channel) for call_id, entry in written.entries if entry.title == "BYE"]

    assert [call_id for call_id, _ in byes] == [left["call_id"]] * 2
    assert len({channel for _, channel in byes}) == 2


async def test_call_of_a_phone_is_told_with_its_challenge_and_without_its_answer(tmp_path: Path) -> None:
    async with running(tmp_path, {**FAST, "registrar": {"enabled": True}}) as gateway, sip_phone(gateway) as desk:
        written = Written(gateway)
        line = await desk.calls(TONE)
        await desk.until_answered(line)
        line.leg.call.hangup()
        call_id = await written.until_titled("ended by")
        told = [entry for entry in await entries(gateway, call_id) if entry["to"] is not None]

    calling = [(entry["title"], entry["from"], entry["to"]) for entry in told if 0 in (entry["from"], entry["to"])]
    assert [title for title, _, _ in calling[:2]] == ["INVITE (SDP)", "407 Proxy Authentication Required (INVITE)"]
    assert ("ACK", 0, 1) in calling and ("BYE", 0, 1) in calling
    proofs = [entry["text"] for entry in told if "Proxy-Authorization: Digest" in entry["text"]]
    assert proofs and all(re.search(r'response="x{32,}"', proof) and 'username="alice"' in proof for proof in proofs)
