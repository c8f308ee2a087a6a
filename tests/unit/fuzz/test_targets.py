"""The fuzzing targets hold on their seeds, cut and bent; `make fuzz` goes on from there for as long as it is let."""

import random

import pytest

from tests.fuzz.seeds import SEEDS, dictionary
from tests.fuzz.targets import TARGETS


def bent(seed: bytes, chance: random.Random) -> bytes:
    """A few bytes changed, cut out or doubled."""
    data = bytearray(seed)
    for _ in range(chance.randrange(1, 6)):
        at = chance.randrange(len(data) + 1)
        match chance.randrange(3):
            case 0 if data:
                data[min(at, len(data) - 1)] = chance.randrange(256)
            case 1:
                del data[at : at + chance.randrange(1, 40)]
            case _:
                data[at:at] = data[at : at + chance.randrange(1, 40)]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_target_holds_on_its_seeds_and_on_bent_ones(name: str) -> None:
    chance = random.Random(7)
    for seed in SEEDS[name]:
        TARGETS[name](seed)
        TARGETS[name](b"")
        for _ in range(4 if name == "port" else 30):  # a whole user agent each time
            TARGETS[name](bent(seed, chance))


def test_dictionary_is_one_quoted_word_a_line() -> None:
    assert all(line[0] == line[-1] == '"' and len(line) > 2 for line in dictionary().splitlines())
