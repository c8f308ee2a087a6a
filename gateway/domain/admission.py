"""What comes of asking whether a call may be made: a `Cause` why not, or this."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Admitted:
    """A call to a trunk may be made; the called side sees that number."""

    caller_number: str
