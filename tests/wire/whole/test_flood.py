"""Random datagrams at the SIP port: memory is flat, calls work during and after. `make bench` has the long one."""

import gc
from contextlib import closing
from itertools import islice

import psutil

from tests.bench.flood import datagrams
from tests.harness.gateway import Running
from tests.harness.log_lines import log_lines
from tests.unit.sip.core.messages import request
from tests.wire.media.stranger import Stranger
from tests.wire.sip.wire import udp_peer
from tests.wire.whole.attackers import destination
from tests.wire.whole.phone import Phone, phone

BUSY = "+12025550102"
WAVE = 100
"""Datagrams at once: fewer than the kernel's buffer holds."""

WARM_UP, FLOOD = 1000, 5000
GROWTH = 16 * 1024 * 1024
"""Bytes; kept datagrams would be 4 MB, and what is made of each much more."""


async def flood(gateway: Running, stranger: Stranger, seed: int, count: int) -> None:
    """Send so many; all of them have been read when it comes back, for what is asked behind each wave is answered."""
    to = destination(gateway, "udp")
    source = datagrams(seed)
    async with udp_peer() as peer:
        for wave in range(count // WAVE):
            for data in islice(source, WAVE):
                stranger.send(data, (to.host, to.port))
            peer.send(request("OPTIONS", branch=f"z9hG4bK{seed}w{wave}"), to)
            assert (await peer.response()).status == 200


async def short_call(alice: Phone) -> None:
    """A call to a number that is busy: everything but media."""
    assert await alice.until_over(await alice.call(BUSY)) == ("USER_BUSY", 486)


async def test_flood_of_random_datagrams_costs_no_memory_and_no_call(gateway: Running) -> None:
    async with phone(gateway, codecs=["PCMU"]) as alice:
        with closing(Stranger("127.0.0.66")) as stranger, log_lines() as log:
            await flood(gateway, stranger, 1, WARM_UP)
            await short_call(alice)
            gc.collect()
            before = psutil.Process().memory_info().rss
            await flood(gateway, stranger, 2, FLOOD // 2)
            await short_call(alice)
            await flood(gateway, stranger, 3, FLOOD // 2)
            gc.collect()
            grown = psutil.Process().memory_info().rss - before
        await short_call(alice)

    assert grown < GROWTH
    assert not [line for line in log.lines if "Traceback" in line]
    assert len([line for line in log.warnings if "sip_message_refused" in line]) < 100
