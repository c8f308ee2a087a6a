"""The files of the console, read once at start. What is not in this table does not exist for a browser."""

import functools
import gzip
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

STATIC: Final = Path(__file__).parent / "static"
SDK: Final = "vendor/telnyx-webrtc.mjs"
"""The SDK, as `scripts/build_console.py` puts it there."""

INDEX: Final = "index.html"
_VERSION_MARK: Final = b"{{version}}"

# Not `mimetypes`: it asks the system's tables, and a wrong answer stops an ES module.
_TYPES: Final[Mapping[str, str]] = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}


@dataclass(frozen=True, slots=True)
class Asset:
    """One file with its strong entity tag."""

    content_type: str
    content: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Assets:
    """All files by their path below `static`, and one digest of them all.

    Attributes:
        version: changes with any file; part of the address of each, so that browsers may keep them for ever.
        is_built: whether the SDK is there.
    """

    version: str
    files: Mapping[str, Asset]
    is_built: bool


def load(root: Path = STATIC) -> Assets:
    """Read every file of a known type below `root`; they are small."""
    contents = {path.relative_to(root).as_posix(): path.read_bytes() for path in _files(root)}
    digest = hashlib.sha256()
    for name, content in contents.items():
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    version = digest.hexdigest()[:16]
    files = {name: _asset(name, content.replace(_VERSION_MARK, version.encode())) for name, content in contents.items()}
    return Assets(version, files, SDK in files)


def _files(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in _TYPES and not path.is_symlink():
            yield path


def _asset(name: str, content: bytes) -> Asset:
    etag = hashlib.sha256(content).hexdigest()[:24]
    return Asset(_TYPES[Path(name).suffix], content, etag)


@functools.lru_cache(maxsize=128)
def gzipped(content: bytes) -> bytes:
    """A file compressed, when the first browser asks for it: the SDK takes some 20 ms. Not for the loop's thread."""
    return gzip.compress(content, mtime=0)
