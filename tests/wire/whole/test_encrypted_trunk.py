"""Calls between a client with a browser's media and a trunk whose media is encrypted."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import pytest

from gateway.media.core.crypto_line import AEAD_256, AES_CM_80
from gateway.media.core.sdp import Setup
from gateway.media.core.sdp_parser import parse
from gateway.media.engines.dtls import Certificate
from gateway.sip.call import Answered, Ended, Rejected, Reoffered
from gateway.sip.tls_settings import SipTlsSettings
from gateway.sip.transport.tls_contexts import TlsContexts
from tests.harness.gateway import Running, running
from tests.harness.log_lines import log_lines
from tests.wire.media import sound
from tests.wire.media.browser import CODEC_LINES
from tests.wire.media.secured_trunk import DtlsTrunk, SdesTrunk
from tests.wire.media.trunk import Trunk
from tests.wire.sip.agents import LOOPBACK, Agent, Inbound
from tests.wire.sip.agents import running as user_agent
from tests.wire.sip.agents import settings as agent_settings
from tests.wire.sip.certificates import TestAuthority
from tests.wire.whole.carrier import Carrier, Line, carrier
from tests.wire.whole.phone import Phone, phone

NUMBER = "+4930123456"
B3 = "Media Encryption Required B3"

Kind = Callable[[], Trunk]

SDES = partial(SdesTrunk, codecs=("PCMU",))
BESIDE = partial(SdesTrunk, codecs=("PCMU",), protocol="RTP/AVP")
PLAIN = partial(Trunk, codecs=("PCMU",))
DTLS_CALLS = partial(DtlsTrunk, codecs=("PCMU",))
DTLS_ANSWERS = partial(DtlsTrunk, codecs=("PCMU",), setup=Setup.ACTIVE)


@dataclass
class Town:
    """A gateway whose trunk is a carrier with media of a kind."""

    gateway: Running
    agent: Agent
    carrier: Carrier

    async def called(self, one: Phone) -> tuple[str, Line]:
        """An answered call of the carrier to alice."""
        line = await self.carrier.calls("alice")
        call = await one.until_rung()
        await one.answer(call)
        await self.carrier.until_answered(line)
        return call, line

    async def calls(self, one: Phone) -> tuple[str, Line]:
        """An answered call of alice to the carrier."""
        call = await one.call(NUMBER)
        line = await self.carrier.answers()
        await one.until_answered(call)
        return call, line


MakeTown = Callable[..., AbstractAsyncContextManager[Town]]


@pytest.fixture
def make_town(tmp_path: Path) -> MakeTown:
    @asynccontextmanager
    async def make(srtp: str, kind: Kind, *, in_clear: bool = True, is_tls: bool = False) -> AsyncIterator[Town]:
        """`in_clear`: whether keys may stand in SDP over UDP. `is_tls`: whether signalling is encrypted."""
        security = secured(tmp_path) if is_tls else OPEN
        async with security.agent() as agent, AsyncExitStack() as stack:
            trunk: dict[str, object] = {
                "name": "carrier",
                "uri": agent.uri().replace("bob@", ""),
                "accept_from": ["127.0.0.0/8"],
            }
            trunk |= {"srtp": srtp, "srtp_over_plain_sip": in_clear, **security.trunk}
            settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk], **security.settings}
            gateway = await stack.enter_async_context(running(tmp_path, settings))
            far = await stack.enter_async_context(carrier(agent, gateway))
            far.make_trunk, far.transport = kind, security.transport
            yield Town(gateway, agent, far)

    return make


@dataclass(frozen=True)
class Security:
    """How signalling goes between the gateway and the carrier."""

    transport: str
    agent: Callable[[], AbstractAsyncContextManager[Agent]]
    trunk: Mapping[str, object] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)


OPEN = Security("udp", partial(user_agent, trunks=(replace(LOOPBACK, srtp_over_plain_sip=True),)))


def secured(folder: Path) -> Security:
    """Over TLS, with certificates of an authority that both trust."""
    authority = TestAuthority.made(folder)
    carriers, ours = (authority.signs(name, addresses=["127.0.0.1"]) for name in ("carrier", "ours"))
    listening = replace(agent_settings(), listen=(("tls", "127.0.0.1", 0),))
    tls = SipTlsSettings(certificate=carriers, ca=authority.file)
    return Security(
        "tls",
        partial(user_agent, listening, tls=lambda: TlsContexts(tls)),
        trunk={"ca": str(authority.file)},
        settings={
            "sip": {"listen": ["tls:127.0.0.1:0"]},
            "sip_tls": {"certificate": {"cert": str(ours.cert), "key": str(ours.key)}},
        },
    )


async def hear_each_other(alice: Phone, call: str, line: Line, *, codec: str = "PCMU") -> None:
    browser = alice.media[call]
    number = CODEC_LINES[codec][0]
    with sound.speaking(browser.send, codec, 700.0, payload_type=number, ssrc=browser.ssrc), line.speaking(1100.0):
        assert await line.hears(700.0)
        assert await alice.hears(call, 1100.0, codec=codec)


@pytest.mark.parametrize(
    ("srtp", "kind", "codec"),
    [
        ("required", SDES, "PCMU"),
        ("required", SDES, "opus"),
        ("optional", BESIDE, "PCMU"),
        ("optional", PLAIN, "PCMU"),
        ("dtls", DTLS_ANSWERS, "PCMU"),
        ("dtls", DTLS_ANSWERS, "opus"),
    ],
    ids=["required", "required, transcoded", "optional", "optional, refused", "dtls", "dtls, transcoded"],
)
async def test_client_and_trunk_that_it_calls_hear_each_other(
    make_town: MakeTown, srtp: str, kind: Kind, codec: str
) -> None:
    async with make_town(srtp, kind) as town, phone(town.gateway, codecs=[codec]) as alice:
        call, line = await town.calls(alice)

        await hear_each_other(alice, call, line, codec=codec)
        await alice.hang_up(call)


@pytest.mark.parametrize(
    ("srtp", "kind", "codec"),
    [
        ("required", partial(SDES, suite=AEAD_256), "PCMU"),
        ("required", DTLS_CALLS, "PCMU"),
        ("optional", SDES, "opus"),
        ("optional", PLAIN, "PCMU"),
        ("dtls", partial(DTLS_CALLS, has_mux=False), "PCMU"),
    ],
    ids=["required", "required, dtls", "optional, transcoded", "optional, plain", "dtls"],
)
async def test_trunk_and_client_that_it_calls_hear_each_other(
    make_town: MakeTown, srtp: str, kind: Kind, codec: str
) -> None:
    async with make_town(srtp, kind) as town, phone(town.gateway, codecs=[codec]) as alice:
        call, line = await town.called(alice)

        await hear_each_other(alice, call, line, codec=codec)
        await alice.hang_up(call)


@pytest.mark.parametrize("srtp", ["required", "optional"])
async def test_keys_in_sdp_need_no_leave_where_signalling_is_encrypted(make_town: MakeTown, srtp: str) -> None:
    kind = SDES if srtp == "required" else BESIDE
    async with (
        make_town(srtp, kind, in_clear=False, is_tls=True) as town,
        phone(town.gateway, codecs=["PCMU"]) as alice,
    ):
        call, line = await town.calls(alice)
        assert isinstance(line.media, SdesTrunk) and line.media.ours is not None
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)

        call, line = await town.called(alice)
        assert isinstance(line.media, SdesTrunk) and line.media.ours is not None
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


@pytest.mark.parametrize(
    ("srtp", "kind", "in_clear"),
    [
        ("off", SDES, True),
        ("off", DTLS_CALLS, True),
        ("required", PLAIN, True),
        ("dtls", PLAIN, True),
        ("dtls", SDES, False),
    ],
)
async def test_trunk_that_offers_what_its_setting_does_not_allow_is_told_so_and_nobody_rings(
    make_town: MakeTown, srtp: str, kind: Kind, in_clear: bool
) -> None:
    async with make_town(srtp, kind, in_clear=in_clear) as town, phone(town.gateway) as alice:
        line = await town.carrier.calls("alice")

        refused = await line.until(Rejected)

        assert isinstance(refused, Rejected)
        assert (refused.status, refused.reason) == (488, B3)
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.invite"]


@pytest.mark.parametrize("srtp", ["required", "dtls"])
async def test_trunk_that_answers_in_plain_is_hung_up_on_and_the_client_reads_why(
    make_town: MakeTown, srtp: str
) -> None:
    async with make_town(srtp, PLAIN) as town, phone(town.gateway) as alice:
        call = await alice.call(NUMBER)
        line = await town.carrier.answers()

        bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert (bye["cause"], bye["sipCode"], bye["sipReason"]) == ("CALL_REJECTED", 488, B3)
        await line.until(Ended)


@pytest.mark.parametrize("srtp", ["optional", "required"])
async def test_connection_that_demands_encryption_calls_an_encrypted_trunk(make_town: MakeTown, srtp: str) -> None:
    async with make_town(srtp, SDES) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        await town.gateway.configure("alice", encrypted_media="SRTP")
        call, line = await town.calls(alice)

        assert isinstance(line.leg, Inbound) and line.leg.call.offer is not None
        assert parse(line.leg.call.offer).audio.protocol == "RTP/SAVP"
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


async def test_connection_that_demands_encryption_is_called_by_an_encrypted_trunk_alone(make_town: MakeTown) -> None:
    async with make_town("optional", PLAIN) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        await town.gateway.configure("alice", encrypted_media="SRTP")
        refused = await (await town.carrier.calls("alice")).until(Rejected)
        assert isinstance(refused, Rejected)
        assert (refused.status, refused.reason) == (488, B3)
        town.carrier.make_trunk = SDES

        call, line = await town.called(alice)

        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


async def test_nobody_takes_the_place_of_an_encrypted_trunk_in_plain(make_town: MakeTown) -> None:
    async with make_town("optional", SDES) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        await town.gateway.configure("alice", encrypted_media="SRTP")
        call, line = await town.calls(alice)
        town.carrier.make_trunk = PLAIN

        newcomer = await town.carrier.calls("whoever", replaces=line.leg.call.dialog)
        refused = await newcomer.until(Rejected)

        assert isinstance(refused, Rejected)
        assert (refused.status, refused.reason) == (488, B3)
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


@pytest.mark.parametrize(("srtp", "kind"), [("required", SDES), ("dtls", DTLS_ANSWERS)], ids=["sdes", "dtls"])
async def test_hold_by_the_client_is_heard_and_ends_on_an_encrypted_leg(
    make_town: MakeTown, srtp: str, kind: Kind
) -> None:
    async with make_town(srtp, kind) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.calls(alice)

        for action in ("hold", "unhold"):
            await alice.verto.modify(call, action)
            reoffered = await line.until(Reoffered)
            assert isinstance(reoffered, Reoffered) and reoffered.sdp is not None
            line.media.use(reoffered.sdp)
            line.leg.call.answer_reoffer(line.media.describe())

        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


async def test_trunk_that_changes_its_key_in_a_reinvite_is_heard_on(make_town: MakeTown) -> None:
    async with make_town("required", SDES) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.calls(alice)
        await hear_each_other(alice, call, line)
        assert isinstance(line.media, SdesTrunk)
        line.media.rekey(bytes(range(30)))

        line.leg.call.reinvite(line.media.describe(), line.leg.ear)
        answered = await line.until(Answered)

        assert isinstance(answered, Answered) and answered.sdp is not None
        line.media.use(answered.sdp)
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


async def test_reinvite_without_encryption_is_refused_and_the_call_goes_on(make_town: MakeTown) -> None:
    async with make_town("required", SDES) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        call, line = await town.calls(alice)

        line.leg.call.reinvite(Trunk.describe(line.media), line.leg.ear)
        refused = await line.until(Rejected)

        assert isinstance(refused, Rejected) and refused.status == 488
        await hear_each_other(alice, call, line)
        await alice.hang_up(call)


async def test_transfer_leaves_an_encrypted_leg_as_it_is(make_town: MakeTown) -> None:
    async with (
        make_town("required", SDES) as town,
        phone(town.gateway, codecs=["PCMU"]) as alice,
        phone(town.gateway, "robert", codecs=["opus"]) as robert,
    ):
        call, line = await town.calls(alice)

        await alice.verto.modify(call, "transfer", destination="robert")
        theirs = await robert.until_rung()
        await robert.answer(theirs)

        await hear_each_other(robert, theirs, line, codec="opus")
        await robert.hang_up(theirs)


async def test_fingerprint_of_somebody_else_ends_the_call_with_its_name(make_town: MakeTown) -> None:
    kind = partial(DTLS_ANSWERS, setup=Setup.PASSIVE, told=Certificate())
    async with make_town("dtls", kind) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        with log_lines() as log:
            call = await alice.call(NUMBER)
            await town.carrier.answers()
            bye = (await alice.verto.wait_for("telnyx_rtc.bye", call_id=call))["params"]

        assert bye["cause"] == "MEDIA_TIMEOUT"
        assert any("dtls_failed" in line for line in log.lines)


@pytest.mark.parametrize("srtp", ["required", "dtls"])
async def test_keys_over_open_signalling_are_warned_of_once(
    make_town: MakeTown, srtp: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with make_town(srtp, SDES):
        pass

    warned = [json.loads(line) for line in capsys.readouterr().err.splitlines() if "srtp_keys_open" in line]
    assert [line["trunk"] for line in warned] == (["carrier"] if srtp == "required" else [])


async def test_no_key_is_in_any_log_line(make_town: MakeTown) -> None:
    async with make_town("required", SDES) as town, phone(town.gateway, codecs=["PCMU"]) as alice:
        with log_lines() as log:
            call, line = await town.calls(alice)
            assert isinstance(line.media, SdesTrunk) and line.media.ours is not None
            line.leg.call.reinvite(Trunk.describe(line.media), line.leg.ear)
            await line.until(Rejected)
            await alice.hang_up(call)
            await line.until(Ended)
            keys = [line.media.key, line.media.ours.key]

    text = "\n".join(log.lines)
    assert "sip" in text
    for key in keys:
        assert base64.b64encode(key).decode() not in text
    assert AES_CM_80.name not in text
