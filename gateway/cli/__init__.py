"""The command line, `rtc-gateway`. Parses arguments and prints results; what it does is done elsewhere."""

import gc

# Imports make many objects and hardly any garbage: looking for it would be a tenth of the start.
gc.set_threshold(500_000)

from gateway.cli.main import main  # noqa: E402 - it imports the rest

__all__ = ["main"]
