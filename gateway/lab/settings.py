"""Settings of the lab trunk."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class LabSettings:
    """The `[lab]` section."""

    enabled: bool = False
    """Whether the lab trunk and `/_lab` exist. Off by default: magic numbers and forged callers are for a lab."""

    host: str = "127.0.0.1"
    """The address of its SIP and RTP sockets. Loopback, because the lab asks no peer who it is."""

    port: int = 0
    """Its SIP port, UDP and TCP alike; 0 takes a free one."""

    time_scale: float = 1.0
    """Every time of every scenario is multiplied by this; below 1 a test suite runs faster."""

    max_calls: int = 200
    """Live calls at once; one more is refused with 503."""

    codecs: tuple[str, ...] = ("PCMU", "PCMA")
    """What the gateway offers to the lab trunk, as to a carrier. The echo takes `opus` and `G722` too."""
