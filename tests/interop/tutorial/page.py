"""A page of the documentation as a reader follows it: sections, what they have to type, what they should see."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ANYTHING: Final = "..."
"""In a documented answer: what is different each time, never empty."""

_FILE: Final = re.compile(r"^(?:<!--|#|//) (\S+\.(?:html|py|mjs))(?: -->)?$")
_FENCE: Final = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_ASIDE: Final = re.compile(r"^    (\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, and what stands between the fences."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        """The file that it is to be saved as: its first line says so."""
        found = _FILE.match(self.text.partition("\n")[0])
        return None if found is None else found[1]


@dataclass(frozen=True, slots=True)
class Section:
    """What stands below a heading of the second level."""

    title: str
    text: str

    def blocks(self) -> Iterator[Block]:
        """Its fenced blocks, in order."""
        return (Block(found[1], found[2]) for found in _FENCE.finditer(self.text))

    def asides(self) -> list[str]:
        """Its indented lines: what is typed somewhere else."""
        return _ASIDE.findall(_FENCE.sub("", self.text))


def sections(path: Path, addresses: Mapping[str, str]) -> dict[str, Section]:
    """The page's sections by title, with `addresses` in place of the printed ones.

    Raises:
        AssertionError: an address is not in the page, which would then be about another gateway.
    """
    text = path.read_text(encoding="utf-8")
    for printed, real in addresses.items():
        assert printed in text, f"{path.name} does not name {printed}"
        text = text.replace(printed, real)
    _, *parts = re.split(r"^## (.+)\n", text, flags=re.MULTILINE)
    return {title: Section(title, body) for title, body in zip(parts[::2], parts[1::2], strict=True)}


def differences(block: Block, seen: str) -> list[str]:
    """Where what was seen is not what the block says: each with its place."""
    if block.language == "json":
        try:
            answer = json.loads(seen)
        except ValueError:
            return [f"no JSON: {seen!r}"]
        return list(_unlike(json.loads(block.text), answer, ""))
    return list(_unlike(block.text.strip(), seen.strip(), ""))


def _unlike(said: Any, seen: Any, place: str) -> Iterator[str]:  # Any: decoded JSON
    """Objects may have more keys than the page shows; lists and texts are compared whole."""
    match said, seen:
        case dict(), dict():
            for key, value in said.items():
                if key in seen:
                    yield from _unlike(value, seen[key], f"{place}/{key}")
                else:
                    yield f"{place}/{key} is missing"
        case list(), list() if len(said) == len(seen):
            for index, (one, other) in enumerate(zip(said, seen, strict=True)):
                yield from _unlike(one, other, f"{place}/{index}")
        case str(), str() if re.fullmatch(".+".join(map(re.escape, said.split(ANYTHING))), seen):
            pass
        case _ if type(said) is not type(seen) or said != seen:
            yield f"{place or '/'} is {seen!r}, not {said!r}"
        case _:
            pass
