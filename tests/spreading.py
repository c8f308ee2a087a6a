"""How the suite is spread over workers: what shares a gateway or a browser stays together, the rest goes one by one.

xdist's own `--dist loadgroup` writes a test's group to an attribute that pytest reads no more since 9.2
(pytest-xdist issue 1386): every test went by itself, and each worker started a gateway and a browser for each module.
"""

from typing import Any, Final

from xdist.scheduler import LoadScopeScheduling

SHARED: Final = (
    "tests/conformance/",
    "tests/interop/browser/test_calls.py",
    "tests/interop/browser/test_console.py",
    "tests/interop/browser/test_console_pages.py",
    "tests/interop/browser/test_reports.py",
    "tests/interop/browser/test_sdk_lines.py",
    "tests/interop/react_native/",
    "tests/interop/real_name/",
    "tests/interop/server_sdk/",
    "tests/interop/tutorial/",
    "tests/wire/reports/test_s3.py",
)
"""Folders and modules whose tests share fixtures of their module that are dear: each module is one unit of work."""

WHOLE: Final = ("tests/wire/store/",)
"""Folders that are one unit: their database server is one."""

LONGEST: Final = (
    "tests/interop/browser/test_calls.py",
    "tests/interop/browser/test_console.py",
    "tests/wire/api/test_schemathesis.py",
    "tests/wire/whole/test_leaks.py",
    "tests/wire/store/",
    "tests/wire/whole/test_transfer_leaks.py",
    "tests/wire/whole/test_soak.py",
    "tests/unit/b2bua/test_recovery_properties.py",
    "tests/interop/browser/test_sdk_lines.py",
    "tests/interop/real_name/test_real_name.py",
    "tests/interop/react_native/test_react_native.py",
    "tests/conformance/test_in_call.py",
    "tests/conformance/mobile/test_calls.py",
    "tests/interop/browser/test_console_pages.py",
    "tests/interop/browser/test_reports.py",
    "tests/interop/browser/test_harness.py",
    "tests/conformance/test_outbound.py",
    "tests/conformance/mobile/test_wake.py",
    "tests/conformance/mobile/test_connection.py",
    "tests/wire/media/test_quality.py",
    "tests/wire/test_program.py",
    "tests/wire/sip/test_leaks.py",
    "tests/interop/test_sipp_user_agent.py",
    "tests/interop/whole/",
    "tests/interop/",
    "tests/conformance/",
    "tests/wire/whole/",
    "tests/wire/",
)
"""What comes first, in this order: a long unit begun last would run on alone while the other workers are idle."""


def unit_of(test_id: str) -> str:
    """What one worker does in one go: the folder or module of a test that shares, else the test."""
    for folder in WHOLE:
        if test_id.startswith(folder):
            return folder
    return test_id.partition("::")[0] if test_id.startswith(SHARED) else test_id


def place_of(test_id: str) -> int:
    """Where in the run a test comes; smaller is earlier."""
    return next((place for place, start in enumerate(LONGEST) if test_id.startswith(start)), len(LONGEST))


def begins_at_the_end(worker: str) -> bool:
    """Whether this worker (`gw0` and so on) takes what is short, from the end: two of three do.

    What is long computes (browsers, above all), what is short waits: side by side they leave no processor idle.
    """
    return int(worker.removeprefix("gw")) % 3 != 0


class Spreading(LoadScopeScheduling):  # type: ignore[misc] # xdist has no types
    """Gives workers unit by unit, from both ends of the order of collection."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid)

    def _assign_work_unit(self, node: Any) -> None:  # Any: xdist has no types
        if begins_at_the_end(node.gateway.id):
            self.workqueue.move_to_end(next(reversed(self.workqueue)), last=False)
        super()._assign_work_unit(node)

    def remove_node(self, node: Any) -> str | None:  # Any: xdist has no types
        """Give what a crashed worker had left to the others; returns the test that it crashed in, which has failed.

        xdist gives its finished units away again as well. Nobody ever reports on those: the run would hang.
        """
        units = self.assigned_work.pop(node)
        left = {unit: {test: False for test, is_done in tests.items() if not is_done} for unit, tests in units.items()}
        crashed = next((test for tests in left.values() for test in tests), None)
        for unit, tests in left.items():
            if crashed is not None:
                tests.pop(crashed, None)
            if tests:
                self.workqueue[unit] = tests
        for other in self.assigned_work:
            self._reschedule(other)
        return crashed

    def _reschedule(self, node: Any) -> None:  # Any: as above
        """A replacement that still collects gets its work after that; xdist fails on it."""
        if node in self.registered_collections:
            super()._reschedule(node)
