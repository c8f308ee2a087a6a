"""What is measured."""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Load:
    """Calls a second, beside so many that talk all the while."""

    calls_a_second: float
    talking: int = 0

    @classmethod
    def parse(cls, text: str) -> Self:
        """`100`, or `40/200` for 40 a second beside 200 that talk.

        Raises:
            ValueError: neither.
        """
        rate, _, talking = text.partition("/")
        return cls(float(rate), int(talking or 0))
