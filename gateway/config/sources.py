"""Reads settings from a TOML file and from the environment into one tree that knows where each value came from."""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.config.problems import Problem

PREFIX: Final = "RTC_GATEWAY__"

MAX_FILE: Final = 1_000_000
"""Bytes of a configuration file."""

_INDEX_LIMIT: Final = 1000


@dataclass(frozen=True, slots=True)
class Raw:
    """A value as it was written.

    Attributes:
        value: what TOML made of it.
        where: file and line, or the name of the environment variable; empty for a built-in value.
        text: for the environment, the text itself: a number there may be meant as a text.
        may_be_secret: whether a password may stand there. Not in the file, which people copy and commit.
    """

    value: object
    where: str = ""
    text: str | None = None
    may_be_secret: bool = True


Section = dict[str, Raw]


@dataclass(slots=True)
class Tree:
    """All that was written: keys without a section, sections, and arrays of sections (`[[trunks]]`)."""

    root: Section = field(default_factory=dict)
    sections: dict[str, Section] = field(default_factory=dict)
    arrays: dict[str, list[Section]] = field(default_factory=dict)


def read_file(path: Path, tree: Tree, *, arrays: frozenset[str], nested: frozenset[str]) -> list[Problem]:
    """Put the values of a TOML file into the tree.

    Args:
        arrays: names of the arrays of sections; other lists are values.
        nested: names of the sections within others, as `traces.hep`; other tables within a section are values.
    """
    try:
        content = path.read_bytes()[: MAX_FILE + 1]
    except OSError as error:
        return [Problem("", f"cannot be read: {error.strerror}", str(path))]
    if len(content) > MAX_FILE:
        return [Problem("", f"is larger than {MAX_FILE} bytes", str(path))]
    try:
        text = content.decode("utf-8")
        document = tomllib.loads(text)
    except UnicodeDecodeError as error:
        return [Problem("", f"is not UTF-8 (byte {error.start})", str(path))]
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return [Problem("", f"is not TOML: {error}", str(path))]
    lines = _lines(text)

    def raw(key: str, value: object) -> Raw:
        line = lines.get(key)
        return Raw(value, where=f"{path.name}:{line}" if line else path.name, may_be_secret=False)

    return _place(document, tree, raw, arrays, nested)


def add_preset(
    preset: Mapping[str, object], tree: Tree, *, arrays: frozenset[str], nested: frozenset[str]
) -> list[Problem]:
    """Put built-in values into the tree, as if they were written in a file."""
    return _place(preset, tree, lambda _key, value: Raw(value), arrays, nested)


def read_environment(
    environ: Mapping[str, str], tree: Tree, *, arrays: frozenset[str], nested: frozenset[str]
) -> list[Problem]:
    """Put every `RTC_GATEWAY__...` variable into the tree, over what is there."""
    problems: list[Problem] = []
    # Whole arrays come before their elements: ..__TRUNKS before ..__TRUNKS__0__PASSWORD.
    for name in sorted(environ):
        if not name.startswith(PREFIX):
            continue
        path = [part.lower() for part in name.removeprefix(PREFIX).split("__")]
        if len(path) == 3 and f"{path[0]}.{path[1]}" in nested:
            path = [f"{path[0]}.{path[1]}", path[2]]
        raw = _from_text(name, environ[name])
        problem = _set(tree, path, raw, arrays)
        if problem is not None:
            problems.append(problem)
    return problems


def _place(
    document: Mapping[str, object],
    tree: Tree,
    raw: Callable[[str, object], Raw],
    arrays: frozenset[str],
    nested: frozenset[str],
) -> list[Problem]:
    problems: list[Problem] = []
    for name, value in document.items():
        if name in arrays:
            problems += _place_array(name, raw(name, value), tree, raw)
        elif isinstance(value, dict):
            _place_section(name, value, tree, raw, nested)
        else:
            tree.root[name] = raw(name, value)
    return problems


def _place_section(
    name: str, values: Mapping[str, object], tree: Tree, raw: Callable[[str, object], Raw], nested: frozenset[str]
) -> None:
    section = tree.sections.setdefault(name, {})
    for key, value in values.items():
        if isinstance(value, dict) and f"{name}.{key}" in nested:
            _place_section(f"{name}.{key}", value, tree, raw, nested)
        else:
            section[key] = raw(f"{name}.{key}", value)


def _place_array(name: str, whole: Raw, tree: Tree, raw: Callable[[str, object], Raw]) -> list[Problem]:
    if not isinstance(whole.value, list) or not all(isinstance(entry, dict) for entry in whole.value):
        return [Problem(name, f"expected sections [[{name}]]", whole.where)]
    tree.arrays[name] = [
        {key: raw(f"{name}[{index}].{key}", value) for key, value in entry.items()}
        for index, entry in enumerate(whole.value)
    ]
    return []


def _set(tree: Tree, path: list[str], raw: Raw, arrays: frozenset[str]) -> Problem | None:
    match path:
        case [name] if name in arrays:
            found = _place_array(name, raw, tree, lambda _key, value: Raw(value, where=raw.where))
            return found[0] if found else None
        case [name] if name:
            tree.root[name] = raw
            return None
        case [name, index, key] if name in arrays and key:
            return _set_entry(tree.arrays.setdefault(name, []), name, index, key, raw)
        case [name, key] if name and key and name not in arrays:
            tree.sections.setdefault(name, {})[key] = raw
            return None
        case _:
            return Problem("", f"expected {PREFIX}SECTION__KEY", raw.where)


def _set_entry(entries: list[Section], name: str, index: str, key: str, raw: Raw) -> Problem | None:
    """An element that is there, or the next one."""
    if not re.fullmatch(r"[0-9]{1,4}", index) or int(index) > min(len(entries), _INDEX_LIMIT):
        return Problem(f"{name}[{index}]", f"expected an index from 0 to {len(entries)}", raw.where)
    if int(index) == len(entries):
        entries.append({})
    entries[int(index)][key] = raw
    return None


def _from_text(name: str, text: str) -> Raw:
    """The value of a variable: TOML if it is one value of TOML, else JSON, else the text itself."""
    value: object = text
    try:
        document = tomllib.loads(f"value = {text}")
        if document.keys() == {"value"}:
            value = document["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        if text[:1] in "[{" and text:
            value = _from_json(text)
    return Raw(value, where=name, text=text)


def _from_json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


_HEADER: Final = re.compile(r"\s*\[(\[)?\s*([A-Za-z0-9_.-]+)\s*\]{1,2}")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*(?:=|\.)")


def _lines(text: str) -> dict[str, int]:
    """The line of each key, as far as a look at single lines can tell. For messages only."""
    found: dict[str, int] = {}
    counts: dict[str, int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(line):
            section = header[2]
            if header[1]:
                index = counts[section] = counts.get(section, -1) + 1
                section = f"{section}[{index}]"
            found.setdefault(section, number)
        elif key := _KEY.match(line):
            found.setdefault(f"{section}.{key[1]}" if section else key[1], number)
    return found
