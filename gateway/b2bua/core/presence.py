"""Where the client of a leg is: on its socket, away from it, or on its way back. Pure.

A client that has lost its socket has not hung up. Until it is back, or until somebody's patience ends, nothing that
happens to its media ends the call: a page that reloads closes its peer connection, a network that changes loses it.

```
HERE ── socket lost ──▶ AWAY ── logged in again ──▶ PROBING ──▶ OFFERING ──▶ ATTACHING ──▶ SETTLING ──▶ HERE
  └────────────────── logged in again on another socket ─────┘     (our offer)    (its answer)    (media up)
```

How long AWAY may last is the session's affair (`[verto] reattach_window`), for it is one for all its calls; how long
the way back may take is the call's (`attach_timeout`).
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from gateway.domain.ids import LegName

SETTLE_TIMEOUT: Final = 15.0
"""Seconds from the answer to our attach until its media is up: what ICE and DTLS may take elsewhere too."""


class Presence(Enum):
    """See the module."""

    HERE = "here"
    AWAY = "away"
    PROBING = "probing"
    """Back, and maybe its media never broke: that is being looked at."""
    OFFERING = "offering"
    """Media makes the offer of the attach."""
    ATTACHING = "attaching"
    """The attach is sent."""
    SETTLING = "settling"
    """Its answer came; the new path is being built."""


@dataclass(slots=True)
class LegPresence:
    """One leg's.

    Attributes:
        is_described: whether its client was told of our media: without that, none of its own can be alive.
        has_returned: its client has been on more than one socket: what it was sent on the first may never have come.
        socket: on which of its sockets it was last known to be (`LegReturned`).
        attempt: number of the way back under way; what was asked for in an earlier one comes too late.
        deadline: when the way back has taken too long, or None.
        bye_deadline: when a leg that has lost its media should have said why, or shown that it is there; or None.
    """

    leg: LegName
    is_described: bool = True
    state: Presence = Presence.HERE
    has_returned: bool = False
    socket: int = 0
    attempt: int = 0
    deadline: float | None = None
    bye_deadline: float | None = None

    @property
    def is_here(self) -> bool:
        """Whether the client can be told something, and what its media does counts."""
        return self.state is Presence.HERE

    def go(self) -> None:
        """The socket is lost."""
        self.state, self.deadline, self.bye_deadline = Presence.AWAY, None, None

    def move(self, socket: int) -> None:
        """The client logged in on another socket."""
        self.socket, self.has_returned = socket, True

    def come_back(self) -> None:
        """The client is on its socket again, and the leg needs no attach, or not yet."""
        self.state, self.deadline, self.bye_deadline = Presence.HERE, None, None

    def wait_until(self, deadline: float) -> None:
        """The leg's media is gone; unless something comes of it by then, the leg is."""
        if self.bye_deadline is None:
            self.bye_deadline = deadline

    def begin(self, state: Presence, deadline: float) -> int:
        """Begin the way back by probing or by an offer; returns the number of the attempt."""
        self.attempt += 1
        self.state, self.deadline, self.bye_deadline = state, deadline, None
        return self.attempt

    def invite_back(self, attempt: int) -> bool:
        """Our offer is made and goes out; False when another attempt has taken over.

        No deadline runs before the client has heard it: a socket that died unnoticed is no refusal, and the session
        bounds how long it may be silent.
        """
        if self.state is not Presence.OFFERING or self.attempt != attempt:
            return False
        self.state, self.deadline = Presence.ATTACHING, None
        return True

    def hear(self, deadline: float) -> None:
        """The client has heard our attach."""
        if self.state is Presence.ATTACHING and self.deadline is None:
            self.deadline = deadline

    def settle(self, deadline: float) -> bool:
        """The client answered our attach; False when none was under way."""
        if self.state is not Presence.ATTACHING:
            return False
        self.state, self.deadline = Presence.SETTLING, deadline
        return True

    def arrive(self) -> None:
        """The way back is through."""
        self.state, self.deadline = Presence.HERE, None

    def deadlines(self) -> list[float]:
        """Those that run."""
        return [deadline for deadline in (self.deadline, self.bye_deadline) if deadline is not None]
