"""Addresses that did not answer lately: they are tried last (RFC 3263 section 4.3)."""

from collections.abc import Hashable, Sequence
from typing import Final, Generic, TypeVar

MAX_REMEMBERED: Final = 1024
"""Of more, those that are over first go."""

LONGEST: Final = 3600.0
"""Seconds; a far end may ask for more with Retry-After, but does not get it."""

Address = TypeVar("Address", bound=Hashable)


class FailedAddresses(Generic[Address]):
    """Remembers for a while what failed. Nothing is forbidden: when all have failed, all are tried again."""

    def __init__(self) -> None:
        self._until: dict[Address, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def note(self, address: Address, now: float, seconds: float) -> None:
        """It failed; put it last for that long."""
        if len(self._until) >= MAX_REMEMBERED and address not in self._until:
            self._forget_over(now)
        if len(self._until) >= MAX_REMEMBERED and address not in self._until:
            del self._until[min(self._until, key=self._until.__getitem__)]
        self._until[address] = now + min(seconds, LONGEST)

    def works(self, address: Address) -> None:
        """It has answered."""
        self._until.pop(address, None)

    def in_order(self, addresses: Sequence[Address], now: float) -> tuple[Address, ...]:
        """The same addresses in the same order, but those that failed behind the others."""
        self._forget_over(now)
        return tuple(sorted(addresses, key=lambda address: address in self._until))

    def _forget_over(self, now: float) -> None:
        for address in [address for address, until in self._until.items() if until <= now]:
            del self._until[address]
