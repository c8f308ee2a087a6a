"""The hand-written pages of `docs/reference/` name what the code has, and nothing that it has not."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, get_args

import pytest
import typer
from typer.core import TyperGroup

from gateway.auth.authenticator import RefusalCode
from gateway.cli.main import app
from gateway.domain import causes
from gateway.lab.numbers import MAGIC_NUMBERS, MagicNumber
from gateway.lab.scenario import SCENARIOS
from gateway.lab.switchboard import calling_scenarios
from gateway.media.core.codec import SUPPORTED
from gateway.observability.metrics import REGISTRY
from gateway.sip.core.capabilities import ALLOW
from gateway.vsp.core.messages import METHODS

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
LEVELS: Final = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
"""Methods of a logger and the level of their lines."""


@cache
def page(name: str) -> str:
    return (DOCS / "reference" / f"{name}.md").read_text(encoding="utf-8")


def rows(name: str) -> Iterator[list[str]]:
    """The cells of every table row of a page, heads and lines left out."""
    for line in page(name).splitlines():
        if line.startswith("|") and not line.startswith("|---"):
            yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def in_code(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


@cache
def modules() -> tuple[ast.Module, ...]:
    return tuple(ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "gateway").rglob("*.py")))


# ---- commands


def commands(group: TyperGroup, path: str) -> Iterator[str]:
    for name, command in group.commands.items():
        full = f"{path} {name}"
        if isinstance(command, TyperGroup):
            yield from commands(command, full)
        else:
            yield full


def all_commands() -> list[str]:
    root = typer.main.get_command(app)
    assert isinstance(root, TyperGroup)
    return list(commands(root, "rtc-gateway"))


@pytest.mark.parametrize("command", all_commands())
def test_every_command_and_each_of_its_options_is_in_the_reference(command: str) -> None:
    node = typer.main.get_command(app)
    for name in command.split()[1:]:
        assert isinstance(node, TyperGroup)
        node = node.commands[name]
    own = {option for parameter in node.params for option in parameter.opts if option.startswith("--")}

    assert re.search(rf"`{command}[ `]", page("commands"))
    for option in own - {"--config", "--json", "--yes", "--help"}:  # said once for all
        assert option in page("commands")


# ---- metrics


def metric_names() -> set[str]:
    return {family.name + ("_total" if family.type == "counter" else "") for family in REGISTRY.collect()}


def test_every_metric_is_in_the_reference_and_no_other() -> None:
    named = {name for row in rows("metrics") for name in in_code(row[0]) if re.fullmatch(r"gateway_\w+", name)}

    assert named == metric_names()


def test_every_metric_has_its_type_in_the_reference() -> None:
    kinds = {in_code(row[0])[0]: row[1] for row in rows("metrics") if len(row) == 4 and in_code(row[0])}

    for family in REGISTRY.collect():
        name = family.name + ("_total" if family.type == "counter" else "")
        assert kinds[name] == family.type


# ---- log events


def log_calls() -> Iterator[tuple[str, str]]:
    """Event and level of every call of a logger, also of those that a `partial` makes later."""
    for module in modules():
        for node in ast.walk(module):
            if not isinstance(node, ast.Call):
                continue
            function, arguments = node.func, node.args
            if isinstance(function, ast.Name) and function.id == "partial" and arguments:
                function, arguments = arguments[0], arguments[1:]
            if isinstance(function, ast.Attribute) and function.attr in LEVELS and arguments:
                for name in texts(arguments[0]):
                    yield name, LEVELS[function.attr]


def texts(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.IfExp):
        yield from texts(node.body)
        yield from texts(node.orelse)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_every_log_event_is_in_the_reference_with_its_level_and_no_other() -> None:
    events = page("logs").partition("## Events")[2].partition("## Never logged")[0]
    table = [line.split("|") for line in events.splitlines() if line.startswith("| `")]
    named = {(name, cells[2].strip()) for cells in table for name in in_code(cells[1])}

    assert named == set(log_calls())


# ---- errors


def error_codes() -> Iterator[str]:
    """The `code` of every class that has one."""
    for module in modules():
        for node in ast.walk(module):
            for statement in node.body if isinstance(node, ast.ClassDef) else ():
                target, value = assignment(statement)
                if target == "code" and isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield value.value


def assignment(node: ast.stmt) -> tuple[str | None, ast.expr | None]:
    match node:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            return name, value
        case ast.AnnAssign(target=ast.Name(id=name), value=value):
            return name, value
    return None, None


def test_every_error_code_is_in_the_reference() -> None:
    assert {*error_codes(), *get_args(RefusalCode)} <= set(in_code(page("errors")))


# ---- protocols


def test_every_method_of_a_client_is_in_the_reference() -> None:
    assert set(METHODS) <= set(in_code(page("verto").partition("## From the gateway")[0]))


def test_table_of_causes_is_that_of_the_code() -> None:
    table = {tuple(row) for row in rows("sip") if len(row) == 3 and row[1].isdigit()}

    assert table == {(cause.name, str(cause.code), f"{cause.sip_status} {cause.sip_reason}") for cause in causes.ALL}


def test_table_of_responses_is_that_of_the_code() -> None:
    table = {
        int(status): row[1]
        for row in rows("sip")
        if len(row) == 2 and re.fullmatch(r"[0-9, ]+", row[0])
        for status in row[0].split(",")
    }

    assert table == {status: causes.from_sip_status(status).name for status in table}
    unlisted = set(range(300, 700)) - table.keys()
    defaults = {3: causes.INTERWORKING, 4: causes.CALL_REJECTED, 5: causes.NORMAL_TEMPORARY_FAILURE}
    assert all(
        causes.from_sip_status(status) is defaults.get(status // 100, causes.CALL_REJECTED) for status in unlisted
    )


def test_allow_in_the_reference_is_that_of_the_code() -> None:
    assert f"`{': '.join(ALLOW)}`" in page("sip")


def test_every_codec_is_in_the_reference() -> None:
    assert set(SUPPORTED) <= set(in_code(page("media")))


# ---- the lab


@pytest.mark.parametrize("number", MAGIC_NUMBERS, ids=lambda number: number.scenario)
def test_every_magic_number_stands_where_it_belongs(number: MagicNumber) -> None:
    available, _, later = page("magic-numbers").partition("## Later")

    line = f"| {number.number} | `{number.scenario}` | {number.description} |"
    assert (line in available, line in later) == (number.is_available, not number.is_available)


def test_scenarios_that_call_are_those_of_the_lab() -> None:
    names = {name for row in rows("lab-api") for name in in_code(row[0]) if len(row) == 2}

    assert names & set(SCENARIOS) == set(calling_scenarios())


# ---- the pages themselves


def markdown() -> list[Path]:
    return sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("path", markdown(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_of_a_page_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", path.read_text(encoding="utf-8"))
    local = [link for link in links if not link.startswith(("http://", "https://", "mailto:"))]

    assert [link for link in local if not (path.parent / link.partition("#")[0]).exists()] == []


def test_index_of_the_reference_names_every_page() -> None:
    pages = {path.name for path in (DOCS / "reference").glob("*.md")} - {"README.md"}

    assert pages == set(re.findall(r"\]\(([a-z-]+\.md)\)", page("README")))
