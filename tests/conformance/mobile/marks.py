"""How a test says which behaviour it shows, and on which platforms."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from tests.harness.mobile.sdk import sdks

_Test = TypeVar("_Test", bound=Callable[..., Any])  # Any: of whatever arguments


def mobile(number: int, letters: str) -> Callable[[_Test], _Test]:
    """The test of M-`number`, run with a client of each platform in the brackets of its line."""
    chosen = sdks(letters)

    def mark(test: _Test) -> _Test:
        on_each = pytest.mark.parametrize("sdk", chosen, ids=[sdk.name for sdk in chosen])
        marked: _Test = on_each(pytest.mark.behaviour(f"M-{number}")(test))
        return marked

    return mark
