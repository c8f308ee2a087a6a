"""What is wrong with a configuration: every mistake, not only the first."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from gateway.domain.errors import GatewayError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake.

    Attributes:
        key: the full key, `sip.listen[0]`; empty when the file as a whole is meant.
        message: what was expected and what was found.
        where: `gateway.toml:12`, or the name of an environment variable; empty when nothing was written.
    """

    key: str
    message: str
    where: str = ""

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.key, self.message) if part)


class ConfigError(GatewayError):
    """The settings are wrong; the gateway does not start. `problems` has all of them, in the order of the file."""

    code: ClassVar[str] = "config_error"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))
