"""Settings of logs and metrics: `[log]` and `[metrics]`."""

from dataclasses import dataclass

from gateway.observability.logging import LogFormat, LogLevel


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What is logged, and how it looks. Logs go to standard error."""

    level: LogLevel = "info"
    """`debug` adds a line for every SIP message and Verto frame, without secrets, keys and digits."""

    format: LogFormat = "auto"
    """`json`, `console`, or `auto`: console on a terminal, JSON otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MetricsSettings:
    """The operator's listener: `/metrics`, `/healthz` (alive), `/readyz` (may take calls)."""

    listen: tuple[str, int] = ("127.0.0.1", 9464)
    """Address and port, written `"127.0.0.1:9464"`; port 0 takes a free one. It asks nobody for a key, so
    keep it inside."""
