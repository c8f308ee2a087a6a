"""The file of the token keys while a gateway runs."""

from pathlib import Path

import pytest

from gateway.auth import followed_keys
from gateway.auth.followed_keys import FollowedKeys
from gateway.auth.jwt import Tokens
from gateway.auth.keyring import load_ring, rotate

NOW = 1_772_366_400


def _followed(path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[FollowedKeys, Tokens, list[str]]:
    lines: list[str] = []

    class _Log:
        def info(self, event: str, **_: object) -> None:
            lines.append(event)

        error = info

    monkeypatch.setattr(followed_keys, "_log", _Log())
    tokens = Tokens(load_ring(path), clock_skew=0)
    return FollowedKeys(tokens, path), tokens, lines


def test_rotated_keys_are_taken_over_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, tokens, lines = _followed(tmp_path / "jwt.key", monkeypatch)
    before = tokens.key_marks(NOW)

    news = [keys.follow(), keys.follow()]
    rotate(tmp_path / "jwt.key", now=NOW, overlap=60)
    news += [keys.follow(), keys.follow()]

    assert news == [False, False, True, False]
    assert before < tokens.key_marks(NOW)
    assert lines == ["token_keys_reloaded"]


def test_file_that_is_gone_or_spoilt_leaves_the_keys_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "jwt.key"
    keys, tokens, lines = _followed(path, monkeypatch)
    before = tokens.key_marks(NOW)

    path.write_text("short")
    news = [keys.follow(), keys.follow()]
    path.unlink()
    news.append(keys.follow())

    assert news == [False] * 3
    assert tokens.key_marks(NOW) == before
    assert lines == ["token_keys_not_reloaded"]
    assert not path.exists()
