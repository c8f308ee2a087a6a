"""Settings as they are in force, written as a file would write them, secrets masked."""

import dataclasses
from pathlib import Path

from gateway.config.sections import ARRAYS, SECTIONS, Config, attribute_of
from gateway.observability.logging import MASK


def in_force(config: Config) -> dict[str, object]:
    """Every setting with its value, ready for JSON: sections of keys, arrays of sections."""
    shown: dict[str, object] = {
        "config_file": None if config.file is None else str(config.file),
        "data_dir": str(config.data_dir),
    }
    for name in SECTIONS:
        shown[name] = _section(getattr(config, attribute_of(name)))
    for name in ARRAYS:
        shown[name] = [_section(entry) for entry in getattr(config, name)]
    return shown


def flat(shown: dict[str, object]) -> list[tuple[str, object]]:
    """The same as full keys and values, in order."""
    rows: list[tuple[str, object]] = []
    for name, value in shown.items():
        if isinstance(value, dict):
            rows += [(f"{name}.{key}", inner) for key, inner in value.items()]
        elif name in ARRAYS and isinstance(value, list):
            rows += [(f"{name}[{i}].{key}", inner) for i, entry in enumerate(value) for key, inner in entry.items()]
        else:
            rows.append((name, value))
    return rows


def written(key: str, value: object) -> object:
    """A value as a file writes it: listeners as text, networks as text, lists as lists."""
    match value:
        case (str() as transport, str() as host, int() as port) if key == "sip.listen":
            return f"{transport}:{_bracketed(host)}:{port}"
        case (str() as host, int() as port) if key in ("metrics.listen", "sip.nameservers"):
            return f"{_bracketed(host)}:{port}"
        case tuple() | list():
            return [written(key, element) for element in value]
        case None | bool() | int() | float() | str():
            return value
        case Path():
            return str(value)
        case _ if (
            dataclasses.is_dataclass(value) and not isinstance(value, type) and type(value).__str__ is object.__str__
        ):
            return _section(value)
        case _:
            return str(value)


def _section(settings: object) -> dict[str, object]:
    assert dataclasses.is_dataclass(settings)
    names = {kind: name for name, kind in {**SECTIONS, **ARRAYS}.items()}
    section = names.get(type(settings), "")
    values: dict[str, object] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        # A field that does not show itself is a secret.
        values[field.name] = MASK if not field.repr and value is not None else written(f"{section}.{field.name}", value)
    return values


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
