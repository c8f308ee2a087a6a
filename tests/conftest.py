"""For every test: hypothesis without a clock, since a busy machine is no defect of the gateway; the long ones first."""

from typing import Final

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("gateway", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("gateway")

LONGEST: Final = (
    "test_console",
    "test_sipp_calls",
    "test_calls",
    "test_leaks",
    "test_sipp_user_agent",
    "test_recovery_properties",
    "test_real_name",
    "test_sipp_is_called",
    "test_transfer_leaks",
    "test_lab_numbers",
    "test_sdk_lines",
    "test_harness",
    "test_recovery",
    "test_reports",
    "test_react_native",
)
"""Modules of half a minute and more: begun last, one of them would have a worker run on while the others are idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long modules first, each whole; the order within a module stays."""
    rank = {stem: place for place, stem in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))
