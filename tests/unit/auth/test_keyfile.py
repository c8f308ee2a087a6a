"""The key that signs tokens."""

import stat
import threading
from pathlib import Path

import pytest

from gateway.auth import keyfile
from gateway.auth.errors import BadKeyFile
from gateway.auth.keyfile import MINIMUM, load_or_create


def test_missing_file_is_made_for_the_owner_only_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "jwt.key"

    first = load_or_create(path)

    assert len(first) >= MINIMUM
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_or_create(path) == first
    assert list(path.parent.iterdir()) == [path]


def test_two_files_hold_different_keys(tmp_path: Path) -> None:
    assert load_or_create(tmp_path / "a") != load_or_create(tmp_path / "b")


def test_short_key_is_refused_with_its_length(tmp_path: Path) -> None:
    (tmp_path / "jwt.key").write_text("short\n")

    with pytest.raises(BadKeyFile, match="holds 5 bytes, expected at least 64"):
        load_or_create(tmp_path / "jwt.key")


def test_key_that_an_operator_brings_is_used_without_its_line_end(tmp_path: Path) -> None:
    (tmp_path / "jwt.key").write_text("k" * 64 + "\n")

    assert load_or_create(tmp_path / "jwt.key") == b"k" * 64


@pytest.mark.parametrize("kind", ["folder", "below_a_file"])
def test_unusable_path_is_named(tmp_path: Path, kind: str) -> None:
    (tmp_path / "file").touch()
    path = tmp_path if kind == "folder" else tmp_path / "file" / "jwt.key"

    with pytest.raises(BadKeyFile, match=str(path)):
        load_or_create(path)


def test_programs_that_start_at_once_use_one_key(tmp_path: Path) -> None:
    path, keys, gate = tmp_path / "jwt.key", list[bytes](), threading.Barrier(8)

    def start() -> None:
        gate.wait(10)
        keys.append(load_or_create(path))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert len(keys) == 8
    assert len(set(keys)) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_key_that_others_can_read_is_used_with_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jwt.key").write_text("k" * 64)
    (tmp_path / "jwt.key").chmod(0o644)
    warned: list[str] = []

    class _Log:
        def warning(self, event: str, **_: object) -> None:
            warned.append(event)

    monkeypatch.setattr(keyfile, "_log", _Log())

    load_or_create(tmp_path / "jwt.key")

    assert warned == ["jwt_key_readable_by_others"]
