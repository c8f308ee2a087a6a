"""The compiled media engine: packets belong to the threads of `native/`, and never wait for Python.

Descriptions, handshakes and what a call decides are the same code as the reference engine's.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from gateway.domain.ids import LegName
from gateway.media._native import NativeCore, NativeLeg
from gateway.media.core.source_lock import Address
from gateway.media.engine import LegOptions, MediaEvent, MediaNote, NoFreePort
from gateway.media.engines.base import Engine
from gateway.media.engines.native_leg import NativeBrowserLeg, NativeMediaLeg, NativeSecuredLeg, NativeTrunkLeg
from gateway.media.engines.native_session import NativeSession
from gateway.media.engines.native_stream import NativeSounds
from gateway.media.settings import MediaSettings
from gateway.observability import metrics
from gateway.observability.logging import get_logger

_REASONS: Final = ("source", "srtp", "not_rtp", "payload_type")
"""Why the core did not take a datagram, in its order."""
_TRIES: Final = 8
"""Ports that are tried before it is said that none is free."""


class NativeEngine(Engine[NativeMediaLeg, NativeSession]):
    """See `MediaEngine`."""

    def __init__(self, settings: MediaSettings, *, shows_reports: bool = True) -> None:
        super().__init__(settings, shows_reports=shows_reports)
        self._core: NativeCore | None = None
        self._legs: dict[int, NativeMediaLeg] = {}
        self._native_sounds = NativeSounds()
        self._advertised: tuple[Address, ...] = ()
        self._rejected = [0] * len(_REASONS)

    async def start(self) -> None:
        """See `MediaEngine`. Raises NoFreePort; OSError: the shared port is somebody else's."""
        await super().start()
        core = self._core = self._bind_shared()
        metrics.MEDIA_BUSY_RATIO.set_function(lambda: max(core.busy()))
        get_logger().info("media_threads_started", count=len(core.busy()), realtime=core.is_first)
        asyncio.get_running_loop().add_reader(self._core.event_fd, self._take_events)

    def _bind_shared(self) -> NativeCore:
        """The workers, on the configured port, or on one of the range that nobody has on any of our addresses."""
        if self._settings.webrtc_port:
            return self._start_core(self._settings.webrtc_port)
        for _ in range(_TRIES):
            port = self._ports.reserve(self._settings.addresses[0])
            with suppress(OSError):  # of another address, or somebody was quicker
                return self._start_core(port)
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
            complexity=self._settings.opus_complexity or None,
            realtime=self._settings.realtime,
        )

    async def stop(self) -> None:
        """See `MediaEngine`."""
        await super().stop()
        self._count_rejected()
        core, self._core = self._core, None
        if core is not None:
            asyncio.get_running_loop().remove_reader(core.event_fd)
            metrics.MEDIA_BUSY_RATIO.set_function(lambda: 0.0)
            core.stop()

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
        if totals == self._rejected:
            return
        for reason, before, total in zip(_REASONS, self._rejected, totals, strict=True):
            metrics.RTP_PACKETS_REJECTED.labels(reason).inc(total - before)
        self._rejected = totals

    def _session(
        self, cname: str, on_event: Callable[[MediaEvent], None], on_note: Callable[[MediaNote], None]
    ) -> NativeSession:
        return NativeSession(
            on_event=on_event,
            preference=self._settings.preference,
            cname=cname,
            sounds=self._sounds,
            native_sounds=self._native_sounds,
            on_counted=self._count_rejected,
            on_note=on_note,
            shows_reports=self._shows_reports,
        )

    def _running(self) -> NativeCore:
        if self._core is None:
            raise ValueError("the engine has not been started")
        return self._core

    def _browser_leg(
        self, session: NativeSession, name: LegName, codecs: Sequence[str], options: LegOptions, cname: str
    ) -> NativeMediaLeg:
        leg = NativeBrowserLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            certificate=self._certificate,
            cname=cname,
            observer=session,
            options=options,
        )
        self._attach(leg, self._running().browser_leg())
        leg.attach_ice(self._advertised)
        return leg

    def _plain_leg(
        self, session: NativeSession, name: LegName, codecs: Sequence[str], options: LegOptions
    ) -> NativeMediaLeg:
        leg = NativeTrunkLeg(
            name, allowed=codecs, settings=self._settings, ports=self._ports, observer=session, options=options
        )
        return self._attach(leg, self._running().trunk_leg(self._settings.rtp_timeout))

    def _secured_leg(
        self, session: NativeSession, name: LegName, codecs: Sequence[str], options: LegOptions
    ) -> NativeMediaLeg:
        leg = NativeSecuredLeg(
            name,
            allowed=codecs,
            settings=self._settings,
            ports=self._ports,
            certificate=self._certificate,
            observer=session,
            options=options,
        )
        return self._attach(leg, self._running().trunk_leg(self._settings.rtp_timeout))

    def _attach(self, leg: NativeMediaLeg, native: NativeLeg) -> NativeMediaLeg:
        leg.attach(native, self._forget)
        self._legs[native.token] = leg
        return leg

    def _forget(self, leg: NativeMediaLeg) -> None:
        self._legs.pop(leg.native.token, None)


def _check_unused(address: Address) -> None:
    """Raise OSError for a port that is in use: another process with SO_REUSEPORT would get half of our packets."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind(address)
