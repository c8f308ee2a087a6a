"""The spread of the suite over workers keeps together what shares, and begins with what is long."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Final

import pytest

from tests import spreading

ROOT: Final = Path(__file__).parents[2]
DEAR: Final = "scope=" + '"module", loop_scope="module"'
"""How a fixture is declared that starts a gateway, a browser or a page once for a module."""


def sharing_modules() -> Iterator[str]:
    """Modules of tests with such a fixture, of their own or of a conftest above them."""
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if "node_modules" in path.parts:
            continue
        above = [folder / "conftest.py" for folder in path.parents if folder.is_relative_to(ROOT / "tests")]
        sources = [path, *(one for one in above if one.exists())]
        if any(DEAR in one.read_text(encoding="utf-8") for one in sources):
            yield path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("module", tuple(sharing_modules()))
def test_module_that_shares_a_gateway_or_a_browser_is_one_unit(module: str) -> None:
    assert spreading.unit_of(f"{module}::test_this") == spreading.unit_of(f"{module}::test_that[a::b]") == module


@pytest.mark.parametrize("folder", spreading.WHOLE)
def test_folder_that_shares_a_server_is_one_unit(folder: str) -> None:
    assert spreading.unit_of(f"{folder}test_this.py::test_a") == spreading.unit_of(f"{folder}test_that.py::test_b")


def test_tests_that_share_nothing_are_spread_one_by_one() -> None:
    one, other = "tests/unit/test_demo.py::test_this", "tests/unit/test_demo.py::test_that[a]"

    assert [spreading.unit_of(one), spreading.unit_of(other)] == [one, other]


def test_long_units_come_before_the_rest() -> None:
    ids = ["tests/unit/test_demo.py::test_this", "tests/interop/browser/test_calls.py::test_that"]

    assert sorted(ids, key=spreading.place_of) == ids[::-1]


@pytest.mark.parametrize("start", [*spreading.SHARED, *spreading.WHOLE, *spreading.LONGEST])
def test_what_the_spread_names_is_there(start: str) -> None:
    assert (ROOT / start).exists()


class Worker:
    """What the scheduler sees of one."""

    def __init__(self, number: int) -> None:
        self.shutting_down = False
        self.gateway = SimpleNamespace(id=f"gw{number}")
        self.asked: list[int] = []
        """Numbers of the tests that it was given, in order."""

    def send_runtest_some(self, indices: Sequence[int]) -> None:
        assert indices, "no worker reports on nothing"
        self.asked.extend(indices)

    def shutdown(self) -> None:
        self.shutting_down = True


def scheduled(tests: Sequence[str]) -> tuple[spreading.Spreading, Worker, Worker]:
    """Two workers that have begun with these tests."""
    config = SimpleNamespace(getvalue=lambda _name: ["2*popen"], option=SimpleNamespace(loadscopereorder=False))
    scheduler, one, other = spreading.Spreading(config), Worker(0), Worker(1)
    for worker in (one, other):
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, tests)
    scheduler.schedule()
    return scheduler, one, other


def test_long_units_are_worked_on_beside_short_ones() -> None:
    _, one, other = scheduled([f"tests/unit/test_demo.py::test_{number}" for number in range(12)])

    assert one.asked == [0, 1]
    assert other.asked == [11, 10]


def test_every_test_but_the_one_that_crashed_its_worker_is_still_run() -> None:
    tests = [f"tests/unit/test_demo.py::test_{number}" for number in range(12)]
    scheduler, one, other = scheduled(tests)
    scheduler.mark_test_complete(one, one.asked[0])
    crashed_in = one.asked[1]

    assert scheduler.remove_node(one) == tests[crashed_in]
    done = 0
    while done < len(other.asked):
        scheduler.mark_test_complete(other, other.asked[done])
        done += 1

    assert sorted([one.asked[0], crashed_in, *other.asked]) == list(range(12))
    assert not scheduler.has_pending


def test_worker_that_has_done_its_work_leaves_nothing_behind() -> None:
    scheduler, one, _ = scheduled(["tests/unit/test_demo.py::test_a", "tests/unit/test_demo.py::test_b"])
    for number in one.asked:
        scheduler.mark_test_complete(one, number)

    assert scheduler.remove_node(one) is None


def test_worker_that_still_collects_is_given_nothing_when_another_one_crashes() -> None:
    tests = [f"tests/unit/test_demo.py::test_{number}" for number in range(12)]
    scheduler, one, other = scheduled(tests)
    replacement, late = Worker(2), Worker(3)
    scheduler.remove_node(one)
    scheduler.add_node(replacement)

    scheduler.remove_node(other)
    scheduler.add_node(late)

    assert replacement.asked == []
    assert not replacement.shutting_down
    scheduler.add_node_collection(replacement, tests)
    scheduler.schedule()
    done = 0
    while done < len(replacement.asked):
        scheduler.mark_test_complete(replacement, replacement.asked[done])
        done += 1
    assert late.asked == []
    assert sorted([one.asked[0], other.asked[0], *replacement.asked]) == list(range(12))
