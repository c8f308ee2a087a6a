"""Writes facts into the call records behind the calls' back: whoever reports a fact never waits for the disk."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRinging, CallTransferred, Fact
from gateway.observability.logging import get_logger
from gateway.store.calls import Calls
from gateway.store.errors import StoreError

QUEUE_LIMIT: Final = 10_000
"""Facts that may wait. Full means that the disk is far behind: further facts are dropped and counted."""

_FORGET_EVERY: Final = 1000

_log = get_logger()


class CallRecorder:
    """One writer task with a bounded queue. Facts of one call are written in the order in which they came."""

    def __init__(self, calls: Calls, *, keep_calls: int, on_written: Callable[[Fact], None] | None = None) -> None:
        self._calls = calls
        self._keep_calls = keep_calls
        self._on_written = on_written
        self._facts: asyncio.Queue[Fact | None] = asyncio.Queue(QUEUE_LIMIT)
        self._dropped = 0
        self._ended = 0

    def record(self, fact: Fact) -> None:
        """Take a fact; returns at once. A hold is not part of a record and is left out."""
        try:
            self._facts.put_nowait(fact)
        except asyncio.QueueFull:
            self._dropped += 1
            if self._dropped == 1:
                _log.error("call_records_dropped", error_code="store_error", limit=QUEUE_LIMIT)

    async def run(self) -> None:
        """Write until `stop`; run it in a task of your own. A failing database costs records, not calls."""
        while (fact := await self._facts.get()) is not None:
            try:
                await self._write(fact)
            except StoreError as error:
                _log.error("call_record_not_written", call_id=fact.call_id, error_code=error.code, detail=str(error))
            if self._on_written is not None:
                self._on_written(fact)
            self._report_dropped()

    async def stop(self) -> None:
        """Let `run` end once everything that was recorded before is written."""
        await self._facts.put(None)

    def _report_dropped(self) -> None:
        if self._dropped and self._facts.empty():
            _log.error("call_records_caught_up", dropped=self._dropped)
            self._dropped = 0

    async def _write(self, fact: Fact) -> None:
        match fact:
            case CallInitiated():
                await self._calls.initiated(fact)
            case CallRinging():
                await self._calls.ringing(fact)
            case CallAnswered():
                await self._calls.answered(fact)
            case CallTransferred():
                await self._calls.transferred(fact)
            case CallEnded():
                await self._calls.ended(fact)
                self._ended += 1
                if self._ended % _FORGET_EVERY == 0:
                    await self._calls.forget_all_but(self._keep_calls)
