"""Has a running gateway use the keys that are in the file of the token keys now: `token rotate-key` changes it."""

from pathlib import Path

from gateway.auth.errors import BadKeyFile
from gateway.auth.jwt import Tokens
from gateway.auth.keyring import load_ring
from gateway.observability.logging import get_logger

_log = get_logger()


class FollowedKeys:
    """Looks whether the file is another than before: that costs microseconds, and only then it is read."""

    def __init__(self, tokens: Tokens, path: Path) -> None:
        self._tokens, self._path = tokens, path
        self._seen: tuple[int, int, int] | None = None

    def follow(self) -> bool:
        """Use what is in the file; whether that is new. A file that is gone or spoilt leaves the keys as they are."""
        mark = self._mark()
        if mark is None or mark == self._seen:
            return False
        self._seen = mark
        try:
            is_new = self._tokens.use(load_ring(self._path))
        except BadKeyFile as error:
            _log.error("token_keys_not_reloaded", error_code=error.code, detail=str(error))
            return False
        if is_new:
            _log.info("token_keys_reloaded")
        return is_new

    def _mark(self) -> tuple[int, int, int] | None:
        """What changes with a file; None while there is none."""
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_ino, status.st_mtime_ns, status.st_size
