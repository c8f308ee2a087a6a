"""The calls of the lab trunk: those that live, and the last ones that ended."""

from collections import OrderedDict
from itertools import count
from typing import Final

from gateway.lab.calls import LabCall

MAX_ENDED: Final = 1000
"""Ended calls kept, each with a second of audio (8 kB); the oldest goes first."""


class CallHistory:
    """Finds calls by id. Bounded: live calls by the trunk's `max_calls`, ended ones by `MAX_ENDED`."""

    def __init__(self) -> None:
        self._live: dict[str, LabCall] = {}
        self._ended: OrderedDict[str, LabCall] = OrderedDict()
        self._numbers = count(1)

    def add(self, call: LabCall) -> None:
        """A call begins."""
        call.number = next(self._numbers)
        self._live[call.facts.lab_call_id] = call

    def ended(self, call: LabCall) -> None:
        """It ended; its record stays for a while."""
        self._live.pop(call.facts.lab_call_id, None)
        self._ended[call.facts.lab_call_id] = call
        while len(self._ended) > MAX_ENDED:
            self._ended.popitem(last=False)

    def get(self, lab_call_id: str) -> LabCall | None:
        """The call with that id, None when it is unknown or too long ago."""
        return self._live.get(lab_call_id) or self._ended.get(lab_call_id)

    def live(self) -> list[LabCall]:
        """The calls that live, oldest first."""
        return list(self._live.values())

    def newest(self, limit: int, *, before: str | None = None) -> list[LabCall] | None:
        """At most `limit` calls, newest first, older than the call `before`; None when that is unknown."""
        calls = sorted([*self._ended.values(), *self._live.values()], key=lambda call: call.number, reverse=True)
        if before is None:
            return calls[:limit]
        border = self.get(before)
        return None if border is None else [call for call in calls if call.number < border.number][:limit]
