"""What all engines have in common: sessions with their legs, a certificate and the ports."""

import asyncio
import secrets
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Generic, TypeVar

from gateway.domain.ids import CallId, LegName
from gateway.domain.media_encryption import MediaEncryption
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions, MediaEvent, MediaNote, Profile, unnoted
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.replacement import SomeLeg
from gateway.media.engines.session import Session
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings
from gateway.media.sounds import Sounds

SomeSession = TypeVar("SomeSession", bound=Session[Any, Any])  # Any: its legs and streams are the engine's


class Engine(ABC, Generic[SomeLeg, SomeSession]):
    """See `MediaEngine`."""

    def __init__(self, settings: MediaSettings, *, shows_reports: bool = True) -> None:
        self._settings, self._shows_reports = settings, shows_reports
        self._started: tuple[Certificate, PortPool] | None = None
        self._sessions: set[SomeSession] = set()
        self._sounds = Sounds()

    async def start(self) -> None:
        """See `MediaEngine`. Makes the certificate of this process."""
        clock = asyncio.get_running_loop().time
        ports = PortPool(self._settings.port_range, quarantine=self._settings.port_quarantine, clock=clock)
        self._started = Certificate(), ports

    @property
    def _certificate(self) -> Certificate:
        return self._means()[0]

    @property
    def _ports(self) -> PortPool:
        return self._means()[1]

    def _means(self) -> tuple[Certificate, PortPool]:
        if self._started is None:
            raise ValueError("the engine has not been started")
        return self._started

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
    ) -> SomeSession:
        """See `MediaEngine`. Takes no port yet: each leg does with its first description.

        Raises:
            ValueError: before `start`, or no codec is allowed.
        """
        cname = secrets.token_urlsafe(12)  # RFC 7022 section 4.2: short-term, random
        session = self._session(cname, on_event, on_note)
        session.make_leg = partial(self._leg, session, cname)
        session.add_legs(
            session.make_leg(LegName.A, a, codecs_a, options_a), session.make_leg(LegName.B, b, codecs_b, options_b)
        )
        session.on_closed = lambda: self._sessions.discard(session)
        self._sessions.add(session)
        return session

    async def stop(self) -> None:
        """See `MediaEngine`."""
        for session in tuple(self._sessions):
            await session.close()
        await self._sounds.close()

    def _leg(
        self,
        session: SomeSession,
        cname: str,
        name: LegName,
        profile: Profile,
        codecs: Sequence[str],
        options: LegOptions,
    ) -> SomeLeg:
        self._means()
        if not codecs:
            raise ValueError(f"no codec is allowed for leg {name.value}")
        if profile is Profile.WEBRTC:
            return self._browser_leg(session, name, codecs, options, cname)
        if options.encryption is MediaEncryption.OFF:
            return self._plain_leg(session, name, codecs, options)
        return self._secured_leg(session, name, codecs, options)

    @abstractmethod
    def _session(
        self, cname: str, on_event: Callable[[MediaEvent], None], on_note: Callable[[MediaNote], None]
    ) -> SomeSession:
        """A session without legs."""

    @abstractmethod
    def _browser_leg(
        self, session: SomeSession, name: LegName, codecs: Sequence[str], options: LegOptions, cname: str
    ) -> SomeLeg:
        """A browser's."""

    @abstractmethod
    def _plain_leg(self, session: SomeSession, name: LegName, codecs: Sequence[str], options: LegOptions) -> SomeLeg:
        """A trunk's, never encrypted."""

    @abstractmethod
    def _secured_leg(self, session: SomeSession, name: LegName, codecs: Sequence[str], options: LegOptions) -> SomeLeg:
        """A trunk's that may or must be encrypted."""
