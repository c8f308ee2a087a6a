"""Renders the reference of all settings from the settings classes: `python -m gateway.config`."""

import ast
import dataclasses
import inspect
import itertools
import json
import textwrap
from pathlib import Path
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from gateway.config.load import SECRETS
from gateway.config.sections import ARRAYS, PARSERS, SECTIONS, number_limits
from gateway.config.show import written
from gateway.config.sources import PREFIX

_HEAD: Final = f"""\
# Settings

<!-- Made by `python -m gateway.config` from the settings classes. Change those, not this file. -->

One TOML file, given with `--config FILE` or in `RTC_GATEWAY_CONFIG`; without one, the defaults below. Every key is also
an environment variable `{PREFIX}SECTION__KEY`, which wins over the file. Its value is written as in TOML
(`true`, `15.0`, `["a", "b"]`); what is not TOML is a text, and a text where a list belongs is split at commas.

An unknown key, a value of the wrong type or out of range stops the start; all mistakes are reported at once, each with
its full key. `rtc-gateway check-config` looks for them without starting anything.

Times are seconds. Relative paths start from the folder of the file, without a file from the current folder.

A password stands in a file of its own (`password_file`) or in the environment
(`{PREFIX}TRUNKS__0__PASSWORD`), never in the configuration file. Trunks as a whole fit into
`{PREFIX}TRUNKS`, as a TOML or JSON array.

## Keys outside sections

### `data_dir`

Folder of what the gateway makes itself: database, signing key, certificates. Made with mode 0700.

* a path; default `"var"`
* environment: `{PREFIX}DATA_DIR`
"""

_TOO_MUCH_TO_TELL: Final = 10**9

_OWN_DEFAULTS: Final = {
    "store.url": "`sqlite+aiosqlite:///` and `gateway.db` in `data_dir`",
    "http.data_dir": "`data_dir` itself",
    "reports.store": "`reports` in `data_dir`",
    "auth.jwt_secret_file": "`jwt.key` in `data_dir`",
    "auth.seal_key_file": "`seal.key` in `data_dir`",
}


def render() -> str:
    """The whole page, in Markdown."""
    parts = [_HEAD]
    for name, settings in SECTIONS.items():
        parts.append(
            _section(f"## `[{name}]`", name, f"{name}.", f"{PREFIX}{name.upper().replace('.', '__')}__", settings)
        )
    for name, settings in ARRAYS.items():
        parts.append(_section(f"## `[[{name}]]`", name, f"{name}.", f"{PREFIX}{name.upper()}__0__", settings))
    return "\n".join(parts)


def _section(title: str, name: str, prefix: str, variable: str, settings: type[Any]) -> str:  # Any: no common base
    hints = get_type_hints(settings)
    documents = _documents(settings)
    parts = [f"{title}\n\n{_summary(settings)}\n"]
    for field in dataclasses.fields(settings):
        key = f"{prefix}{field.name}"
        parts.append(
            f"### `{key}`\n\n{documents.get(field.name, '')}\n\n"
            f"* {_kind(key, hints[field.name])}{_limits(key, field)}; {_default(key, field)}\n"
            f"* environment: `{variable}{field.name.upper()}`\n"
        )
        if field.name in SECRETS:
            parts.append(
                f"### `{key}_file`\n\nA file whose text, without the line end, is the secret.\n\n"
                f"* a path; default none\n* environment: `{variable}{field.name.upper()}_FILE`\n"
            )
    return "\n".join(parts)


def _summary(settings: type[Any]) -> str:  # Any: as above
    """The class docstring down to its sections for programmers."""
    text = inspect.getdoc(settings) or ""
    for heading in ("Raises:", "Attributes:"):
        text = text.partition(heading)[0]
    return text.strip()


def _documents(settings: type[Any]) -> dict[str, str]:  # Any: as above
    """The docstrings behind the fields, which Python itself throws away."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(settings)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found: dict[str, str] = {}
    for statement, following in itertools.pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str() as text)),
            ):
                found[name] = inspect.cleandoc(text)
    return found


def _kind(key: str, hint: Any) -> str:  # Any: a type annotation
    if get_origin(hint) in (Union, UnionType) and type(None) in get_args(hint):
        return _kind(key, get_args(hint)[0])
    if get_origin(hint) is tuple and get_args(hint)[-1:] == (...,):
        inner = _kind(key, get_args(hint)[0]).removeprefix("a ").removeprefix("an ")
        return f"a list, each {inner}"
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(f"`{json.dumps(choice)}`" for choice in get_args(hint))
    if dataclasses.is_dataclass(hint):
        return "a table with " + " and ".join(f"`{field.name}`" for field in dataclasses.fields(hint))
    if (choices := get_args(hint)) and dataclasses.is_dataclass(choices[-1]):
        keys = " and ".join(f"`{field.name}`" for field in dataclasses.fields(choices[-1]))
        return f"{_kind(key, choices[0]).removeprefix('one of ')}, or a table with {keys}"
    names = {str: "a text", bool: "`true` or `false`", int: "a whole number", float: "a number", Path: "a path"}
    return "a text" if key in PARSERS else names.get(hint, "a text")


def _limits(key: str, field: "dataclasses.Field[Any]") -> str:  # Any: fields of many types
    if isinstance(field.default, bool) or not isinstance(field.default, int | float):
        return ""
    may_be_lowest, lowest, highest = number_limits(key, field.default)
    text = f", {lowest} or more" if may_be_lowest else f" above {lowest}"
    return text if highest > _TOO_MUCH_TO_TELL else f"{text}, at most {highest}"


def _default(key: str, field: "dataclasses.Field[Any]") -> str:  # Any: fields of many types
    if key in _OWN_DEFAULTS:
        return f"default {_OWN_DEFAULTS[key]}"
    if field.default is not dataclasses.MISSING:
        value = written(key, field.default)
    elif field.default_factory is not dataclasses.MISSING:
        value = written(key, field.default_factory())
    else:
        return "required"
    return "default none" if value is None else f"default `{json.dumps(value)}`"
