"""`demo`, `serve`, `check-config`, `doctor`, and the help of every command."""

import asyncio
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from urllib.parse import parse_qs, urlsplit

import pytest
import typer.main
from typer.core import TyperCommand, TyperGroup

from gateway.cli.main import app
from gateway.config import Config
from gateway.doctor import Finding
from gateway.lab.numbers import MAGIC_NUMBERS
from gateway.sip.settings import SipSettings
from tests.unit.cli.conftest import Run


@dataclass(frozen=True)
class _Ready:
    http: tuple[str, ...] = ("https://127.0.0.1:8443", "http://127.0.0.1:8080")
    sip: tuple[str, ...] = ("udp:127.0.0.1:5060",)
    metrics: str = "http://127.0.0.1:9464"
    certificate_authority: str | None = "/var/ca.pem"


class _Gateway:
    """Stands in for the composition root, which would bind ports."""

    def __init__(self) -> None:
        self.configs: list[Config] = []
        self.error: BaseException | None = None
        self.exit_code = 0

    async def run_gateway(self, config: Config, *, on_ready: Callable[[_Ready], None]) -> int:
        self.configs.append(config)
        if self.error is not None:
            raise self.error
        on_ready(_Ready())
        return self.exit_code


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> _Gateway:
    made, module = _Gateway(), ModuleType("gateway.app")
    module.__dict__["run_gateway"] = made.run_gateway
    monkeypatch.setitem(sys.modules, "gateway.app", module)
    return made


def test_demo_prints_everything_that_gets_one_in(run: Run, gateway: _Gateway) -> None:
    out = run("demo").out
    block = out[: out.index("the far end")].splitlines()[:-1]
    values = dict(line.strip().split("  ", 1) for line in block if line)

    assert values["console"].startswith("http://127.0.0.1:8080/#key=KEY")
    assert values["console"].endswith(f"{values['API key']}&login=demo&password={values['password']}")
    assert values["WebSocket"] == "wss://127.0.0.1:8443  ws://127.0.0.1:8080"
    assert (values["SIP user"], values["number"], values["CA"]) == ("demo", "+12025550199", "/var/ca.pem")
    assert values["token"].count(".") == 2
    assert values["paste"] == (
        f'new TelnyxRTC({{ host: "ws://127.0.0.1:8080", login: "demo", password: "{values["password"]}", '
        "iceServers: [] })"
    )
    for number in MAGIC_NUMBERS:
        assert (number.number in out) == number.is_available
    assert gateway.configs[0].lab.enabled


def test_demo_for_scripts_is_one_line_of_json(run: Run, gateway: _Gateway) -> None:
    done = run("demo", "--json")

    assert done.out.count("\n") == 1
    record = done.record
    assert record["websocket_url"] == "ws://127.0.0.1:8080"
    assert record["sip_user"] == "demo"
    assert record["sip_listeners"] == ["udp:127.0.0.1:5060"]
    login = {"key": record["api_key"], "login": record["sip_user"], "password": record["sip_password"]}
    assert parse_qs(urlsplit(str(record["console_url"])).fragment) == {name: [value] for name, value in login.items()}


def test_second_demo_finds_what_the_first_made(run: Run, gateway: _Gateway, tmp_path: Path) -> None:
    first = run("demo", "--json", "--data-dir", "kept").record
    second = run("demo", "--json", "--data-dir", "kept").record

    assert first.pop("token") != second.pop("token")
    assert first == second
    assert gateway.configs[0].data_dir == tmp_path / "kept"
    assert not (tmp_path / "var").exists()


def test_throw_away_demo_leaves_nothing(run: Run, gateway: _Gateway, tmp_path: Path) -> None:
    run("demo", "--throw-away")

    assert not gateway.configs[0].data_dir.exists()
    assert list(tmp_path.iterdir()) == []


def test_demo_takes_ports_from_the_environment(run: Run, gateway: _Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RTC_GATEWAY__SIP__LISTEN", "udp:127.0.0.1:0")

    run("demo")

    assert gateway.configs[0].sip.listen == (("udp", "127.0.0.1", 0),)


def test_serve_without_a_file_starts_with_safe_values_and_says_when_it_is_ready(run: Run, gateway: _Gateway) -> None:
    done = run("serve")

    assert done.code == 0
    assert done.out.splitlines()[-1] == "ready"
    assert "listening on https://127.0.0.1:8443" in done.out
    assert not gateway.configs[0].lab.enabled


def test_serve_takes_its_file_from_option_or_environment(
    run: Run, gateway: _Gateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.toml").write_text("[sip]\nt1 = 0.25\n")

    run("serve", "--config", "a.toml")
    monkeypatch.setenv("RTC_GATEWAY_CONFIG", "a.toml")
    run("serve")

    assert [config.sip.t1 for config in gateway.configs] == [0.25, 0.25]


def test_exit_code_of_the_gateway_is_that_of_the_command(run: Run, gateway: _Gateway) -> None:
    gateway.exit_code = 1

    assert run("serve").code == 1


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (OSError(98, "address already in use"), "address already in use"),
        (ExceptionGroup("tasks", [ExceptionGroup("inner", [OSError(13, "Permission denied")])]), "Permission denied"),
        (TimeoutError("too slow"), "too slow"),
    ],
)
def test_start_that_fails_is_one_line(run: Run, gateway: _Gateway, error: Exception, line: str) -> None:
    gateway.error = error

    failed = run("serve")

    assert (failed.code, failed.err) == (1, f"rtc-gateway: {line}\n")


def test_defect_of_ours_keeps_its_traceback(run: Run, gateway: _Gateway) -> None:
    gateway.error = ValueError("defect")

    with pytest.raises(ValueError, match="defect"):
        run("serve")


@pytest.mark.parametrize("command", [("serve",), ("check-config",), ("connection", "list"), ("doctor",)])
def test_wrong_settings_stop_every_command_with_every_mistake(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    (tmp_path / "x.toml").write_text("[sip]\ndomian = 'x'\nt1 = 'y'\n")

    failed = run(*command, "--config", "x.toml")

    assert failed.code == 1
    assert failed.err.splitlines() == [
        "rtc-gateway: x.toml:2: sip.domian: is not a setting, did you mean sip.domain?",
        "rtc-gateway: x.toml:3: sip.t1: expected a number, got 'y'",
    ]


def test_check_config_shows_what_would_start_without_secrets(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = '[{name="carrier", uri="sip:10.0.0.1", username="u", password="hunter2"}]'
    monkeypatch.setenv("RTC_GATEWAY__TRUNKS", trunk)

    table, shown = run("check-config"), run("check-config", "--json").record

    assert "hunter2" not in table.out
    assert "trunks[0].password" in table.out
    assert isinstance(shown["sip"], dict)
    assert shown["sip"]["t1"] == SipSettings().t1
    assert list(tmp_path.iterdir()) == []


def test_check_config_warns_of_keys_that_cross_the_network_in_the_clear(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    trunk = '[{name="carrier", uri="sip:10.0.0.1", srtp="required", srtp_over_plain_sip=true}]'
    monkeypatch.setenv("RTC_GATEWAY__TRUNKS", trunk)

    done = run("check-config")

    assert done.code == 0
    assert done.err.count("trunks[0].srtp: keys of carrier cross the network unencrypted") == 1


def test_check_config_says_which_names_the_certificate_carries(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RTC_GATEWAY__HTTP__NAMES", '["telnyx", "gw.lan"]')

    table, shown = run("check-config"), run("check-config", "--json").record

    assert "certificate: auto, made at the start, for 127.0.0.1, ::1, apac.rtc.telnyx.com" in table.out
    assert isinstance(shown["certificate"], dict)
    assert {"rtc.telnyx.com", "gw.lan", "localhost"} <= set(shown["certificate"]["names"])
    assert list(tmp_path.iterdir()) == []


def test_check_config_opens_the_certificate(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = f'{{cert="{tmp_path}/none.pem", key="{tmp_path}/none.key"}}'
    monkeypatch.setenv("RTC_GATEWAY__HTTP__CERTIFICATE", files)

    done = run("check-config")

    assert done.code == 1
    assert done.err == f"rtc-gateway: http.certificate: {tmp_path}/none.pem: No such file or directory\n"


@pytest.fixture
def findings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Finding]]:
    found = [Finding(name="clock", is_ok=True, detail="right")]

    async def examine(_config: Config) -> list[Finding]:
        await asyncio.to_thread(lambda: None)
        return found

    monkeypatch.setattr("gateway.doctor.examine", examine)
    yield found


def test_healthy_machine_passes(run: Run, findings: list[Finding]) -> None:
    done = run("doctor")

    assert done.code == 0
    assert done.out.splitlines()[1].split() == ["clock", "ok", "right"]


def test_doctor_says_what_is_broken_and_how_to_mend_it(run: Run, findings: list[Finding]) -> None:
    findings.append(Finding(name="ports", is_ok=False, detail="taken", mend="stop it"))

    failed, as_json = run("doctor"), run("doctor", "--json")

    assert failed.code == as_json.code == 1
    assert "FAILED" in failed.out
    assert failed.err == "rtc-gateway: ports: stop it\n"
    assert json.loads(as_json.out)[1] == {"name": "ports", "ok": False, "detail": "taken", "mend": "stop it"}


def _commands() -> list[tuple[str, TyperCommand]]:
    found: list[tuple[str, TyperCommand]] = []
    waiting: list[tuple[str, object]] = [("", typer.main.get_command(app))]
    for name, command in waiting:
        if isinstance(command, TyperGroup):
            waiting += [(f"{name} {inner}".strip(), leaf) for inner, leaf in command.commands.items()]
        elif isinstance(command, TyperCommand):
            found.append((name, command))
    return found


COMMANDS = {
    "demo", "serve", "check-config", "doctor",
    "connection add", "connection list", "connection show", "connection remove",
    "credential add", "credential list", "credential show", "credential remove",
    "number add", "number list", "number remove",
    "token create",
    "key create", "key list", "key revoke", "token rotate-key",
    "ca show", "ca export",
}  # fmt: skip


def test_commands_are_those_of_the_reference() -> None:
    assert {name for name, _ in _commands()} == COMMANDS


@pytest.mark.parametrize(("name", "command"), _commands(), ids=[name for name, _ in _commands()])
def test_help_of_every_command_shows_an_example_that_parses(run: Run, name: str, command: TyperCommand) -> None:
    shown = run(*name.split(), "--help")

    example = (command.epilog or "").removeprefix("Example: ")
    words = shlex.split(example)
    assert shown.code == 0
    assert "Example: rtc-gateway" in shown.out
    assert words[: 1 + len(name.split())] == ["rtc-gateway", *name.split()]
    command.make_context(name, words[1 + len(name.split()) :])  # raises for an option that does not exist


def test_program_without_a_command_shows_its_help(run: Run) -> None:
    shown = run()

    assert "Usage:" in shown.out + shown.err
    assert shown.code in (0, 2)


def test_version_is_that_of_the_installed_package(run: Run) -> None:
    shown = run("--version")

    assert (shown.code, shown.out, shown.err) == (0, f"{version('rtc-gateway')}\n", "")


def test_help_loads_neither_database_nor_media() -> None:
    heavy = ["sqlalchemy", "alembic", "aiortc", "av", "aiohttp", "jwt", "argon2", "structlog", "cryptography"]
    script = f"import sys, gateway.cli; print([name for name in {heavy} if name in sys.modules])"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_reading_settings_loads_neither_calls_nor_what_carries_them() -> None:
    """Every command reads them: most of the time of `check-config` is that of loading modules."""
    heavy = ["sipmessage", "sqlalchemy", "aiohttp", "rich", "gateway.b2bua.core.actions", "gateway.media.engine"]
    script = (
        "import sys; from gateway.cli.options import load_config; load_config(None);"
        f"print([name for name in {heavy} if name in sys.modules])"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_program_that_ends_is_not_looked_through_for_garbage() -> None:
    """Python does so at its end unless all is set aside, and takes half as long for it as for loading the program."""
    script = (
        "import atexit, gc; atexit.register(lambda: print(len(gc.get_objects())));"
        "from gateway.cli import main; import gateway.config; main()"
    )

    done = subprocess.run([sys.executable, "-c", script, "--version"], capture_output=True, text=True, check=True)

    looked_through = int(done.stdout.splitlines()[-1])
    assert looked_through < 1000


def test_reader_that_goes_away_ends_the_program_quietly(tmp_path: Path) -> None:
    command = f"{sys.executable} -m gateway check-config | true"

    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False, cwd=tmp_path)

    assert done.stderr == ""
