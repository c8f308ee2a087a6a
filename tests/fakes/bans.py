"""Bans that a test sets."""

import asyncio

from gateway.sip.core.banning import Ban, Offence


class FakeBans:
    """A list of bans, the newest first."""

    def __init__(self) -> None:
        self._bans: list[Ban] = []

    def ban(self, network: str, offence: Offence, *, ago: float, left: float) -> None:
        now = asyncio.get_running_loop().time()
        self._bans.insert(0, Ban(network, offence, now - ago, now + left))

    def bans(self) -> tuple[Ban, ...]:
        return tuple(self._bans)

    def lift_ban(self, host: str) -> bool:
        before = len(self._bans)
        self._bans = [ban for ban in self._bans if ban.network.partition("/")[0] != host]
        return len(self._bans) < before
