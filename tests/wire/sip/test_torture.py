"""Both listeners outlive every torture message; a plain transaction works after each of them."""

import asyncio
import random
import tomllib
from pathlib import Path

from structlog.testing import capture_logs

from gateway.sip.endpoint import Destination
from tests.unit.sip.core.messages import request
from tests.wire.sip.wire import PATIENT, Site, site, soon, tcp_peer, udp_peer

FOLDER = Path(__file__).parents[2] / "data" / "sip" / "torture"
OUTCOMES = tomllib.loads((FOLDER / "outcomes.toml").read_text())
MESSAGES = {name: (FOLDER / f"{name}.sip").read_bytes() for name in OUTCOMES}
REFUSED = [name for name, outcome in OUTCOMES.items() if outcome["outcome"] == "refused"]


async def arrives(gateway: Site, call_id: str) -> None:
    """Wait until that request has reached the user agent; forget it and all before it."""
    while True:
        transaction, received = await soon(gateway.requests)
        transaction.ignore()
        if received.call_id == call_id:
            return


async def test_udp_listener_survives_every_torture_message() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        for name, message in MESSAGES.items():
            peer.send(message, gateway.at("udp"))
            peer.send(request(call_id=name, branch=f"z9hG4bK{len(name)}{name}"), gateway.at("udp"))
            await arrives(gateway, name)


async def test_udp_listener_survives_garbage_of_every_size() -> None:
    noise = random.Random(1)
    async with site(PATIENT) as gateway, udp_peer() as peer:
        for size in (0, 1, 2, 3, 4, 5, 100, 1_000, 9_000, 65_507):
            peer.send(noise.randbytes(size), gateway.at("udp"))
        peer.send(request(call_id="after"), gateway.at("udp"))
        await arrives(gateway, "after")


async def test_broken_requests_are_answered_and_never_reach_the_user_agent() -> None:
    async with site(PATIENT) as gateway, udp_peer() as peer:
        for name in REFUSED:
            peer.send(MESSAGES[name], gateway.at("udp"))

            answer = await soon(peer.datagrams)

            assert answer.startswith(f"SIP/2.0 {OUTCOMES[name]['status']} ".encode()), name
        assert gateway.requests.empty()


async def test_tcp_listener_survives_every_torture_message() -> None:
    async with site(PATIENT) as gateway:
        to = gateway.at("tcp")
        for message in MESSAGES.values():
            async with tcp_peer(to) as peer:
                peer.send(message)
                peer.writer.write_eof()
                await peer.rest()
        await works(gateway, to)


async def test_tcp_connection_survives_broken_messages_that_are_framed_well() -> None:
    async with site(PATIENT) as gateway, tcp_peer(gateway.at("tcp")) as peer:
        peer.send(
            MESSAGES["cseq_of_another_method"] + MESSAGES["via_port_too_large"] + MESSAGES["max_forwards_negative"]
        )
        peer.send(request(via="SIP/2.0/TCP 192.0.2.9"))

        assert [(await peer.response()).status for _ in range(2)] == [400, 400]
        await soon(gateway.requests)


async def test_flood_of_garbage_costs_a_handful_of_log_lines() -> None:
    with capture_logs() as lines:
        async with site(PATIENT) as gateway, udp_peer() as peer:
            for number in range(300):
                peer.send(MESSAGES["garbage_with_empty_line"], gateway.at("udp"))
                peer.send(request(call_id=str(number), branch=f"z9hG4bK{number}"), gateway.at("udp"))
                await arrives(gateway, str(number))

    assert 1 <= len([line for line in lines if line["log_level"] in ("warning", "error")]) <= 15


async def works(gateway: Site, to: Destination) -> None:
    async with tcp_peer(to) as peer, asyncio.timeout(30):
        peer.send(request(call_id="after", via="SIP/2.0/TCP 192.0.2.9"))
        await arrives(gateway, "after")
