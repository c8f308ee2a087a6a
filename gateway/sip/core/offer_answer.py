"""Whose turn it is in the offer/answer model, per dialog (RFC 3264 section 4, RFC 6337 section 2). SDP stays opaque."""

from collections.abc import Mapping
from enum import Enum
from typing import Final


class Turn(Enum):
    """Where the exchange stands."""

    IDLE = "idle"
    """No exchange is open: either side may offer."""
    OURS_PENDING = "ours_pending"
    """We offered; the far end owes the answer."""
    THEIRS_PENDING = "theirs_pending"
    """The far end offered; we owe the answer."""


class Move(Enum):
    """What may happen to an exchange."""

    WE_OFFER = "we_offer"
    WE_ANSWER = "we_answer"
    THEY_OFFER = "they_offer"
    THEY_ANSWER = "they_answer"
    REFUSED = "refused"
    """The request that carried the offer failed, or was refused: what was agreed before stands (RFC 3261 14.1)."""


TRANSITIONS: Final[Mapping[tuple[Turn, Move], Turn]] = {
    # RFC 3264 section 4: no new offer before the last one is answered or refused, from neither side
    (Turn.IDLE, Move.WE_OFFER): Turn.OURS_PENDING,
    (Turn.IDLE, Move.THEY_OFFER): Turn.THEIRS_PENDING,
    (Turn.OURS_PENDING, Move.THEY_ANSWER): Turn.IDLE,
    (Turn.OURS_PENDING, Move.REFUSED): Turn.IDLE,
    (Turn.THEIRS_PENDING, Move.WE_ANSWER): Turn.IDLE,
    (Turn.THEIRS_PENDING, Move.REFUSED): Turn.IDLE,
}


class OfferAnswer:
    """The exchange of one dialog. Ask `allows` for what a peer did; `make` is for what is known to be legal."""

    def __init__(self, turn: Turn = Turn.IDLE) -> None:
        self.turn = turn

    def allows(self, move: Move) -> bool:
        """Whether that move is legal now."""
        return (self.turn, move) in TRANSITIONS

    def make(self, move: Move) -> None:
        """Make the move.

        Raises:
            ValueError: it is not legal now; the caller should have asked (a defect of ours, not of the peer).
        """
        if (turn := TRANSITIONS.get((self.turn, move))) is None:
            raise ValueError(f"{move.value} is not allowed while {self.turn.value}")
        self.turn = turn
