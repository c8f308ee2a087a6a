"""How soon a call is back after its socket or its page was lost, and how long the far end hears nothing."""

import statistics
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Error

from tests.interop.browser.recovering import Recovery, Subject, subject

NEVER: Final = float("nan")


@dataclass(frozen=True, slots=True)
class Figures:
    """All tries of one kind, in one call each.

    Attributes:
        recovered: tries after which the call was active and heard.
        active_median_ms: from the return of the network or the page; not for an ICE restart.
        gap_median_ms: the longest stretch without voice at the far end.
    """

    kind: str
    tries: int
    recovered: int
    active_median_ms: float
    active_max_ms: float
    gap_median_ms: float
    gap_max_ms: float


async def measure(sockets: int, pages: int, restarts: int) -> list[Figures]:
    """So many tries of each."""
    return [
        await _kind("socket killed", sockets, lambda one: one.lose_socket),
        await _kind("socket killed, media kept", sockets, lambda one: one.lose_socket, keeps_media=True),
        await _kind("page reloaded", pages, lambda one: one.reload),
        await _kind("ICE restarted", restarts, lambda one: one.restart_ice),
    ]


async def _kind(
    name: str, tries: int, attempt: Callable[[Subject], Callable[[], Awaitable[Recovery]]], *, keeps_media: bool = False
) -> Figures:
    done: list[Recovery] = []
    with tempfile.TemporaryDirectory() as folder:
        async with subject(Path(folder), keeps_media=keeps_media) as one:
            await one.call()
            try:
                for _ in range(tries):
                    done.append(await attempt(one)())
            except Error as error:
                print(f"{name}: try {len(done) + 1} failed: {error}")  # noqa: T201 -- a benchmark talks
    active = [one.active_after for one in done if one.active_after is not None]
    return Figures(name, tries, len(done), *_spread(active), *_spread([one.gap for one in done]))


def _spread(seconds: Sequence[float]) -> tuple[float, float]:
    """Median and maximum in milliseconds."""
    return (statistics.median(seconds) * 1000.0, max(seconds) * 1000.0) if seconds else (NEVER, NEVER)
