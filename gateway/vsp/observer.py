"""What somebody who watches the WebSockets sees: every frame of clients that are logged in."""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.ids import SessionId


@dataclass(frozen=True, slots=True)
class PassingFrame:
    """A text frame that was received or is being sent.

    Attributes:
        username: who is logged in; empty for a visitor.
        text: as it is on the wire, with all its secrets.
        local, remote: address and port of both ends of the connection; behind a proxy, `remote` is the client as the
            proxy tells of it. A port is 0 where it is not known.
    """

    is_inbound: bool
    session_id: SessionId
    username: str
    text: str
    local: tuple[str, int]
    remote: tuple[str, int]


Observer = Callable[[PassingFrame], None]
"""Called on the loop's thread for every frame; must not block, must not raise."""


def nobody(_frame: PassingFrame) -> None:
    """Nobody watches."""
