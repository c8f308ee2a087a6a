"""When it is time to write."""

from collections.abc import Callable, Coroutine, Iterator

import pytest

from gateway.store.pace import Pace
from tests.fakes.autojump import AutojumpLoop

GATHER = 0.1


@pytest.fixture
def loop() -> Iterator[AutojumpLoop]:
    loop = AutojumpLoop()
    yield loop
    loop.close()


def _later(loop: AutojumpLoop, *acts: tuple[float, Callable[[], None]]) -> None:
    for at, act in acts:
        loop.call_at(at, act)


def _waited(loop: AutojumpLoop, wait: Coroutine[None, None, None]) -> float:
    """When it was over."""
    loop.run_until_complete(wait)
    return round(loop.time(), 6)


def test_little_waits_for_more_from_the_moment_that_it_came(loop: AutojumpLoop) -> None:
    pace = Pace(enough=5, gather=GATHER)
    _later(loop, (1.0, lambda: pace.tell(1)), (1.05, lambda: pace.tell(2)))

    assert _waited(loop, pace.wait(0)) == 1.0 + GATHER


def test_enough_waits_for_nothing(loop: AutojumpLoop) -> None:
    pace = Pace(enough=5, gather=GATHER)
    _later(loop, (1.0, lambda: pace.tell(1)), (1.05, lambda: pace.tell(5)))

    assert _waited(loop, pace.wait(0)) == 1.05
    assert _waited(loop, pace.wait(5)) == 1.05


def test_what_was_left_behind_waits_as_what_has_just_come(loop: AutojumpLoop) -> None:
    pace = Pace(enough=5, gather=GATHER)

    assert _waited(loop, pace.wait(2)) == GATHER


def test_end_waits_for_nobody(loop: AutojumpLoop) -> None:
    pace = Pace(enough=5, gather=GATHER)
    _later(loop, (1.0, lambda: pace.tell(1)), (1.05, pace.end))

    assert _waited(loop, pace.wait(0)) == 1.05
    assert _waited(loop, pace.wait(0)) == 1.05
    assert _waited(loop, pace.wait(3)) == 1.05
