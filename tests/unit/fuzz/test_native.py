"""The packet path's fuzz targets, as far as that can be told without compiling them."""

import tomllib
from pathlib import Path

import pytest

from tests.fuzz import native, targets

CRATE = Path(__file__).parents[3] / "gateway/media/native/fuzz"


def test_every_target_is_built_and_no_name_is_taken_twice() -> None:
    manifest = tomllib.loads((CRATE / "Cargo.toml").read_text(encoding="utf-8"))

    assert sorted(program["name"] for program in manifest["bin"]) == list(native.TARGETS)
    assert not set(native.TARGETS) & set(targets.TARGETS)


@pytest.mark.parametrize("name", native.TARGETS)
def test_every_target_has_seeds(name: str) -> None:
    assert any((CRATE / "seeds" / name).iterdir())
