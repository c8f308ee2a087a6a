"""SIPp registers with the gateway by digest, and removes its registration again."""

import asyncio
from pathlib import Path

import pytest

from tests.harness.gateway import PASSWORD, running
from tests.interop.sipp_runner import Sipp, Transport, loopback_address, sipp

pytestmark = pytest.mark.interop

SETTINGS = {"lab": {"enabled": False}, "registrar": {"enabled": True, "digest_algorithms": ["MD5"]}}
"""SIPp knows MD5 only."""


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_sipp_registers_with_digest_and_removes_its_registration(tmp_path: Path, transport: Transport) -> None:
    async with running(tmp_path / "gateway", SETTINGS) as gateway:
        setup = Sipp(
            scenario="uac_register_digest",
            host=loopback_address(),
            transport=transport,
            remote=gateway.sip(transport),
            service="alice",
            credentials=("alice", PASSWORD),
        )
        async with sipp(setup, tmp_path) as peer:
            async with asyncio.timeout(20):
                while not (seen := (await gateway.get("/v2/gateway/sessions"))["data"]):
                    pass

            await peer.succeeds()

        assert (seen[0]["username"], seen[0]["peer"]) == ("alice", setup.host)
        assert (await gateway.get("/v2/gateway/sessions"))["data"] == []
