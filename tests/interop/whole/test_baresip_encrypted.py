"""baresip with its SRTP and DTLS-SRTP modules talks to a client with a browser's media through the whole gateway."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.interop.baresip_runner import HOST, Baresip, baresip
from tests.interop.baresip_runner import Phone as Setup
from tests.interop.whole.site import NUMBER, gateway_with_trunk, speaking
from tests.wire.whole.phone import Phone, phone

pytestmark = pytest.mark.interop

TALK = 1.5
"""Seconds of sound in a recording; the end of it, one second, is measured."""

KINDS = pytest.mark.parametrize(
    ("srtp", "media_encryption", "has_rtcp_mux"),
    [
        ("required", "srtp-mand", False),
        ("optional", "srtp", False),
        ("dtls", "dtls_srtp", False),
        ("dtls", "dtls_srtp", True),
    ],
    ids=["required", "optional", "dtls", "dtls, rtcp-mux"],
)


@asynccontextmanager
async def site(
    folder: Path, srtp: str, media_encryption: str, *, has_rtcp_mux: bool, user: str = "bob", codec: str = "PCMU"
) -> AsyncIterator[tuple[Baresip, Phone, str]]:
    """A desk phone, a client, and the address at which the desk phone reaches the client."""
    setup = Setup(user=user, tone=700.0, media_encryption=media_encryption, has_rtcp_mux=has_rtcp_mux)
    async with (
        baresip(folder / "baresip", setup) as desk,
        gateway_with_trunk(
            folder / "gateway",
            f"sip:{HOST}:{desk.sip_port};transport=udp",
            accept_from=[HOST],
            srtp=srtp,
            srtp_over_plain_sip=True,
        ) as gateway,
        phone(gateway, codecs=[codec]) as alice,
    ):
        yield desk, alice, f"sip:alice@{gateway.sip('udp')};transport=udp"


@KINDS
async def test_encrypted_desk_phone_calls_a_client_and_both_hear_each_other(
    tmp_path: Path, srtp: str, media_encryption: str, has_rtcp_mux: bool
) -> None:
    async with site(tmp_path, srtp, media_encryption, has_rtcp_mux=has_rtcp_mux) as (desk, alice, address):
        await desk.dial(address)
        call = await alice.until_rung()
        await alice.answer(call)
        with speaking(alice, call, 1100.0, codec="PCMU"):
            assert await alice.hears(call, 700.0, codec="PCMU")
            await desk.talk(TALK)
            await alice.verto.bye(call)
            await desk.event("CALL_CLOSED")

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


@pytest.mark.parametrize(("srtp", "media_encryption"), [("required", "srtp-mand"), ("dtls", "dtls_srtp")])
async def test_client_calls_an_encrypted_desk_phone_and_hears_it_after_a_hold(
    tmp_path: Path, srtp: str, media_encryption: str
) -> None:
    async with site(tmp_path, srtp, media_encryption, has_rtcp_mux=False, user=NUMBER, codec="opus") as (
        desk,
        alice,
        _,
    ):
        call = await alice.call(NUMBER)
        await desk.event("CALL_ESTABLISHED")
        await alice.until_answered(call)
        with speaking(alice, call, 1100.0, codec="opus"):
            assert await alice.hears(call, 700.0, codec="opus")
            await desk.talk(TALK)
            await alice.verto.modify(call, "hold")  # a re-INVITE ends baresip's recording
            await alice.verto.modify(call, "unhold")
            assert await alice.hears(call, 700.0, codec="opus")
            await desk.hang_up()
            bye = await alice.verto.wait_for("telnyx_rtc.bye", call_id=call)

        assert bye["params"]["cause"] == "NORMAL_CLEARING"

    assert desk.heard().frequency == pytest.approx(1100, abs=2)


async def test_plain_desk_phone_is_refused_where_encryption_is_required(tmp_path: Path) -> None:
    async with site(tmp_path, "required", "", has_rtcp_mux=False) as (desk, alice, address):
        await desk.dial(address)

        closed = await desk.event("CALL_CLOSED")

        assert "488 Media Encryption Required B3" in closed["param"]
        assert not [one for one in alice.verto.messages if one["method"] == "telnyx_rtc.invite"]
