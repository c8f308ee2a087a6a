"""Runs commands in this process, each test in a folder of its own."""

import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)

    @property
    def record(self) -> dict[str, object]:
        """The JSON object that it printed."""
        value = self.json
        assert isinstance(value, dict)
        return value

    @property
    def rows(self) -> list[dict[str, object]]:
        """The JSON list that it printed."""
        value = self.json
        assert isinstance(value, list)
        return value


Run = Callable[..., Outcome]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RTC_GATEWAY__AUTH__PASSWORD_MEMORY_KIB", "8")
    monkeypatch.setenv("RTC_GATEWAY__AUTH__PASSWORD_TIME_COST", "1")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def run_command(*arguments: str, stdin: str | None = None) -> Outcome:
        result = CliRunner().invoke(app, arguments, input=stdin, catch_exceptions=False)
        return Outcome(result.exit_code, result.stdout, result.stderr)

    yield run_command
    root.handlers[:], root.level = handlers, level
