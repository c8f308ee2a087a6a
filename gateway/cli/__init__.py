"""The command line, `rtc-gateway`. Parses arguments and prints results; what it does is done elsewhere."""

from gateway.cli.main import main

__all__ = ["main"]
