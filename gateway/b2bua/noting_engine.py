"""A media engine that tells somebody what becomes known of the media of each call."""

from collections.abc import Callable, Sequence
from functools import partial

from gateway.domain.ids import CallId
from gateway.media.engine import (
    DEFAULT_OPTIONS,
    LegOptions,
    MediaEngine,
    MediaEvent,
    MediaNote,
    MediaSession,
    Profile,
    unnoted,
)


class NotingEngine:
    """`MediaEngine` in front of another one."""

    def __init__(self, engine: MediaEngine, on_note: Callable[[CallId, MediaNote], None]) -> None:
        """
        Args:
            on_note: told each note with the call that it is of; must not block.
        """
        self._engine, self._on_note = engine, on_note

    async def start(self) -> None:
        """See `MediaEngine`."""
        await self._engine.start()

    async def open(
        self,
        *,
        call_id: CallId,
        a: Profile,
        b: Profile,
        codecs_a: Sequence[str],
        codecs_b: Sequence[str],
        on_event: Callable[[MediaEvent], None],
        options_a: LegOptions = DEFAULT_OPTIONS,
        options_b: LegOptions = DEFAULT_OPTIONS,
        on_note: Callable[[MediaNote], None] = unnoted,
    ) -> MediaSession:
        """See `MediaEngine`; whoever opens takes no notes."""
        assert on_note is unnoted
        return await self._engine.open(
            call_id=call_id,
            a=a,
            b=b,
            codecs_a=codecs_a,
            codecs_b=codecs_b,
            on_event=on_event,
            options_a=options_a,
            options_b=options_b,
            on_note=partial(self._on_note, call_id),
        )

    async def stop(self) -> None:
        """See `MediaEngine`."""
        await self._engine.stop()
