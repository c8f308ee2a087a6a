"""The files with the keys that sign tokens and seal passwords: made at first start, readable by their owner only."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from gateway.auth.errors import BadKeyFile
from gateway.observability.logging import get_logger
from gateway.store.files import new_file

MINIMUM: Final = 64
"""Bytes. RFC 7518 section 3.2: the key of HS512 has at least the size of the hash."""

_log = get_logger()


def load_or_create(path: Path, setting: str = "auth.jwt_secret_file") -> bytes:
    """The key in that file, white space at its ends left out. A missing file is made, with its folder.

    Of two programs that start at once both use the key of the first.

    Args:
        setting: the key of the configuration that named it, for what is raised.

    Raises:
        BadKeyFile: cannot be read or made, or holds fewer than `MINIMUM` bytes.
    """
    return checked(read_or_create(path, setting), path, setting)


def read_or_create(path: Path, setting: str) -> bytes:
    """All of that file, white space at its ends left out; as `load_or_create`, whatever its length."""
    try:
        if not path.exists():
            with new_file(path) as draft, draft.open("wb") as file:
                file.write(new_key() + b"\n")
                file.flush()
                os.fsync(file.fileno())
        content = path.read_bytes().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise BadKeyFile(f"{setting}: cannot use {path}: {error.strerror}") from error
    if mode & 0o077:
        _log.warning("jwt_key_readable_by_others", path=str(path), mode=f"{mode:04o}")
    return content


def checked(key: bytes, path: Path, setting: str) -> bytes:
    """The key, if it is long enough.

    Raises:
        BadKeyFile: fewer than `MINIMUM` bytes.
    """
    if len(key) < MINIMUM:
        raise BadKeyFile(f"{setting}: {path} holds {len(key)} bytes, expected at least {MINIMUM}")
    return key


def new_key() -> bytes:
    """A fresh one, in hexadecimal digits: an editor cannot spoil it."""
    return secrets.token_hex(MINIMUM).encode()
