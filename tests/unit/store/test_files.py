"""Files that are complete or not there."""

import errno
import stat
from pathlib import Path

import pytest

from gateway.store.files import new_file


def test_file_appears_complete_for_the_owner_only_and_leaves_no_draft(tmp_path: Path) -> None:
    path = tmp_path / "new" / "key"

    with new_file(path) as draft:
        draft.write_text("secret")
        was_there = path.exists()

    assert not was_there
    assert path.read_text() == "secret"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_file_of_somebody_faster_stays(tmp_path: Path) -> None:
    path = tmp_path / "key"

    with new_file(path) as draft:
        draft.write_text("ours")
        path.write_text("theirs")

    assert path.read_text() == "theirs"
    assert list(tmp_path.iterdir()) == [path]


def test_failure_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), new_file(tmp_path / "key"):
        raise RuntimeError

    assert list(tmp_path.iterdir()) == []


def test_file_system_without_hard_links_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    with new_file(tmp_path / "key") as draft:
        draft.write_text("secret")

    assert (tmp_path / "key").read_text() == "secret"


def test_any_other_refusal_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_self: Path, _target: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", refuse)

    with pytest.raises(OSError, match="No space left"), new_file(tmp_path / "key"):
        pass

    assert list(tmp_path.iterdir()) == []
