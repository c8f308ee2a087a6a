"""Browsers that call at fixed times, whether the calls before are up or not, and hang up once audio could flow."""

import asyncio
import itertools
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.causes import SWITCH_CONGESTION
from tests.bench.calls import NUMBER, seconds
from tests.bench.media.cases import Codec
from tests.bench.media.web_end import WebEnd, browser_certificate
from tests.harness.verto_client import Message, RequestFailed, VertoClient

DEADLINE: Final = 10.0
"""Seconds that an answer may take."""

Call = Callable[[WebEnd], Awaitable[float]]
"""Sets up one call and ends it; seconds until it was answered."""


class NotAnswered(Exception):
    """The gateway hung up instead."""


class Refused(NotAnswered):
    """It had too much to do, and said so."""

    def __init__(self, after: float) -> None:
        """
        Args:
            after: seconds from the invite.
        """
        super().__init__(SWITCH_CONGESTION.name)
        self.after = after


@dataclass
class Outcome:
    """What became of the calls; times are milliseconds.

    Attributes:
        answered: from the invite to the answer, of each call that was set up and torn down.
        refused: from the invite to the refusal, of each call for which there was too much to do.
        late: how much later than it should the invite of a call left, of each.
        lost: why calls were lost, refused ones not among them.
    """

    answered: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)


async def make_calls(call: Call, codec: Codec, rate: float, duration: float) -> Outcome:
    """So many calls a second for so many seconds; returns once the last one is over."""
    loop, outcome, certificate = asyncio.get_running_loop(), Outcome(), browser_certificate()
    began = loop.time()

    async def one(due: float) -> None:
        web = WebEnd(codec, certificate)
        outcome.late.append((loop.time() - due) * 1000.0)
        try:
            outcome.answered.append(await call(web) * 1000.0)
        except Refused as refused:
            outcome.refused.append(refused.after * 1000.0)
        except (NotAnswered, RequestFailed, ConnectionError, TimeoutError) as error:
            outcome.lost.append(str(error) or type(error).__name__)
        finally:
            web.close()

    async with asyncio.TaskGroup() as group:
        for number in range(round(rate * duration)):
            due = began + number / rate
            await seconds(max(0.0, due - loop.time()))
            group.create_task(one(due))
    return outcome


class Crowd:
    """Several who call in turns: nobody may send as much on one socket. `place` is a `Call`."""

    def __init__(self, callers: Sequence["VertoCaller"]) -> None:
        self._turns = itertools.cycle(callers)

    def next(self) -> "VertoCaller":
        """Whose turn it is."""
        return next(self._turns)

    async def place(self, web: WebEnd) -> float:
        """See `Call`."""
        return await self.next().place(web)


class VertoCaller:
    """Calls on one socket. `place` is a `Call`."""

    def __init__(self, verto: VertoClient) -> None:
        self._verto = verto
        self._answers: dict[str, asyncio.Future[str]] = {}
        self._began: dict[str, float] = {}
        verto.on_message = self._take

    async def place(self, web: WebEnd) -> float:
        """See `Call`."""
        call_id, answered_after = await self.connect(web)
        await self.hang_up(call_id)
        return answered_after

    async def connect(self, web: WebEnd) -> tuple[str, float]:
        """Invite, answer, ICE, DTLS; the call's id, and the seconds until it was answered."""
        offer, call_id = web.offer(), str(uuid.uuid4())
        answer = self._answers[call_id] = asyncio.get_running_loop().create_future()
        began = self._began[call_id] = time.perf_counter()
        try:
            await self._verto.invite(NUMBER, offer, call_id=call_id)
            async with asyncio.timeout(DEADLINE):
                sdp = await answer
        finally:
            del self._answers[call_id], self._began[call_id]
        answered_after = time.perf_counter() - began
        await web.connect(sdp)
        return call_id, answered_after

    async def hang_up(self, call_id: str) -> None:
        """BYE, and its answer."""
        await self._verto.bye(call_id)

    def _take(self, message: Message) -> None:
        self._verto.messages.clear()  # nobody looks back, and a minute of calls is a lot
        params = message.get("params", {})
        answer = self._answers.get(params.get("callID", ""))
        if answer is None or answer.done():  # done: given up
            return
        match message["method"]:
            case "telnyx_rtc.answer":
                answer.set_result(params["sdp"])
            case "telnyx_rtc.bye" if params.get("cause") == SWITCH_CONGESTION.name:
                answer.set_exception(Refused(time.perf_counter() - self._began[params["callID"]]))
            case "telnyx_rtc.bye":
                answer.set_exception(NotAnswered(f"{params.get('cause')}"))
