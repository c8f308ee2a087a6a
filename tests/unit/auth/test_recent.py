"""Passwords that were right a moment ago."""

import pytest

from gateway.auth import recent
from gateway.auth.passwords import Passwords
from gateway.auth.recent import RecentPasswords
from gateway.auth.settings import AuthSettings

CHEAP = AuthSettings(password_time_cost=1, password_memory_kib=64)


def test_right_password_is_known_for_its_time() -> None:
    known = RecentPasswords(10.0)
    known.add(b"secret", "$hash", 100.0)

    assert known.has(b"secret", "$hash", 109.9)
    assert not known.has(b"secret", "$hash", 110.0)
    assert not known.has(b"secret", "$hash", 105.0), "what has expired is gone"


def test_wrong_password_and_changed_hash_are_not_known() -> None:
    known = RecentPasswords(10.0)
    known.add(b"secret", "$hash", 0.0)

    assert not known.has(b"Secret", "$hash", 1.0)
    assert not known.has(b"secret", "$hash2", 1.0)
    assert not known.has(b"2secret", "$hash", 1.0)


def test_lifetime_of_zero_remembers_nothing() -> None:
    known = RecentPasswords(0.0)
    known.add(b"secret", "$hash", 0.0)

    assert not known.has(b"secret", "$hash", 0.0)


def test_oldest_goes_first_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recent, "MAX_REMEMBERED", 2)
    known = RecentPasswords(10.0)
    for number, password in enumerate((b"a", b"b", b"a", b"c")):
        known.add(password, "$hash", float(number))

    assert [known.has(password, "$hash", 4.0) for password in (b"a", b"b", b"c")] == [True, False, True]


async def test_known_password_is_not_computed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = Passwords(CHEAP)
    stored, computed = await passwords.hash("secret"), 0
    verify = passwords._verify

    def counted(password: bytes, password_hash: str | None) -> object:
        nonlocal computed
        computed += 1
        return verify(password, password_hash)

    monkeypatch.setattr(passwords, "_verify", counted)
    answers = [(await passwords.verify(text, stored)).is_right for text in ("secret", "secret", "wrong", "wrong")]
    passwords.close()

    assert answers == [True, True, False, False]
    assert computed == 3, "a wrong password costs the same each time"
