"""Options that several commands share, and how a command runs. Imports of ours are lazy: `--help` stays quick."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from gateway.cli.output import WRONG_USAGE, fail

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gateway.accounts.provisioning import Provisioning
    from gateway.config import Config

_T = TypeVar("_T")

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="RTC_GATEWAY_CONFIG",
        metavar="FILE",
        help="Settings in TOML. Without it: built-in values and the environment.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for scripts.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def load_config(file: Path | None, *, preset: "Mapping[str, object] | None" = None) -> "Config":
    """The settings; a mistake ends the command with all of them on standard error."""
    from gateway.config import ConfigError, load
    from gateway.observability.logging import configure

    try:
        config = load(file, preset=preset)
    except ConfigError as error:
        fail(str(error))
    # Standard output is the result's; a gateway that starts sets its own level.
    configure(level="warning", format=config.log.format)
    return config


def run(work: "Awaitable[_T]") -> _T:
    """Run to the end. An error of ours becomes one line and exit code 1, a bad value exit code 2."""
    from gateway.auth.errors import InvalidValue
    from gateway.domain.errors import GatewayError

    async def finish() -> _T:
        return await work

    try:
        return asyncio.run(finish())
    except Exception as error:
        match _single(error):
            case InvalidValue() as wrong:
                fail(str(wrong), code=WRONG_USAGE)
            case GatewayError() as refused:
                fail(str(refused))
            case OSError() as failed:
                fail(failed.strerror or str(failed))
            case _:
                raise


def _single(error: Exception) -> Exception:
    """What is in a group of one: task groups wrap what their tasks raise."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def provision(file: Path | None, work: "Callable[[Provisioning], Awaitable[_T]]") -> _T:
    """Run something on the store that the settings name."""
    from gateway.accounts.provisioning import opened

    config = load_config(file)

    async def with_store() -> _T:
        async with opened(config.store, config.auth) as provisioning:
            return await work(provisioning)

    return run(with_store())


def confirm(question: str, *, is_agreed: bool) -> None:
    """Ask before something is lost, but only somebody at a terminal: a script means what it says."""
    if not is_agreed and _is_somebody_there() and not typer.confirm(question):
        fail("nothing was done")


def _is_somebody_there() -> bool:
    return sys.stdin.isatty()
