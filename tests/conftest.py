"""For every test: hypothesis without a clock, since a busy machine is no defect of the gateway; order and spread."""

from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from tests import spreading

settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What is long first; the order within a module stays."""
    items.sort(key=lambda item: spreading.place_of(item.nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> spreading.Spreading | None:  # Any: no types
    """For `--dist loadgroup`: our spread, in our order instead of the units with most tests first."""
    if config.option.dist != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return spreading.Spreading(config, log)
