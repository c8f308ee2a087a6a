"""A user agent in a process of its own, on one processor: answers every call at once, or makes calls at a rate.

`python -m tests.bench.sip_agent answer` prints its port and answers until SIGTERM.
`python -m tests.bench.sip_agent call URI RATE COUNT` calls and hangs up. Both print their figures as JSON at the end.
"""

import asyncio
import json
import os
import resource
import signal
import sys
from ipaddress import ip_network

from gateway.domain.ids import Sdp
from gateway.observability import logging as logs
from gateway.observability.heap import HeapCare
from gateway.sip.call import Answered, Ended, IncomingCall, OutgoingCall, Rejected, SipCallEvent, Target
from gateway.sip.endpoint import Endpoint
from gateway.sip.settings import SipSettings
from gateway.sip.trunk_settings import TrunkSettings
from gateway.sip.ua import UserAgent
from tests.bench.calls import seconds

SDP = Sdp(
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9000 RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:101 telephone-event/8000\r\n"
)
SETTINGS = SipSettings(listen=(("udp", "127.0.0.1", 0),))

TRUNK = TrunkSettings(name="sipp", uri="sip:127.0.0.1:5060", accept_from=(ip_network("127.0.0.0/8"),))


def _tell(figures: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(figures) + "\n")
    sys.stdout.flush()


def _cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def answer() -> None:
    """Answer until SIGTERM."""
    endpoint = Endpoint(SETTINGS)
    agent = UserAgent(endpoint, SETTINGS, (TRUNK,))
    answered, stop = 0, asyncio.Event()

    def take(call: IncomingCall) -> None:
        nonlocal answered
        answered += 1
        call.listen(lambda _event: None)
        call.answer(SDP)

    agent.on_invite = take
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await agent.start()
    _tell({"port": endpoint.listeners[0].port})
    cpu = _cpu_seconds()
    await stop.wait()
    _tell({"cpu": _cpu_seconds() - cpu, "answered": answered, "left": agent.calls})
    await agent.stop(grace=1.0)


class Caller:
    """Calls at a rate; a call is over when its far end has answered our BYE."""

    def __init__(self, agent: UserAgent, uri: str, count: int) -> None:
        self._agent, self._uri, self._count = agent, uri, count
        self._loop = asyncio.get_running_loop()
        self.latencies: list[float] = []
        self.failed = 0
        self.are_all_known = asyncio.Event()
        """Set once each call was answered or has failed."""

    def call(self) -> None:
        """One call."""
        began = self._loop.time()
        made: list[OutgoingCall] = []

        def on_event(event: SipCallEvent) -> None:
            match event:
                case Answered():
                    self.latencies.append((self._loop.time() - began) * 1000.0)
                    made[0].hangup()
                case Rejected() | Ended():
                    self.failed += 1
                case _:
                    return
            if len(self.latencies) + self.failed >= self._count:
                self.are_all_known.set()

        made.append(self._agent.invite(Target(uri=self._uri, from_uri="sip:bench@127.0.0.1"), SDP, on_event))


async def call(uri: str, rate: float, count: int) -> None:
    """Make so many calls."""
    agent = UserAgent(Endpoint(SETTINGS), SETTINGS, (TRUNK,))
    await agent.start()
    caller, loop = Caller(agent, uri, count), asyncio.get_running_loop()
    cpu, began = _cpu_seconds(), loop.time()
    for number in range(count):
        await seconds(max(0.0, began + number / rate - loop.time()))
        caller.call()
    async with asyncio.timeout(40):
        await caller.are_all_known.wait()
    await agent.stop(grace=40.0)
    _tell({"cpu": _cpu_seconds() - cpu, "failed": caller.failed, "latencies": sorted(caller.latencies)})


async def main() -> None:
    """See the module."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    logs.configure(level="warning")
    care = HeapCare()
    care.start()
    if sys.argv[1] == "answer":
        await answer()
    else:
        await call(sys.argv[2], float(sys.argv[3]), int(sys.argv[4]))
    care.stop()


if __name__ == "__main__":
    asyncio.run(main())
