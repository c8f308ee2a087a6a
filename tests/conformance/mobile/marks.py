"""On which platforms a behaviour is to be shown."""

import pytest

from tests.harness.mobile.sdk import sdks


def platforms(letters: str) -> pytest.MarkDecorator:
    """Run the test with a client of each platform in the brackets of its line: [i]OS, [a]ndroid, [f]lutter, [r]eact."""
    chosen = sdks(letters)
    return pytest.mark.parametrize("sdk", chosen, ids=[sdk.name for sdk in chosen])
