"""Facts into the call records of the store, one after the other, off the calls' own tasks."""

import asyncio
from typing import Final, Protocol

from gateway.domain.facts import CallAnswered, CallEnded, CallInitiated, CallRinging, Fact
from gateway.observability.logging import get_logger

QUEUE_SIZE: Final = 10_000
"""Facts that may wait for the database. Full: the fact is lost, with an error line that says of which call."""


class CallStore(Protocol):
    """What call records need of `store.calls`."""

    async def initiated(self, fact: CallInitiated) -> None: ...

    async def ringing(self, fact: CallRinging) -> None: ...

    async def answered(self, fact: CallAnswered) -> None: ...

    async def ended(self, fact: CallEnded) -> None: ...


class CallRecorder:
    """Writes call records. Give `take` to the directory as a listener and run `run` in a task."""

    def __init__(self, store: CallStore) -> None:
        self._store = store
        self._queue: asyncio.Queue[Fact | None] = asyncio.Queue(QUEUE_SIZE)
        self._log = get_logger()

    def take(self, fact: Fact) -> None:
        """Queue a fact; never blocks."""
        try:
            self._queue.put_nowait(fact)
        except asyncio.QueueFull:
            self._log.error("call_record_lost", call_id=fact.call_id, fact=type(fact).__name__)

    async def run(self) -> None:
        """Write until `stop`, then what is left."""
        while (fact := await self._queue.get()) is not None:
            try:
                await self._write(fact)
            except Exception:  # one record that cannot be written must not end the records of all later calls
                self._log.exception("call_record_lost", call_id=fact.call_id, fact=type(fact).__name__)

    async def stop(self) -> None:
        """Let `run` return once everything queued so far is written."""
        await self._queue.put(None)

    async def _write(self, fact: Fact) -> None:
        match fact:
            case CallInitiated():
                await self._store.initiated(fact)
            case CallRinging():
                await self._store.ringing(fact)
            case CallAnswered():
                await self._store.answered(fact)
            case CallEnded():
                await self._store.ended(fact)
            case _:
                pass  # a hold is an event of the console, not of the record
