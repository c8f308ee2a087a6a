"""Writes facts into the call records behind the calls' back: whoever reports a fact never waits for the disk."""

from collections import deque
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

from gateway.domain.facts import CallEnded, Fact
from gateway.observability.logging import get_logger
from gateway.store.calls import Calls
from gateway.store.errors import Duplicate, StoreError
from gateway.store.pace import Pace

QUEUE_LIMIT: Final = 10_000
"""Facts that may wait. Full means that the disk is far behind: further facts are dropped and counted."""

AT_ONCE: Final = 500
"""Facts that one transaction writes."""

_FORGET_EVERY: Final = 1000

_log = get_logger()


class CallRecorder:
    """One writer task with a bounded queue. Facts of one call are written in the order in which they came."""

    def __init__(self, calls: Calls, *, keep_calls: int, on_written: Callable[[Fact], None] | None = None) -> None:
        self._calls = calls
        self._keep_calls = keep_calls
        self._on_written = on_written
        self._waiting: deque[Fact] = deque()
        self._pace = Pace(enough=AT_ONCE)
        self._is_stopping = False
        self._dropped = 0
        self._ended = 0

    def record(self, fact: Fact) -> None:
        """Take a fact; returns at once. A hold is not part of a record and is left out."""
        if len(self._waiting) < QUEUE_LIMIT:
            self._waiting.append(fact)
            self._pace.tell(len(self._waiting))
            return
        self._dropped += 1
        if self._dropped == 1:
            _log.error("call_records_dropped", error_code="store_error", limit=QUEUE_LIMIT)

    async def run(self) -> None:
        """Write until `stop`, and then what is left; run it in a task of your own.

        A failing database costs records, not calls.
        """
        while self._waiting or not self._is_stopping:
            await self._pace.wait(len(self._waiting))
            facts = list(islice(self._waiting, AT_ONCE))
            await self._write(facts)
            for fact in facts:
                self._waiting.popleft()
                if self._on_written is not None:
                    self._on_written(fact)
            self._report_dropped()
            await self._forget_after(facts)

    def stop(self) -> None:
        """Let `run` end once everything that was recorded before is written."""
        self._is_stopping = True
        self._pace.end()

    def _report_dropped(self) -> None:
        if self._dropped and not self._waiting:
            _log.error("call_records_caught_up", dropped=self._dropped)
            self._dropped = 0

    async def _write(self, facts: Sequence[Fact]) -> None:
        """In one transaction. What the database does not take like that it is given one by one."""
        try:
            await self._calls.write(facts)
        except StoreError:
            for fact in facts:
                await self._write_alone(fact)

    async def _write_alone(self, fact: Fact) -> None:
        try:
            await self._calls.write([fact])
        except Duplicate:
            return  # the database has it, and did not say so when it was asked before
        except StoreError as error:
            _log.error("call_record_not_written", call_id=fact.call_id, error_code=error.code, detail=str(error))

    async def _forget_after(self, facts: Sequence[Fact]) -> None:
        self._ended += sum(isinstance(fact, CallEnded) for fact in facts)
        if self._ended < _FORGET_EVERY:
            return
        self._ended = 0
        try:
            await self._calls.forget_all_but(self._keep_calls)
        except StoreError as error:
            _log.error("call_records_not_forgotten", error_code=error.code, detail=str(error))
