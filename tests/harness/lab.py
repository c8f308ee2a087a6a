"""The far end of a running gateway: the lab trunk, as a test asks it."""

import asyncio
from typing import Any, Final

from gateway.lab.calls import LabCall
from tests.harness.gateway import Running

DEADLINE: Final = 30.0
"""Seconds that a call's end may take to reach the trunk."""


async def ring(gateway: Running, **body: object) -> str:
    """Have the lab trunk ring alice with its tone; returns the lab's id of the call."""
    made = await gateway.post("/_lab/calls", {"to": "alice", "from": "+12025550177", "scenario": "tone", **body})
    return str(made["data"]["id"])


def lab_call(gateway: Running) -> LabCall:
    """The newest call as the far end has it."""
    lab = gateway.gateway.lab
    assert lab is not None
    calls = lab.switchboard.history.newest(1)
    assert calls
    return calls[0]


async def until_over_at_the_far_end(gateway: Running) -> Any:  # Any: JSON of the API
    """Wait until the newest call is over at the lab trunk; returns its record there."""
    call = lab_call(gateway)
    async with asyncio.timeout(DEADLINE):
        await call.over.wait()
    return (await gateway.get(f"/_lab/calls/{call.facts.lab_call_id}"))["data"]


async def heard_at_the_far_end(gateway: Running) -> Any:  # Any: JSON of the API
    """What the newest call's far end has heard so far."""
    return (await gateway.get(f"/_lab/calls/{lab_call(gateway).facts.lab_call_id}"))["data"]["heard"]


async def live_calls(gateway: Running) -> list[Any]:  # Any: JSON of the API
    """The gateway's calls that are not over."""
    calls: list[Any] = (await gateway.get("/v2/gateway/calls?state=live"))["data"]
    return calls


async def live_call(gateway: Running, verto_call_id: str) -> Any:  # Any: JSON of the API
    """That one of them, beside what lost sockets of other tests have left."""
    [call] = [call for call in await live_calls(gateway) if call["verto_call_id"] == verto_call_id]
    return call


async def token_of(gateway: Running, user: str, *, ttl: int = 600) -> str:
    """A JWT of a new credential of that user's connection."""
    provisioning = gateway.gateway.provisioning
    made = await provisioning.add_credential(gateway.connections[user], name="desk")
    return await provisioning.create_token(made.credential.credential_id, ttl=ttl)
