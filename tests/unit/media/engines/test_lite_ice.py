"""ICE-lite as descriptions see it: which generation's path is used, and when there is none."""

import asyncio

import pytest

from gateway.media.core.sdp import IceCredentials
from gateway.media.engines.lite_ice import LiteIce, LitePath

OURS = ("192.0.2.1", 3478)
FIRST, SECOND = ("198.51.100.7", 5000), ("198.51.100.7", 6000)
PAGE, RELOADED = IceCredentials("page", "p" * 22), IceCredentials("reloaded", "r" * 22)


class Table:
    """A core that only remembers."""

    def __init__(self) -> None:
        self.answered: list[str] = []
        self.used: list[int] = []
        self.left: list[int] = []
        self._count = 0

    def add_generation(self, ufrag: str, password: str) -> int:
        self.answered.append(ufrag)
        self._count += 1
        return self._count

    def remove_generation(self, ufrag: str) -> None:
        if ufrag in self.answered:
            self.answered.remove(ufrag)

    def use_generation(self, generation: int) -> None:
        self.used.append(generation)

    def leave_path(self, generation: int) -> None:
        self.left.append(generation)

    def send_on_path(self, datagram: bytes) -> bool:
        return True


class Ice:
    """One leg's ICE, and what it reported."""

    def __init__(self, *, timeout: float = 60.0) -> None:
        self.table = Table()
        self.paths: list[LitePath | None] = []
        self.failed: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.lite = LiteIce(
            self.table,
            [OURS],
            timeout=timeout,
            on_path=lambda: self.paths.append(self.lite.path),
            on_failed=self.failed.set_result,
        )

    def exchange(self, remote: IceCredentials) -> None:
        """An offer with these credentials, and our answer."""
        if not self.lite.resume(remote):
            self.lite.begin(is_controlling=False).set_remote(remote)
        self.lite.run()


async def test_nominated_path_is_used_once_the_far_end_is_known() -> None:
    ice = Ice()
    generation = ice.lite.begin(is_controlling=True)
    ice.lite.found(generation.number, 0, FIRST)
    assert (ice.lite.path, ice.table.used) == (None, [])

    ice.lite.run()

    assert ice.lite.path == LitePath(3478, FIRST)
    assert ice.table.used == [generation.number]


async def test_media_stays_on_the_old_path_until_the_restart_has_one() -> None:
    ice = Ice()
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)

    ice.exchange(RELOADED)
    assert ice.lite.path == LitePath(3478, FIRST)
    ice.lite.found(2, 0, SECOND)

    assert ice.paths == [LitePath(3478, FIRST), LitePath(3478, SECOND)]
    await ice.lite.close()


async def test_offer_with_known_credentials_is_no_restart() -> None:
    ice = Ice()
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)

    ice.exchange(PAGE)

    assert len(ice.table.answered) == 1


async def test_another_page_leaves_the_path_at_once() -> None:
    ice = Ice()
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)
    ice.lite.begin(is_controlling=False).set_remote(RELOADED)

    ice.lite.abandon()

    assert ice.lite.path is None
    assert ice.table.left == [2]
    assert ice.lite.latest is not None
    assert ice.table.answered == [ice.lite.latest.credentials.ufrag]


async def test_no_path_in_time_is_a_failure() -> None:
    ice = Ice(timeout=0.01)

    ice.exchange(PAGE)

    assert await ice.failed == "ice_failed"
    assert ice.table.answered == []


@pytest.mark.parametrize("is_restarting", [False, True])
async def test_lost_consent_is_a_failure_unless_a_restart_is_under_way(is_restarting: bool) -> None:
    ice = Ice()
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)
    if is_restarting:
        ice.exchange(RELOADED)

    ice.lite.lost(1)

    assert ice.failed.done() is not is_restarting
    await ice.lite.close()


async def test_restart_that_finds_nothing_does_not_bring_consent_back() -> None:
    ice = Ice(timeout=0.01)
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)
    ice.exchange(RELOADED)

    ice.lite.lost(1)

    assert await ice.failed == "consent_lost"


async def test_nothing_is_answered_after_close() -> None:
    ice = Ice()
    ice.exchange(PAGE)
    ice.lite.found(1, 0, FIRST)
    ice.exchange(RELOADED)

    await ice.lite.close()

    assert ice.table.answered == []
    assert ice.lite.path is None
