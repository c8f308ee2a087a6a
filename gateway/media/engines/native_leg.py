"""Legs whose packets the compiled core moves: their descriptions and handshakes are here, as those of every engine."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from gateway.media._native import NativeLeg
from gateway.media.core.keying import Keying
from gateway.media.core.sdp import SessionDescription
from gateway.media.core.source_lock import Address
from gateway.media.engines.browser_leg import BrowserLeg
from gateway.media.engines.leg import AnyLeg, Leg, LegObserver, UnsupportedMedia
from gateway.media.engines.lite_ice import LiteIce
from gateway.media.engines.native_stream import leg_values
from gateway.media.engines.secured_trunk_leg import SecuredTrunkLeg
from gateway.media.engines.srtp import SrtpKey
from gateway.media.engines.trunk_leg import TrunkLeg
from gateway.observability.logging import get_logger

Event = tuple[Any, ...]
"""Token of the leg and name of what happened, then what belongs to it (Any: as `python/core.rs` of the crate says)."""


class NativeObserver(LegObserver, Protocol):
    """What such a leg reports to its session."""

    def digit_received(self, leg: AnyLeg, digit: str, duration: float) -> None:
        """A telephone-event of the leg's far end has ended."""

    def digits_sent(self, ticket: int) -> None:
        """The last of the digits with that ticket has left."""

    def heard(self, leg: AnyLeg) -> None:
        """An authentic packet came in, as was asked for."""

    def report_passed(self, leg: AnyLeg, data: bytes, *, is_inbound: bool) -> None:
        """A compound RTCP packet came in or left."""

    def warned(self, leg: AnyLeg, warning: str, *, is_raised: bool) -> None:
        """See `MediaWarning`."""


class NativeMediaLeg(Leg[NativeObserver]):
    """See `Leg`. `native` is the same leg in the core."""

    native: NativeLeg
    _on_closed: Callable[["NativeMediaLeg"], None]

    def attach(self, native: NativeLeg, on_closed: Callable[["NativeMediaLeg"], None]) -> None:
        """Before anything else. `on_closed` is told when the core will report nothing more of it."""
        self.native, self._on_closed = native, on_closed

    def take_event(self, event: Event) -> None:
        """Something that the core reports of this leg."""
        match event[1:]:
            case ("digit", digit, duration):
                self._observer.digit_received(self, digit, duration)
            case ("digits_sent", ticket):
                self._observer.digits_sent(ticket)
            case ("heard",):
                self._observer.heard(self)
            case ("first_received", number):
                self._observer.leg_noted(self, f"first packet received, payload type {number}")
            case ("first_sent", number):
                self._observer.leg_noted(self, f"first packet sent, payload type {number}")
            case ("report", is_inbound, data):
                self._observer.report_passed(self, data, is_inbound=is_inbound)
            case ("warning", warning, is_raised):
                self._observer.warned(self, warning, is_raised=is_raised)
            case ("crashed",):
                get_logger().error("media_packet_crashed", leg=self.name.value)

    def set_held(self, is_held: bool) -> None:
        """See `Leg`."""
        super().set_held(is_held)
        self.native.set_held(is_held)

    def _flow_changed(self) -> None:
        assert self.agreement is not None
        codec = leg_values(self.agreement.receive)
        self.native.set_flow(self.may_send, self.may_receive, sorted(self.payload_types), codec)

    def _close_native(self) -> None:
        self.native.close()
        self._on_closed(self)


class NativeTrunkLeg(TrunkLeg[NativeObserver], NativeMediaLeg):
    """See `TrunkLeg`. A plain one."""

    takes_handshakes = False
    _opened: tuple[int, ...] = ()
    """Ports."""

    def take_event(self, event: Event) -> None:
        """See `NativeMediaLeg`."""
        if event[1] == "silent":
            self._fail("rtp_timeout")
        else:
            super().take_event(event)

    def _open(self) -> None:
        if self._port is None:
            rtp, rtcp = self._ports.open_pair(self._settings.addresses[0])
            self._port, rtcp_port = rtp.getsockname()[1], rtcp.getsockname()[1]
            self._opened = (self._port, rtcp_port)
            self.native.open(rtp.detach(), rtcp.detach(), takes_handshakes=self.takes_handshakes)
            self._set_keys()

    def _set_keys(self) -> None:
        """There are none."""
        self.native.set_plain()

    def _sources_changed(self) -> None:
        self.native.signalled(
            self._rtp_lock.destination,
            self._rtcp_lock.destination,
            any_address=self._rtp_lock.may_be_elsewhere,
            is_mux=self._is_mux,
        )

    async def close(self) -> None:
        """See `Leg`."""
        self._close_native()
        opened, self._opened = self._opened, ()
        self._ports.give_back(opened)
        await super().close()


class NativeSecuredLeg(SecuredTrunkLeg[NativeObserver], NativeTrunkLeg):
    """See `SecuredTrunkLeg`."""

    takes_handshakes = True
    _rtcp_keys: tuple[SrtpKey, SrtpKey] | None = None
    """Those that the core has."""

    def take_event(self, event: Event) -> None:
        """See `NativeMediaLeg`."""
        match event[1:]:
            case ("handshake", component, data, source):
                self._take_handshake(component, data, source)
            case _:
                super().take_event(event)

    def _take_handshake(self, component: int, data: bytes, source: Address) -> None:
        was_ready = self.is_ready
        channel = self._security.rtcp_channel if component else self._security.channel
        if not channel.receive(data, source, self._loop.time()):
            self.reject("source")
            return
        self._follow_handshake(was_ready=was_ready)

    def _set_keys(self) -> None:
        """They come with the first exchange."""

    def _keys_changed(self) -> None:
        security = self._security
        if not self._has_failed:
            self.native.forgive()
        if security.keying is Keying.NONE:
            self.native.set_plain()
        elif (keys := security.keys) is None:
            self.native.clear_keys()
        else:
            keeps_former = security.keying is Keying.SDES
            self.native.set_keys(*map(_values, keys), keeps_former=keeps_former, has_own_rtcp=security.has_own_rtcp)
            self._set_rtcp_keys(security.rtcp_keys)

    def _set_rtcp_keys(self, keys: tuple[SrtpKey, SrtpKey] | None) -> None:
        if keys is not None and keys != self._rtcp_keys:
            self.native.set_rtcp_keys(*map(_values, keys))
        self._rtcp_keys = keys

    def _source_locked(self, source: Address) -> None:
        self.native.lock_source(source)

    def _send_flight(self, data: bytes, destination: Address) -> None:
        self.native.send_from(0, data, destination)

    def _send_rtcp_flight(self, data: bytes, destination: Address) -> None:
        self.native.send_from(1, data, destination)


class NativeBrowserLeg(BrowserLeg[NativeObserver], NativeMediaLeg):
    """See `BrowserLeg`. On the socket that all browsers share."""

    is_ice_lite = True
    _lite: LiteIce

    def attach_ice(self, addresses: Sequence[Address]) -> None:
        """After `attach`. `addresses`: what the far end is told of ours."""
        self._lite = LiteIce(
            self.native,
            addresses,
            timeout=self._settings.ice_timeout,
            on_path=self._take_path,
            on_failed=self._fail,
        )

    @property
    def _ice(self) -> LiteIce:
        return self._lite

    def take_event(self, event: Event) -> None:
        """See `NativeMediaLeg`."""
        match event[1:]:
            case ("handshake", address, data, source):
                self._receive_dtls(self._lite.port(address), data, source)
            case ("path", generation, address, remote):
                self._lite.found(generation, address, remote)
            case ("consent_lost", generation):
                self._lite.lost(generation)
            case _:
                super().take_event(event)

    def _check(self, description: SessionDescription, *, is_offer: bool) -> None:
        if description.is_ice_lite:
            raise UnsupportedMedia("a=ice-lite on both sides: nobody would look for a path")
        super()._check(description, is_offer=is_offer)

    def _keys_changed(self) -> None:
        if self._dtls is None or (keys := self._dtls.keys) is None:
            self.native.clear_keys()
        else:
            self.native.set_keys(*map(_values, keys))

    async def close(self) -> None:
        """See `Leg`."""
        await super().close()
        self._close_native()


def _values(key: SrtpKey) -> tuple[str, bytes]:
    """As the core takes it."""
    return key.suite.name, key.key
