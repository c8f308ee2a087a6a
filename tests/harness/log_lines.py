"""What a running gateway logs, as an operator reads it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_OWN: Final = "gateway"


class LogLines(logging.Handler):
    """Collects rendered lines, debug ones as well."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []
        self.warnings: list[str] = []
        """Those that an operator is to look at: warning and above."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.name == "asyncio" and record.levelno < logging.ERROR:
            return  # its debug mode tells of slow callbacks: a busy machine
        line = self.format(record)
        self.lines.append(line)
        if record.levelno >= logging.WARNING:
            self.warnings.append(line)


@contextmanager
def log_lines() -> Iterator[LogLines]:
    """Collect what is logged in the block, our own debug lines included. Logging must have been configured before."""
    root, own = logging.getLogger(), logging.getLogger(_OWN)
    handler, level = LogLines(), own.level
    handler.setFormatter(root.handlers[0].formatter)
    quiet = [(other, other.level) for other in root.handlers]
    for other, _ in quiet:
        other.setLevel(logging.WARNING)
    root.addHandler(handler)
    own.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        own.setLevel(level)
        root.removeHandler(handler)
        for other, before in quiet:
            other.setLevel(before)
