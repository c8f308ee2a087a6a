"""A short soak; `make bench ARGS="--only soak"` has the long one."""

import json

import pytest

from tests.bench import soak


@pytest.mark.timeout(120)
async def test_every_call_of_clients_that_come_and_go_is_accounted_for_and_nothing_is_left() -> None:
    result = await soak.measure(12, 12.0, window=4.0)

    assert (result.unaccounted, result.not_returned, result.failures, result.crashes) == (0, 0, 0, 0), result.endings
    assert result.records == result.calls >= 12
    assert result.returns > 0
    assert set(json.loads(result.left).values()) == {0}
