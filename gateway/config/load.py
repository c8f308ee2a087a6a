"""Makes a `Config` of a file, the environment and built-in values, or says everything that is wrong with them."""

import dataclasses
import difflib
import functools
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, get_type_hints

from gateway.config.convert import Context, Unfit, convert
from gateway.config.problems import ConfigError, Problem
from gateway.config.sections import (
    ARRAYS,
    NOT_EMPTY,
    PARSERS,
    SECTIONS,
    Config,
    attribute_of,
    number_limits,
    refused_together,
)
from gateway.config.sources import Raw, Section, Tree, add_preset, read_environment, read_file
from gateway.domain.errors import GatewayError

DEMO: Final[Mapping[str, object]] = {"lab": {"enabled": True}, "registrar": {"enabled": True}}
"""What `demo` changes in the built-in values."""

_ARRAYS: Final = frozenset(ARRAYS)
_NESTED: Final = frozenset(name for name in SECTIONS if "." in name)
_MAX_SECRET: Final = 4096
SECRETS: Final = ("password", "s3_secret_access_key")
"""Keys that may stand in the environment only; a file has `<key>_file`, the place of a file that holds the secret."""


def load(
    file: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    preset: Mapping[str, object] | None = None,
) -> Config:
    """Read the settings.

    Relative paths start from the file's folder, without a file from the current one.

    Args:
        file: TOML; None starts from the built-in values.
        environ: `os.environ` when None. Wins over the file.
        preset: built-in values to replace, as a TOML document would; the file wins over them.

    Raises:
        ConfigError: with every mistake.
    """
    tree = Tree()
    problems = add_preset(preset or {}, tree, arrays=_ARRAYS, nested=_NESTED)
    if file is not None:
        problems += read_file(file, tree, arrays=_ARRAYS, nested=_NESTED)
    problems += read_environment(os.environ if environ is None else environ, tree, arrays=_ARRAYS, nested=_NESTED)
    base = Path.cwd() if file is None else file.parent.absolute()
    reader = _Reader(Context(base=base, parsers=PARSERS), problems)
    values = reader.read(tree)
    if problems:
        raise ConfigError(_in_order(problems))
    return Config(file=file, **values)


class _Reader:
    """Makes the settings objects, and collects the problems on the way."""

    def __init__(self, context: Context, problems: list[Problem]) -> None:
        self._context, self._problems = context, problems

    def read(self, tree: Tree) -> dict[str, Any]:  # Any: settings objects of many classes
        data_dir = self._data_dir(tree.root)
        _set_default(tree, "auth", "jwt_secret_file", str(data_dir / "jwt.key"))
        _set_default(tree, "auth", "seal_key_file", str(data_dir / "seal.key"))
        _set_default(tree, "http", "data_dir", str(data_dir))
        _set_default(tree, "reports", "store", str(data_dir / "reports"))
        _set_default(tree, "store", "url", f"sqlite+aiosqlite:///{data_dir / 'gateway.db'}")
        made: dict[str, Any] = {"data_dir": data_dir}
        for name, section in tree.sections.items():
            if name not in SECTIONS:
                where = next((raw.where for raw in section.values()), "")
                self._unknown(name, where, (*SECTIONS, *ARRAYS))
        for name, settings in SECTIONS.items():
            made[attribute_of(name)] = self._section(name, name, settings, tree.sections.get(name, {}))
        for name, settings in ARRAYS.items():
            entries = tree.arrays.get(name, [])
            made[name] = tuple(self._section(f"{name}[{i}]", name, settings, entry) for i, entry in enumerate(entries))
        self._check_names("trunks", "name", tree.arrays.get("trunks", []))
        self._check_names("rates", "prefix", tree.arrays.get("rates", []))
        self._check_trunk_passwords(tree.arrays.get("trunks", []))
        if (store := made["store"]) is not None:
            made["store"] = dataclasses.replace(store, url=_absolute_sqlite(store.url, self._context.base))
        if (reports := made["reports"]) is not None and not reports.is_s3:
            made["reports"] = dataclasses.replace(reports, store=str(self._context.base / reports.store))
        return made

    def _data_dir(self, root: Section) -> Path:
        for name, raw in root.items():
            if name in SECTIONS or name in ARRAYS:
                self._problem(name, f"expected a section [{name}]", raw.where)
            elif name != "data_dir":
                self._unknown(name, raw.where, ("data_dir", *SECTIONS, *ARRAYS))
        raw = root.get("data_dir", Raw("var"))
        try:
            path = convert("data_dir", raw, Path, self._context)
        except Unfit as error:
            self._unfit("data_dir", error, raw.where)
            return self._context.base
        assert isinstance(path, Path)
        return path

    def _section(self, label: str, name: str, settings: type[Any], section: Section) -> Any:  # Any: as above
        before = len(self._problems)
        fields = {field.name: field for field in dataclasses.fields(settings)}
        hints = _hints(name)
        section = self._with_secrets(label, section, fields)
        values: dict[str, object] = {}
        for key, raw in section.items():
            if key not in fields:
                self._unknown(f"{label}.{key}", raw.where, _keys(fields))
                continue
            try:
                value = convert(f"{name}.{key}", raw, hints[key], self._context)
                _check_list(f"{name}.{key}", value)
                _check_number(f"{name}.{key}", value, fields[key].default)
                values[key] = value
            except Unfit as error:
                self._unfit(f"{label}.{key}", error, raw.where)
        for key in _required(fields):
            if key not in section:
                where = next((raw.where for raw in section.values()), "")
                self._problem(f"{label}.{key}", "expected a value, none is given", where)
        for key, message in refused_together(name, values):
            self._problem(f"{label}.{key}", message, section[key.partition("[")[0]].where)
            values.pop(key.partition("[")[0], None)
        if name in ARRAYS and len(self._problems) > before:
            return None
        return self._construct(label, settings, values, section)

    def _construct(self, label: str, settings: type[Any], values: dict[str, object], section: Section) -> Any:
        """Settings classes check what only they know, and tell one mistake at a time; ask until there is none."""
        required = _required({field.name: field for field in dataclasses.fields(settings)})
        while True:
            try:
                return settings(**values)
            except (ValueError, GatewayError) as error:
                key, colon, message = str(error).partition(": ")
                field_name = key.partition("[")[0]
                is_ours = bool(colon) and field_name in {field.name for field in dataclasses.fields(settings)}
                raw = section.get(field_name, Raw(None))
                self._problem(f"{label}.{key}" if is_ours else label, message if is_ours else str(error), raw.where)
                if field_name not in values or field_name in required:
                    return None
                del values[field_name]

    def _with_secrets(self, label: str, section: Section, fields: Mapping[str, object]) -> Section:
        """`password_file` is read into `password`; `password` itself is taken from the environment only."""
        section = dict(section)
        for name in SECRETS:
            if name in fields:
                self._take_secret(label, section, name)
        return section

    def _take_secret(self, label: str, section: Section, name: str) -> None:
        place, inline = section.pop(f"{name}_file", None), section.get(name)
        if inline is not None and not inline.may_be_secret:
            hint = f"expected {label}.{name}_file or the environment: no passwords in this file"
            self._problem(f"{label}.{name}", hint, inline.where)
            del section[name]
        elif inline is None and place is not None:
            try:
                path = convert(f"{name}_file", place, Path, self._context)
                assert isinstance(path, Path)
                section[name] = Raw(_secret(path), where=place.where)
            except Unfit as error:
                self._unfit(f"{label}.{name}_file", error, place.where)

    def _check_names(self, array: str, key: str, entries: list[Section]) -> None:
        """No two sections of an array may go by the same name."""
        seen: set[str] = set()
        for index, entry in enumerate(entries):
            name = entry.get(key)
            if name is None or not isinstance(name.value, str):
                continue
            if name.value in seen:
                message = f"expected a {key} of its own, {name.value!r} is taken"
                self._problem(f"{array}[{index}].{key}", message, name.where)
            seen.add(name.value)

    def _check_trunk_passwords(self, entries: list[Section]) -> None:
        for index, entry in enumerate(entries):
            if "username" in entry and not {"password", "password_file"} & entry.keys():
                hint = f"expected trunks[{index}].password_file beside it"
                self._problem(f"trunks[{index}].username", hint, entry["username"].where)

    def _unknown(self, key: str, where: str, known: Iterable[str]) -> None:
        section, dot, name = key.rpartition(".")
        near = difflib.get_close_matches(name, list(known), n=1)
        hint = f", did you mean {section}{dot}{near[0]}?" if near else ""
        self._problem(key, f"is not a setting{hint}", where)

    def _unfit(self, key: str, error: Unfit, where: str) -> None:
        for suffix, message in error.found:
            self._problem(f"{key}{suffix}", message, where)

    def _problem(self, key: str, message: str, where: str) -> None:
        self._problems.append(Problem(key, message, where))


@functools.cache
def _hints(section: str) -> Mapping[str, Any]:  # Any: annotations
    """The types of its keys; to work them out takes longer than all the rest of reading it."""
    return get_type_hints({**SECTIONS, **ARRAYS}[section])


def _set_default(tree: Tree, section: str, key: str, value: str) -> None:
    tree.sections.setdefault(section, {}).setdefault(key, Raw(value))


def _keys(fields: Mapping[str, object]) -> tuple[str, ...]:
    return (*fields, *(f"{name}_file" for name in SECRETS if name in fields))


def _required(fields: Mapping[str, "dataclasses.Field[Any]"]) -> list[str]:  # Any: fields of many types
    missing = dataclasses.MISSING
    return [name for name, field in fields.items() if field.default is missing and field.default_factory is missing]


def _check_list(key: str, value: object) -> None:
    if not isinstance(value, tuple):
        return
    if not value and key in NOT_EMPTY:
        raise Unfit("expected at least one element")
    for index, element in enumerate(value):
        if element in value[:index] and key in PARSERS:
            raise Unfit("is there twice", f"[{index}]")


def _check_number(key: str, value: object, default: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return
    may_be_lowest, lowest, highest = number_limits(key, default)
    if value < lowest or (value == lowest and not may_be_lowest) or value > highest:
        wanted = f"{lowest} or more" if may_be_lowest else f"above {lowest}"
        raise Unfit(f"expected {wanted}, at most {highest}, got {value}")


def _secret(path: Path) -> str:
    try:
        text = path.read_text(encoding="utf-8")[: _MAX_SECRET + 1].rstrip("\r\n")
    except OSError as error:
        raise Unfit(f"expected a file with the password, {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Unfit(f"expected a file with the password, {path} is not UTF-8") from error
    if not text or len(text) > _MAX_SECRET or not text.isprintable():
        raise Unfit(f"expected a file with the password, {path} holds none")
    return text


def _absolute_sqlite(url: str, base: Path) -> str:
    """A relative path in the URL starts from the configuration file, not from wherever the program was started."""
    head = "sqlite+aiosqlite:///"
    if not url.startswith(head):
        return url
    path, mark, query = url.removeprefix(head).partition("?")
    return f"{head}{base / path}{mark}{query}"


def _in_order(problems: list[Problem]) -> list[Problem]:
    """File first, in the order of its lines; then the environment."""

    def place(problem: Problem) -> tuple[str, int]:
        name, _, line = problem.where.rpartition(":")
        return (name, int(line)) if line.isdigit() else (problem.where, 0)

    return sorted(problems, key=place)
