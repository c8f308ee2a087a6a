"""The file with the key that signs tokens: made at first start, readable by its owner only."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from gateway.auth.errors import BadKeyFile
from gateway.observability.logging import get_logger

MINIMUM: Final = 64
"""Bytes. RFC 7518 section 3.2: the key of HS512 has at least the size of the hash."""

_log = get_logger()


def load_or_create(path: Path) -> bytes:
    """The key in that file, white space at its ends left out. A missing file is made, with its folder.

    The new file appears under its name only once it is complete, so a crash leaves none or a whole one, and
    of two programs that start at once both use the key of the first.

    Raises:
        BadKeyFile: cannot be read or made, or holds fewer than `MINIMUM` bytes.
    """
    try:
        if not path.exists():
            _create(path)
        key = path.read_bytes().strip()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise BadKeyFile(f"auth.jwt_secret_file: cannot use {path}: {error.strerror}") from error
    if len(key) < MINIMUM:
        raise BadKeyFile(f"auth.jwt_secret_file: {path} holds {len(key)} bytes, expected at least {MINIMUM}")
    if mode & 0o077:
        _log.warning("jwt_key_readable_by_others", path=str(path), mode=f"{mode:04o}")
    return key


def _create(path: Path) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600), "w") as file:
            file.write(secrets.token_hex(MINIMUM) + "\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return  # another program was faster: its key counts
    finally:
        draft.unlink(missing_ok=True)
