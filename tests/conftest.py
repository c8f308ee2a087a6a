"""For every test: hypothesis without a clock, since a busy machine is no defect of the gateway; order and spread.

Hypothesis tries the same examples in each run, so that a change is judged by what it changes. To look for new ones:
`HYPOTHESIS_PROFILE=explore pytest tests/unit`.
"""

import atexit
import gc
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import spreading

settings.register_profile("explore", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("gateway", settings.get_profile("explore"), derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "gateway"))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long first; the order within a module stays."""
    items.sort(key=lambda item: spreading.place_of(item.nodeid))


@pytest.hookimpl(tryfirst=True)
def pytest_collection() -> None:
    """What is imported and collected lives until the end: Python's collector has nothing to find in it."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Nor does it need to look at it again and again while the tests run."""
    gc.freeze()
    gc.enable()


if "PYTEST_XDIST_WORKER" in os.environ:
    # Registered first, so called last: to take all of that apart, module by module, took a worker 3 s.
    atexit.register(os._exit, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> spreading.Spreading | None:  # Any: no types
    """For `--dist loadgroup`: our spread, in our order instead of the units with most tests first."""
    if config.option.dist != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return spreading.Spreading(config, log)
