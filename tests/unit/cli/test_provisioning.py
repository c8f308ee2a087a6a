"""Provisioning commands."""

import base64
import json
import re
from datetime import datetime
from pathlib import Path

import pytest

from gateway.auth.errors import InvalidToken
from gateway.auth.jwt import Tokens
from gateway.auth.keyfile import load_or_create
from gateway.auth.keyring import load_ring
from tests.fakes import database
from tests.unit.cli.conftest import Run


@pytest.fixture(autouse=True)
def store(tmp_path: Path) -> None:
    """A migrated one where the commands look; `test_settings_of_the_file_name_the_store` has them make their own."""
    database.put_into(tmp_path / "var")


def _connection(run: Run, user: str = "alice") -> str:
    return run("connection", "add", "--name", "lab", "--user", user, "--password", "s3cret").out.strip()


def _credential(run: Run, connection_id: str) -> dict[str, object]:
    return run("credential", "add", "--connection", connection_id, "--name", "desk", "--json").record


def test_connection_add_prints_the_bare_id(run: Run) -> None:
    done = run("connection", "add", "--name", "lab", "--user", "alice", "--password", "s3cret")

    assert re.fullmatch(r"\d{19}\n", done.out)
    assert (done.code, done.err) == (0, "")


def test_connection_is_listed_shown_and_removed(run: Run) -> None:
    connection_id = _connection(run)

    listed = run("connection", "list", "--json").rows
    shown = run("connection", "show", connection_id, "--json").record
    table = run("connection", "list").out
    removed = run("connection", "remove", connection_id)

    assert listed == [shown]
    assert (shown["id"], shown["name"], shown["user_name"], shown["active"]) == (connection_id, "lab", "alice", True)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", str(shown["created_at"]))
    assert connection_id in table
    assert (removed.code, removed.out.strip()) == (0, connection_id)
    assert run("connection", "list", "--json").json == []
    assert run("connection", "list").out == ""


def test_nothing_of_a_wide_table_is_cut_in_a_pipe(run: Run) -> None:
    connection_id = _connection(run)
    credential = _credential(run, connection_id)

    (row,) = run("credential", "list").out.splitlines()[1:]

    assert row.split()[:4] == [credential["id"], connection_id, "desk", credential["sip_username"]]


def test_password_that_is_left_out_is_asked_for(run: Run) -> None:
    done = run("connection", "add", "--name", "lab", "--user", "alice", stdin="s3cret\n")

    assert done.code == 0
    assert "s3cret" not in done.out


def test_credential_add_prints_id_user_name_and_password_once(run: Run) -> None:
    connection_id = _connection(run)

    table = run("credential", "add", "--connection", connection_id).out
    made = _credential(run, connection_id)
    shown = run("credential", "show", str(made["id"]), "--json").record

    assert [line.split()[0] for line in table.splitlines()] == ["id", "sip_username", "sip_password"]
    assert re.fullmatch(r"[0-9a-f]{32}", str(made["sip_password"]))
    assert "sip_password" not in shown
    assert (shown["connection_id"], shown["name"], shown["expired"]) == (connection_id, "desk", False)


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("2040-01-31T12:00:00", "2040-01-31T12:00:00Z"),
        ("2040-01-31T12:00:00.5Z", "2040-01-31T12:00:00.500000Z"),
        ("2040-01-31T12:00:00+02:00", "2040-01-31T10:00:00Z"),
        ("2040-01-31", "2040-01-31T00:00:00Z"),
    ],
)
def test_time_of_expiry_is_utc_when_it_names_no_zone(run: Run, text: str, stored: str) -> None:
    connection_id = _connection(run)

    made = run("credential", "add", "--connection", connection_id, "--expires-at", text, "--json").record

    assert made["expires_at"] == stored


def test_credentials_are_listed_for_a_connection_and_removed(run: Run) -> None:
    first, second = _connection(run), _connection(run, "bobby")
    credential_id = str(_credential(run, first)["id"])
    _credential(run, second)

    assert len(run("credential", "list", "--json").rows) == 2
    assert [row["id"] for row in run("credential", "list", "--connection", first, "--json").rows] == [credential_id]
    assert run("credential", "remove", credential_id, "--json").json == {"id": credential_id, "removed": True}
    assert run("credential", "list", "--connection", first, "--json").json == []


def test_number_is_given_listed_and_taken_away(run: Run) -> None:
    connection_id = _connection(run)

    added = run("number", "add", "+12025550190", "--connection", connection_id)

    assert added.out == "+12025550190\n"
    assert [row["connection_id"] for row in run("number", "list", "--json").rows] == [connection_id]
    assert run("number", "remove", "+12025550190").code == 0
    assert run("number", "list", "--json").json == []


def test_token_is_the_bare_jwt_and_lasts_as_asked(run: Run, tmp_path: Path) -> None:
    credential_id = str(_credential(run, _connection(run))["id"])

    done = run("token", "create", credential_id, "--ttl", "60")

    issued = _claim(done.out, "iat")
    tokens = Tokens(load_or_create(tmp_path / "var" / "jwt.key"), clock_skew=0)
    token = tokens.verify(done.out.removesuffix("\n"), now=issued)
    assert token.credential_id == credential_id
    assert token.expires_at == issued + 60


def _claim(token: str, name: str) -> int:
    payload = token.split(".")[1]
    value: int = json.loads(base64.b64decode(payload + "=" * (-len(payload) % 4)))[name]
    return value


def test_token_without_a_time_lasts_as_the_settings_say(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    credential_id = str(_credential(run, _connection(run))["id"])
    monkeypatch.setenv("RTC_GATEWAY__AUTH__TOKEN_TTL", "120")

    token = str(run("token", "create", credential_id, "--json").record["token"])

    assert _claim(token, "exp") == _claim(token, "iat") + 120


def test_key_is_shown_once_and_can_be_revoked(run: Run) -> None:
    done = run("key", "create", "--scope", "read", "--scope", "lab")

    (row,) = run("key", "list", "--json").rows
    assert re.fullmatch(r"KEY[A-Za-z0-9_-]{43}\n", done.out)
    assert (row["scope"], row["last4"]) == (["lab", "read"], done.out.strip()[-4:])
    assert done.out.strip() not in run("key", "list").out
    assert (row["name"], row["revoked_at"]) == (None, None)
    assert run("key", "revoke", str(row["id"]), "--yes", "--json").record == {"id": row["id"], "revoked": True}
    (revoked,) = run("key", "list", "--json").rows
    assert revoked["revoked_at"] is not None


def test_rotated_key_signs_and_the_one_before_stays_good_for_its_overlap(run: Run, tmp_path: Path) -> None:
    credential_id = str(_credential(run, _connection(run))["id"])
    old = str(run("token", "create", credential_id, "--json").record["token"])

    rotated = run("token", "rotate-key", "--overlap", "60", "--json").record

    new = str(run("token", "create", credential_id, "--json").record["token"])
    tokens = Tokens(load_ring(tmp_path / "var" / "jwt.key"), clock_skew=0)
    until = datetime.fromisoformat(str(rotated["old_tokens_until"])).timestamp()
    assert tokens.verify(old, now=until - 2).credential_id == credential_id
    with pytest.raises(InvalidToken):
        tokens.verify(old, now=until + 2)
    assert tokens.verify(new, now=until + 2).credential_id == credential_id


def test_key_without_a_scope_may_do_everything(run: Run) -> None:
    assert run("key", "create", "--json").record["scope"] == ["lab", "read", "write"]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("connection", "show", "5"), 1, "no connection 5"),
        (("connection", "remove", "5"), 1, "no connection 5"),
        (("connection", "add", "--name", "a", "--user", "alice", "--password", "x"), 1, "that user_name is taken"),
        (("connection", "add", "--name", "a", "--user", "al", "--password", "x"), 2, "user_name: expected 4 to 32"),
        (("connection", "add", "--name", "a"), 2, "Missing option '--user'"),
        (("credential", "add", "--connection", "5"), 1, "no connection 5"),
        (("credential", "add", "--connection", "5", "--expires-at", "soon"), 2, "'soon' is not a time"),
        (("credential", "add", "--connection", "5", "--expires-at", "2001-01-01"), 2, "expires_at: expected a time in"),
        (("credential", "show", "5"), 1, "no credential 5"),
        (("credential", "remove", "5"), 1, "no credential 5"),
        (("number", "add", "12025550190", "--connection", "5"), 2, "phone_number: expected + and 7 to 15 digits"),
        (("number", "add", "+12025550190", "--connection", "5"), 1, "no connection 5"),
        (("number", "remove", "+12025550190"), 1, "no number +12025550190"),
        (("token", "create", "5"), 1, "no credential 5"),
        (("token", "create", "5", "--ttl", "0"), 2, "Invalid value for '--ttl'"),
        (("key", "create", "--scope", "all"), 2, "scope: expected one or more of lab, read, write"),
        (("key", "revoke", "5"), 1, "no key 5"),
        (("nonsense",), 2, "No such command 'nonsense'"),
    ],
)
def test_failure_is_one_line_on_standard_error_and_an_exit_code(
    run: Run, arguments: tuple[str, ...], code: int, message: str
) -> None:
    _connection(run)

    failed = run(*arguments)

    assert failed.code == code
    assert message in failed.err
    assert "Traceback" not in failed.err
    assert failed.out == ""
    if code == 1:
        assert failed.err.startswith("rtc-gateway: ")
        assert failed.err.count("\n") == 1


def test_settings_of_the_file_name_the_store(run: Run, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "x.toml").write_text('data_dir = "state"\n')

    made = run("connection", "add", "--name", "a", "--user", "alice", "--password", "x", "--config", "sub/x.toml")

    assert made.code == 0
    assert (tmp_path / "sub" / "state" / "gateway.db").exists()
    assert run("connection", "list", "--json").json == []
    assert len(run("connection", "list", "--json", "--config", "sub/x.toml").rows) == 1


def test_broken_store_is_one_clear_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "var" / "gateway.db").write_text("letter" * 500)

    failed = run("connection", "list")

    assert (failed.code, failed.err) == (1, "rtc-gateway: the database failed: file is not a database\n")


class _Terminal:
    """Standard input that somebody sits at, and answers."""

    def __init__(self, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        self.questions: list[str] = []
        monkeypatch.setattr("gateway.cli.options._is_somebody_there", lambda: True)
        self._answer = answer
        monkeypatch.setattr("gateway.cli.options.typer.confirm", self._confirm)

    def _confirm(self, question: str) -> bool:
        self.questions.append(question)
        return self._answer


def test_somebody_at_a_terminal_is_asked_before_something_is_lost(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    connection_id = _connection(run)
    terminal = _Terminal(False, monkeypatch)

    refused = run("connection", "remove", connection_id)

    assert (refused.code, refused.err) == (1, "rtc-gateway: nothing was done\n")
    assert terminal.questions == [f"Remove connection {connection_id} with its credentials?"]
    assert len(run("connection", "list", "--json").rows) == 1


@pytest.mark.parametrize("answer", [True, False])
def test_yes_and_an_agreement_remove(run: Run, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    connection_id = _connection(run)
    terminal = _Terminal(answer, monkeypatch)

    done = run("connection", "remove", connection_id, *([] if answer else ["--yes"]))

    assert done.code == 0
    assert len(terminal.questions) == int(answer)
