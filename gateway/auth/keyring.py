"""The keys of access tokens: one signs, and those of before verify until the tokens that they signed are over.

All of them are in `auth.jwt_secret_file`: the key that signs, and below it a line for each key of before,

    retired 1772452800 3061...

with the time until which it is good (seconds since the epoch) and the key in hexadecimal digits. A file that nobody
has rotated is one key, whatever is in it.
"""

import fcntl
import hashlib
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gateway.auth.errors import BadKeyFile
from gateway.auth.keyfile import checked, new_key, read_or_create
from gateway.store.files import FILE_MODE

MAX_RETIRED: Final = 8
"""Keys of before that are kept. A token that nobody signed is tried with each."""

SETTING: Final = "auth.jwt_secret_file"

_RETIRED: Final = re.compile(rb"retired ([0-9]{1,12}) ((?:[0-9a-f]{2})+)\s*")


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that signs no more; `until`: seconds since the epoch."""

    key: bytes = field(repr=False)
    until: int


@dataclass(frozen=True, slots=True)
class KeyRing:
    """The key that signs, and those whose tokens are still good, the latest first."""

    signing: bytes = field(repr=False)
    retired: tuple[RetiredKey, ...] = ()

    def good(self, now: float) -> tuple[bytes, ...]:
        """The keys whose signatures count at that time."""
        return (self.signing, *(one.key for one in self.retired if now < one.until))


def fingerprint(key: bytes) -> str:
    """Tells keys apart, and says nothing about them."""
    return hashlib.sha256(b"rtc-gateway token key\0" + key).hexdigest()[:16]


def rotated(ring: KeyRing, new: bytes, *, now: float, overlap: float) -> KeyRing:
    """The ring with another key that signs: nothing that was signed before is good for more than `overlap` seconds.

    Raises:
        ValueError: more than `MAX_RETIRED` keys would still be good.
    """
    last = int(now + overlap)
    before = (RetiredKey(ring.signing, last), *(RetiredKey(one.key, min(one.until, last)) for one in ring.retired))
    kept = tuple(one for one in before if now < one.until)
    if len(kept) > MAX_RETIRED:
        raise ValueError(f"{MAX_RETIRED} keys of before are still good; a shorter overlap drops them sooner")
    return KeyRing(new, kept)


def load_ring(path: Path) -> KeyRing:
    """The keys in that file. A missing one is made, with its folder; see `keyfile.load_or_create`.

    Raises:
        BadKeyFile: cannot be read or made, holds a key of fewer than 64 bytes, or a damaged line.
    """
    return _parse(read_or_create(path, SETTING), path)


def rotate(path: Path, *, now: float, overlap: float) -> KeyRing:
    """Have a new key sign, and tokens of those before be good for `overlap` more seconds. Returns the new keys.

    The file is replaced as a whole: whoever reads it has the old keys or the new ones, also after a crash. Of two
    programs that rotate at once the second waits for the first, so that neither's key is lost.

    Raises:
        BadKeyFile: as `load_ring`; or too many keys of before are still good.
    """
    load_ring(path)
    try:
        with _locked(path):
            ring = rotated(load_ring(path), new_key(), now=now, overlap=overlap)
            _replace(path, _written(ring))
    except OSError as error:
        raise BadKeyFile(f"{SETTING}: cannot write {path}: {error.strerror}") from error
    except ValueError as error:
        raise BadKeyFile(f"{SETTING}: {path}: {error}") from error
    return ring


def _parse(content: bytes, path: Path) -> KeyRing:
    lines = content.split(b"\n")
    retired: list[RetiredKey] = []
    while len(lines) > 1 and (found := _RETIRED.fullmatch(lines[-1])):
        lines.pop()
        retired.append(RetiredKey(checked(bytes.fromhex(found[2].decode()), path, SETTING), int(found[1])))
    if any(line.startswith(b"retired") for line in lines):
        raise BadKeyFile(f"{SETTING}: {path} has a damaged `retired` line")
    return KeyRing(checked(b"\n".join(lines).strip(), path, SETTING), tuple(reversed(retired)))


def _written(ring: KeyRing) -> bytes:
    lines = (ring.signing, *(f"retired {one.until} {one.key.hex()}".encode() for one in ring.retired))
    return b"\n".join(lines) + b"\n"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Alone among those that rotate: holds a lock on the file that has the name now, not on one that it had before."""
    while True:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not os.path.samestat(os.fstat(descriptor), path.stat()):
                continue
            yield
            return
        finally:
            os.close(descriptor)


def _replace(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
