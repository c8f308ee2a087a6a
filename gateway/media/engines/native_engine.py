"""The compiled media engine: packets belong to the threads of `native/`, and never wait for Python.

Descriptions, handshakes and what a call decides are the same code as the reference engine's.
"""

import asyncio
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from gateway.domain.ids import CallId, LegName
from gateway.domain.media_encryption import MediaEncryption
from gateway.media._native import NativeCore
from gateway.media.core.source_lock import Address
from gateway.media.engine import DEFAULT_OPTIONS, LegOptions, MediaEvent, MediaNote, NoFreePort, Profile, unnoted
from gateway.media.engines.dtls import Certificate
from gateway.media.engines.native_leg import (
    NativeBrowserLeg,
    NativeMediaLeg,
    NativeObserver,
    NativeSecuredLeg,
    NativeTrunkLeg,
)
from gateway.media.engines.native_session import NativeSession
from gateway.media.engines.native_stream import NativeSounds
from gateway.media.ports import PortPool
from gateway.media.settings import MediaSettings
from gateway.media.sounds import Sounds
from gateway.observability import metrics

_REASONS: Final = ("source", "srtp", "not_rtp", "payload_type")
"""Why the core did not take a datagram, in its order."""
_TRIES: Final = 8
"""Ports that are tried before it is said that none is free."""


class NativeEngine:
    """See `MediaEngine`."""

    def __init__(self, settings: MediaSettings) -> None:
        self._settings = settings
        self._certificate: Certificate | None = None
        self._ports: PortPool | None = None
        self._core: NativeCore | None = None
        self._legs: dict[int, NativeMediaLeg] = {}
        self._sessions: set[NativeSession] = set()
        self._sounds, self._native_sounds = Sounds(), NativeSounds()
        self._advertised: tuple[Address, ...] = ()
        self._rejected = [0] * len(_REASONS)
        self._taken: int | None = None
        """The shared port, if it is of the range."""

    async def start(self) -> None:
        """See `MediaEngine`. Raises NoFreePort; OSError: the shared port is somebody else's."""
        loop = asyncio.get_running_loop()
        self._certificate = Certificate()
        self._ports = PortPool(self._settings.port_range, quarantine=self._settings.port_quarantine, clock=loop.time)
        self._core = self._bind_shared(self._ports)
        loop.add_reader(self._core.event_fd, self._take_events)

    def _bind_shared(self, ports: PortPool) -> NativeCore:
        """The workers, on the configured port, or on one of the range that nobody has on any of our addresses."""
        if self._settings.webrtc_port:
            return self._start_core(self._settings.webrtc_port)
        for _ in range(_TRIES):
            self._taken = _free_port(ports, self._settings.addresses[0])
            with suppress(OSError):  # of another address, or somebody was quicker
                return self._start_core(self._taken)
            ports.give_back([self._taken])
        raise NoFreePort(f"no port of {self._settings.rtp_ports} is free on all of {self._settings.address}")

    def _start_core(self, port: int) -> NativeCore:
        addresses = [(address, port) for address in self._settings.addresses]
        for address in addresses:
            _check_unused(address)
        self._advertised = tuple((address, port) for address in self._settings.advertised)
        return NativeCore(
            workers=self._settings.workers or len(os.sched_getaffinity(0)),
            tick=self._settings.tick,
            addresses=addresses,
            consent_timeout=self._settings.consent_timeout,
        )

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
    ) -> NativeSession:
        """See `MediaEngine`. Takes no port yet: a trunk's leg does with its first description.

        Raises:
            ValueError: before `start`, or no codec is allowed.
        """
        cname = secrets.token_urlsafe(12)  # RFC 7022 section 4.2: short-term, random
        session = NativeSession(
            on_event=on_event,
            preference=self._settings.preference,
            cname=cname,
            sounds=self._sounds,
            native_sounds=self._native_sounds,
            on_counted=self._count_rejected,
            on_note=on_note,
        )
        session.make_leg = partial(self._leg, cname, session)
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
        self._count_rejected()
        core, self._core = self._core, None
        if core is not None:
            asyncio.get_running_loop().remove_reader(core.event_fd)
            core.stop()
            if self._taken is not None and self._ports is not None:
                self._ports.give_back([self._taken])

    def _take_events(self) -> None:
        core = self._core
        if core is None:
            return
        for event in core.drain():
            leg = self._legs.get(event[0])
            if leg is not None:
                leg.take_event(event)
        self._count_rejected()

    def _count_rejected(self) -> None:
        """What the core has counted since the last time, as a metric."""
        core = self._core
        if core is None:
            return
        totals = core.rejected()
        for reason, before, total in zip(_REASONS, self._rejected, totals, strict=True):
            metrics.RTP_PACKETS_REJECTED.labels(reason).inc(total - before)
        self._rejected = totals

    def _leg(
        self,
        cname: str,
        observer: NativeObserver,
        name: LegName,
        profile: Profile,
        codecs: Sequence[str],
        options: LegOptions,
    ) -> NativeMediaLeg:
        if self._core is None or self._certificate is None or self._ports is None:
            raise ValueError("the engine has not been started")
        if not codecs:
            raise ValueError(f"no codec is allowed for leg {name.value}")
        leg: NativeMediaLeg
        if profile is Profile.WEBRTC:
            leg = browser = NativeBrowserLeg(
                name,
                allowed=codecs,
                settings=self._settings,
                certificate=self._certificate,
                cname=cname,
                observer=observer,
                options=options,
            )
            browser.attach(self._core.browser_leg(), self._forget)
            browser.attach_ice(self._advertised)
        else:
            leg = self._trunk_leg(self._certificate, self._ports, observer, name, codecs, options)
            leg.attach(self._core.trunk_leg(self._settings.rtp_timeout), self._forget)
        self._legs[leg.native.token] = leg
        return leg

    def _trunk_leg(
        self,
        certificate: Certificate,
        ports: PortPool,
        observer: NativeObserver,
        name: LegName,
        codecs: Sequence[str],
        options: LegOptions,
    ) -> NativeTrunkLeg:
        if options.encryption is MediaEncryption.OFF:
            return NativeTrunkLeg(
                name, allowed=codecs, settings=self._settings, ports=ports, observer=observer, options=options
            )
        return NativeSecuredLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            ports=ports,
            certificate=certificate,
            observer=observer,
            options=options,
        )

    def _forget(self, leg: NativeMediaLeg) -> None:
        self._legs.pop(leg.native.token, None)


def _free_port(ports: PortPool, address: str) -> int:
    """A port that stays taken, though its socket is closed."""
    opened = ports.open_single(address)
    port = int(opened.getsockname()[1])
    opened.close()
    return port


def _check_unused(address: Address) -> None:
    """Raise OSError for a port that is in use: another process with SO_REUSEPORT would get half of our packets."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind(address)
