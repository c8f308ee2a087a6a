"""Two implementations of a pipeline, one behaviour."""

from collections.abc import Iterator

import pytest

from tests.unit.media import virtual


@pytest.fixture(scope="module", params=sorted(virtual.IMPLEMENTATIONS))
def implementation(request: pytest.FixtureRequest) -> Iterator[str]:
    """What `virtual.open_run` opens in this module: every test runs over each of them."""
    before = virtual.under_test
    virtual.under_test = request.param
    yield virtual.under_test
    virtual.under_test = before
