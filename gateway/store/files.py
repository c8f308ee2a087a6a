"""Files that appear under their name only when they are complete, readable by their owner only."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

FOLDER_MODE: Final = 0o700
FILE_MODE: Final = 0o600

_NO_HARD_LINKS: Final = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})


@contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """An empty draft to write into; when the block ends it gets the name `path`, unless that is taken by then.

    So a crash leaves no half of a file, and of two programs that start at once both go on with the file of the
    first. The folder is made too.

    Raises:
        OSError: the folder or the file cannot be made.
    """
    path.parent.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    os.close(os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, FILE_MODE))
    try:
        yield draft
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
        except OSError as error:
            # A file system without hard links cannot tell whether the name was taken in this very moment.
            if error.errno not in _NO_HARD_LINKS or path.exists():
                raise
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
