"""Secrets and digits that are planted on every way into the gateway are in no line of its log, debug ones included."""

import hashlib
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from gateway.sip.core.headers.auth import AuthValue
from gateway.sip.core.message import serialize
from gateway.sip.transport.flow import Destination
from tests.harness.gateway import PASSWORD, running
from tests.harness.log_lines import log_lines
from tests.harness.verto_client import RequestFailed, connected
from tests.unit.sip.core.messages import request
from tests.wire.media.trunk import Trunk
from tests.wire.sip.agents import Peer
from tests.wire.sip.wire import udp_peer
from tests.wire.whole.attackers import destination
from tests.wire.whole.phone import Phone

NUMBER: Final = "+4930123456"
TRUNK_PASSWORD: Final = "planted-trunk-pass"
WRONG_PASSWORD: Final = "planted-wrong-pass"
WRONG_TOKEN: Final = "eyJhbGciOiJIUzUxMiJ9.planted.token"
WRONG_KEY: Final = "KEYplantedkey"
FOREIGN_DIGEST: Final = "0123456789abcdef0123456789abcdee"
DIGITS: Final = "918273645*"
CHALLENGE: Final = (("WWW-Authenticate", 'Digest realm="carrier", nonce="n", qop="auth"'),)


async def test_no_secret_and_no_digit_is_logged_whichever_way_it_comes(tmp_path: Path) -> None:
    planted = {
        "password": PASSWORD,
        "wrong password": WRONG_PASSWORD,
        "wrong token": WRONG_TOKEN,
        "wrong key": WRONG_KEY,
        "trunk's password": TRUNK_PASSWORD,
        "trunk's hash": hashlib.md5(f"acme:carrier:{TRUNK_PASSWORD}".encode(), usedforsecurity=False).hexdigest(),
        "digest of a stranger": FOREIGN_DIGEST,
        "digits of a client": DIGITS,
        "digit of a trunk": "Signal=",
        "stored password": "$argon2",
    }
    (tmp_path / "password").write_text(TRUNK_PASSWORD)
    async with Peer.listening() as peer, AsyncExitStack() as stack:
        trunk = {
            "name": "carrier",
            "uri": f"sip:{peer.address[0]}:{peer.address[1]}",
            "accept_from": ["127.0.0.0/8"],
            "username": "acme",
            "realm": "carrier",
            "password_file": str(tmp_path / "password"),
        }
        settings = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "trunks": [trunk]}
        gateway = await stack.enter_async_context(running(tmp_path, settings))
        planted["key"] = gateway.key
        log = stack.enter_context(log_lines())
        verto = await stack.enter_async_context(connected(gateway.websocket))

        # Logins and keys, wrong and right
        with pytest.raises(RequestFailed):
            await verto.login("alice", WRONG_PASSWORD)
        with pytest.raises(RequestFailed):
            await verto.login(login_token=WRONG_TOKEN)
        await verto.login("alice", PASSWORD)
        headers = {"Authorization": f"Bearer {WRONG_KEY}"}
        async with aiohttp.ClientSession() as http, http.get(f"{gateway.http}/v2/gateway/info", headers=headers) as no:
            assert no.status == 401
        await gateway.get("/v2/gateway/info")

        # A call through a trunk that wants a digest, with digits both ways
        media = await Trunk(codecs=("PCMU",)).open()
        stack.push_async_callback(media.close)
        alice = Phone(verto, ["PCMU"])
        stack.push_async_callback(alice.close)
        call = await alice.call(NUMBER)
        planted["ICE password"] = alice.media[call].ice.local_password
        peer.answers(await peer.expects("INVITE"), 401, more=CHALLENGE)
        await peer.expects("ACK")
        invite = await peer.expects("INVITE")
        planted["digest response"] = AuthValue.parse(invite.headers.get("Authorization") or "").get("response") or ""
        peer.answers(invite, 200, sdp=media.describe())
        await peer.expects("ACK")
        await alice.until_answered(call)
        await verto.dtmf(call, DIGITS)
        info = peer.request_as_callee(invite, "INFO")
        info.headers.add("Content-Type", "application/dtmf-relay")
        info.body = b"Signal=7\r\nDuration=160\r\n"
        peer.sends(info)
        await peer.expects_response(200)
        await verto.bye(call)
        peer.answers(await peer.expects("BYE"), 200)

        # What cannot be read
        broken = request("OPTIONS", more=(("Authorization", f'Digest response="{FOREIGN_DIGEST}"'),))
        async with udp_peer() as stranger:
            to = destination(gateway, "udp")
            stranger.send(serialize(broken).replace(b"1 OPTIONS", b"x OPTIONS"), Destination("udp", to.host, to.port))
            await stranger.datagrams.get()

    seen = "\n".join(log.lines)
    assert all(word in seen for word in ("sip_message_sent", "verto_frame_received", "sip_message_refused"))
    assert all(planted.values())
    assert [what for what, secret in planted.items() if secret in seen] == []
