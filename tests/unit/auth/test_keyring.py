"""The keys of access tokens, and how they are rotated."""

import os
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.auth.errors import BadKeyFile, ExpiredToken, InvalidToken
from gateway.auth.jwt import Tokens
from gateway.auth.keyfile import load_or_create
from gateway.auth.keyring import MAX_RETIRED, KeyRing, RetiredKey, load_ring, rotate, rotated

OLD, NEW = b"o" * 64, b"n" * 64
NOW = 1_772_366_400
SKEW = 5


def _token(ring: KeyRing, *, at: int, ttl: int = 86_400) -> str:
    tokens = Tokens(ring, clock_skew=SKEW)
    return tokens.create(credential_id="c1", token_id="t1", now=at, expires_at=at + ttl)


def _is_good(ring: KeyRing, token: str, *, now: float) -> bool:
    try:
        Tokens(ring, clock_skew=SKEW).verify(token, now=now)
    except InvalidToken:
        return False
    return True


@given(overlap=st.integers(1, 100_000), after=st.integers(0, 200_000), ttl=st.integers(1, 200_000))
def test_old_token_is_good_exactly_while_neither_it_nor_the_overlap_is_over(overlap: int, after: int, ttl: int) -> None:
    old = KeyRing(OLD)
    token = _token(old, at=NOW, ttl=ttl)

    ring = rotated(old, NEW, now=NOW, overlap=overlap)

    assert _is_good(ring, token, now=NOW + after) == (after < min(overlap, ttl) + SKEW)
    assert _is_good(ring, _token(ring, at=NOW + after), now=NOW + after)


def test_overlap_of_nothing_ends_old_tokens_at_once_also_those_of_earlier_keys() -> None:
    first = KeyRing(OLD)
    second = rotated(first, NEW, now=NOW, overlap=86_400)

    third = rotated(second, b"3" * 64, now=NOW, overlap=0)

    assert third == KeyRing(b"3" * 64)


@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(0, 10_000)), max_size=MAX_RETIRED))
def test_no_key_is_good_for_longer_than_any_later_overlap_allows(steps: list[tuple[int, int]]) -> None:
    ring, now, limits = KeyRing(b"k0" * 32), NOW, list[tuple[bytes, int]]()
    for number, (pause, overlap) in enumerate(steps, start=1):
        now += pause
        limits = [(key, min(until, now + overlap)) for key, until in [*limits, (ring.signing, now + overlap)]]
        ring = rotated(ring, b"k%d" % number * 32, now=now, overlap=overlap)

    assert {one.key: one.until for one in ring.retired} == {key: until for key, until in limits if until > now}
    assert all(key in ring.good(until - 0.5) and key not in ring.good(until) for key, until in limits if until > now)


def test_expired_token_of_an_old_key_is_told_that_it_expired() -> None:
    old = KeyRing(OLD)
    token = _token(old, at=NOW, ttl=60)

    with pytest.raises(ExpiredToken):
        Tokens(rotated(old, NEW, now=NOW, overlap=3600), clock_skew=SKEW).verify(token, now=NOW + 600)


def test_token_names_the_key_that_signed_it_by_a_mark_that_gives_nothing_away() -> None:
    old = KeyRing(OLD)
    ring = rotated(old, NEW, now=NOW, overlap=60)
    tokens = Tokens(ring, clock_skew=SKEW)

    marks = [tokens.verify(_token(one, at=NOW), now=NOW).key_mark for one in (ring, old)]

    assert tokens.key_marks(NOW) == set(marks) and len(set(marks)) == 2
    assert tokens.key_marks(NOW + 60 + SKEW) == {marks[0]}
    assert not any(mark.encode() in key or mark in key.hex() for mark in marks for key in (OLD, NEW))


def test_keys_are_shown_by_no_representation() -> None:
    assert "6f6f" not in repr(KeyRing(OLD, (RetiredKey(OLD, NOW),))) and "ooo" not in repr(KeyRing(OLD))


# ---- the file


CONTENTS = {
    "hexadecimal": b"0123456789abcdef" * 8 + b"\n",
    "base64 in lines": b"A" * 64 + b"\n" + b"B" * 64 + b"\n",
    "any octets": bytes(range(1, 65)) + b"\r\n\x00\xff" + b"x",
    "text with a number behind it": b"k" * 64 + b"\n" + b"j" * 64 + b" 1772366400\n",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())
def test_file_that_nobody_rotated_is_one_key_and_survives_rotation(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "jwt.key"
    path.write_bytes(content)

    before = load_ring(path)
    after = rotate(path, now=NOW, overlap=60)

    assert before == KeyRing(content.strip())
    assert after.retired == (RetiredKey(content.strip(), NOW + 60),)
    assert load_ring(path) == after


def test_rotation_replaces_the_file_as_a_whole_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new" / "jwt.key"
    first = load_ring(path)
    inode = path.stat().st_ino

    second = rotate(path, now=NOW, overlap=60)

    assert second.signing != first.signing
    assert path.stat().st_ino != inode
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_rotation_that_fails_leaves_the_keys_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    path = tmp_path / "jwt.key"
    before = load_ring(path)

    def fail(*_arguments: object) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os if step == "fsync" else Path, step, fail)
    with pytest.raises(BadKeyFile, match="No space left on device"):
        rotate(path, now=NOW, overlap=60)
    monkeypatch.undo()

    assert load_ring(path) == before
    assert list(tmp_path.iterdir()) == [path]


def test_rotations_at_once_lose_no_key(tmp_path: Path) -> None:
    path, gate = tmp_path / "jwt.key", threading.Barrier(4)
    first, made = load_ring(path), list[KeyRing]()

    def turn() -> None:
        gate.wait(10)
        made.append(rotate(path, now=NOW, overlap=60))

    threads = [threading.Thread(target=turn) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)

    assert set(load_ring(path).good(NOW)) == {first.signing, *(ring.signing for ring in made)}
    assert len(made) == 4


def test_more_keys_than_are_kept_are_refused_not_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "jwt.key"
    for _ in range(MAX_RETIRED):
        rotate(path, now=NOW, overlap=60)
    before = load_ring(path)

    with pytest.raises(BadKeyFile, match="a shorter overlap drops them sooner"):
        rotate(path, now=NOW, overlap=60)

    assert load_ring(path) == before
    assert len(rotate(path, now=NOW + 60, overlap=60).retired) == 1


@pytest.mark.parametrize(
    "line", ["retired 1772366400 6f6", "retired soon 6f6f", "retired 1772366400", "retired 1772366400 6f6f"]
)
def test_damaged_line_stops_the_start_instead_of_changing_the_key(tmp_path: Path, line: str) -> None:
    (tmp_path / "jwt.key").write_text("k" * 64 + f"\n{line}\n")

    with pytest.raises(BadKeyFile, match=r"damaged `retired` line|holds 2 bytes"):
        load_ring(tmp_path / "jwt.key")


def test_file_of_another_key_is_never_read_as_a_ring(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    path.write_bytes(b"k" * 64 + b"\nretired 1772366400 " + b"6f" * 64 + b"\n")

    assert load_or_create(path, "auth.seal_key_file") == path.read_bytes().strip()
