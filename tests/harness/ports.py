"""UDP ports for the media of the gateways that one worker of a run starts.

A port rests after a call, but the gateways of other workers know nothing of that: goodbyes and late packets of a call
that is over came to whoever had bound its port a moment later. Each worker has ports of its own, none of which the
system gives to a socket that asks for any.
"""

import os
from typing import Final

_FIRST: Final = 20_000
_COUNT: Final = 1250
_WORKERS: Final = 8
"""`make test` has seven at most. They end at 29999, below what the suite's SIP phones are told to use."""


def own_ports(count: int = _COUNT) -> str:
    """So many of this worker's ports, from an even one on, as `media.rtp_ports` wants them."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    first = _FIRST + int(worker) % _WORKERS * _COUNT
    return f"{first}-{first + count - 1}"


OWN_PORTS: Final = own_ports()
"""All of them."""
