"""The files with the keys that sign tokens and seal passwords: made at first start, readable by their owner only.

The first line is the key in use. Below it `jwt.key` may hold keys of before, each with the time until which tokens
signed with it are still good: seconds since the epoch, behind a space.
"""

import os
import secrets
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.auth.errors import BadKeyFile
from gateway.observability.logging import get_logger
from gateway.store.files import FILE_MODE, new_file

MINIMUM: Final = 64
"""Bytes. RFC 7518 section 3.2: the key of HS512 has at least the size of the hash."""

MAX_RETIRED: Final = 8
"""Keys of before that are kept; the oldest goes first. Each may cost a signature check."""

_JWT: Final = "auth.jwt_secret_file"

_log = get_logger()


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signs no more; `until`: seconds since the epoch."""

    key: bytes = field(repr=False)
    until: float


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key that signs, and those whose tokens are still good."""

    signing: bytes = field(repr=False)
    retired: tuple[RetiredKey, ...] = ()


def load_or_create(path: Path, setting: str = _JWT) -> bytes:
    """The key in use. See `load_ring`."""
    return load_ring(path, setting).signing


def load_ring(path: Path, setting: str = _JWT) -> KeyRing:
    """The keys in that file. A missing file is made, with its folder.

    Of two programs that start at once both use the key of the first.

    Args:
        setting: the key of the configuration that named it, for what is raised.

    Raises:
        BadKeyFile: cannot be read or made, holds fewer than `MINIMUM` bytes, or a line that is no key.
    """
    try:
        if not path.exists():
            with new_file(path) as draft:
                _write(draft, secrets.token_hex(MINIMUM) + "\n")
        text = path.read_bytes().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise BadKeyFile(f"{setting}: cannot use {path}: {error.strerror}") from error
    if mode & 0o077:
        _log.warning("jwt_key_readable_by_others", path=str(path), mode=f"{mode:04o}")
    ring = _parse(text, path, setting)
    for key in (ring.signing, *(one.key for one in ring.retired)):
        if len(key) < MINIMUM:
            raise BadKeyFile(f"{setting}: {path} holds {len(key)} bytes, expected at least {MINIMUM}")
    return ring


def rotate(path: Path, *, now: float, overlap: float) -> KeyRing:
    """Have a new key sign; tokens of the one before are good for `overlap` more seconds. Returns the new keys.

    The file is replaced as a whole: whoever reads it has the old keys or the new ones, also after a crash.

    Raises:
        BadKeyFile: as `load_ring`.
    """
    before = load_ring(path)
    retired = [RetiredKey(before.signing, now + overlap), *before.retired] if overlap > 0 else list(before.retired)
    kept = tuple(one for one in retired if one.until > now)[:MAX_RETIRED]
    ring = KeyRing(secrets.token_hex(MINIMUM).encode(), kept)
    lines = [ring.signing.decode(), *(f"{one.key.decode()} {one.until:.0f}" for one in kept)]
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
        os.close(descriptor)
        _write(draft, "\n".join(lines) + "\n")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise BadKeyFile(f"{_JWT}: cannot write {path}: {error.strerror}") from error
    return ring


def _parse(text: bytes, path: Path, setting: str) -> KeyRing:
    first, *others = text.splitlines() or [b""]
    retired = []
    for number, line in enumerate(others, start=2):
        key, _, until = line.strip().partition(b" ")
        if not until.isdigit():
            raise BadKeyFile(f"{setting}: line {number} of {path} is no key with a time behind it")
        retired.append(RetiredKey(key, float(until)))
    return KeyRing(first.strip(), tuple(retired))


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
