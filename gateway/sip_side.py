"""The SIP side of the program: sockets, user agent, registrar, trunks, and the order in which they start and stop."""

import ipaddress
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from gateway.auth.digest_login import DigestLogins
from gateway.b2bua.routing import Trunk
from gateway.config import Config
from gateway.domain.client_media import DtmfMode
from gateway.domain.media_encryption import MediaEncryption
from gateway.http.certificates import from_own_authority
from gateway.http.names import certificate_names
from gateway.lab.trunk import LabTrunk
from gateway.media.engine import LegOptions
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.sip.call import IncomingCall
from gateway.sip.core.banning import Offence
from gateway.sip.endpoint import Endpoint
from gateway.sip.phone_guard import PhoneGuard
from gateway.sip.registrar import Registrar
from gateway.sip.tls_settings import KeyPair
from gateway.sip.transport.tls_contexts import TlsContexts, authorities_of
from gateway.sip.trunk_settings import DtmfForm, TrunkSettings
from gateway.sip.ua import UserAgent
from gateway.traces.tracer import Tracer
from gateway.trunks.lines import TrunkLines

LAB_TRUNK: Final = "lab"
"""The name of the built-in trunk."""

LOOPBACK: Final = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
"""With the lab on, a phone or sipp on this machine may call in as well."""

STOP_GRACE: Final = 2.0
"""Seconds that far ends have to answer our last BYEs."""

_DTMF_MODES: Final[Mapping[DtmfForm, DtmfMode]] = {
    "rfc2833": DtmfMode.RFC_2833,
    "inband": DtmfMode.INBAND,
    "info": DtmfMode.SIP_INFO,
}

_log = get_logger()


class SipSide:
    """One per program. Opens no socket before `running`.

    Args:
        lab: the built-in trunk, if it is on.
        tracer: sees every message, if traces are on.
        on_incoming: takes the calls of trunks and phones.
        turn_away: see `UserAgent`.
    """

    def __init__(
        self,
        config: Config,
        *,
        lab: LabTrunk | None,
        tracer: Tracer | None,
        digest_logins: DigestLogins,
        on_incoming: Callable[[IncomingCall], None],
        turn_away: Callable[[], int | None],
    ) -> None:
        self._config, self._digest_logins = config, digest_logins
        self.trunks = _with_lab(config.trunks, lab, codecs=config.lab.codecs)
        for trunk in self.trunks:
            if trunk.has_open_keys:
                _log.warning("srtp_keys_open", trunk=trunk.name)
        self.endpoint = Endpoint(
            config.sip,
            tls=self._tls(),
            security=config.sip_security,
            never_ban=[network for trunk in self.trunks for network in trunk.accept_from],
        )
        if tracer is not None:
            self.endpoint.observe = tracer.take_message
        self.registrar = self._make_registrar() if config.registrar.enabled else None
        self.agent = UserAgent(self.endpoint, config.sip, self.trunks, registrar=self.registrar)
        self.lines = TrunkLines(
            self.trunks,
            endpoint=self.endpoint,
            user_agent=config.sip.user_agent,
            invite=self.agent.invite,
            on_incoming=on_incoming,
        )
        self.agent.on_invite = self.lines.incoming
        self.agent.turn_away = turn_away
        self.agent.find_registrar = self.lines.find_registrar

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Sockets are open, trunks registered and probed; at the end calls are hung up. Raises ListenFailed."""
        await self.agent.start()
        try:
            async with self.lines:
                yield
        finally:
            await self.agent.stop(grace=STOP_GRACE)

    @property
    def addresses(self) -> tuple[str, ...]:
        """What is bound: `transport:host:port` of each listener."""
        return tuple(f"{one.transport}:{one.host}:{one.port}" for one in self.endpoint.listeners)

    def routable(self) -> list[Trunk]:
        """The trunks as routing and their legs know them."""
        return [
            Trunk(
                name=trunk.name,
                uri=trunk.uri,
                codecs=trunk.codecs,
                username=trunk.username,
                password=trunk.password,
                realm=trunk.realm,
                encryption=MediaEncryption(trunk.srtp),
                may_open_keys=trunk.srtp_over_plain_sip,
                rules=self.lines.rules(trunk.name),
                is_lab=trunk.name == LAB_TRUNK,
                reliable_provisional=trunk.reliable_provisional,
                follow_redirects=trunk.follow_redirects,
                dtmf=_DTMF_MODES[trunk.dtmf],
            )
            for trunk in self.trunks
        ]

    def codecs_of(self, trunk: str) -> tuple[str, ...]:
        """The allowed codecs of a trunk by name."""
        return next(one.codecs for one in self.trunks if one.name == trunk)

    def caller_options(self, call: IncomingCall) -> LegOptions:
        """How media of a call that comes may be encrypted, and takes digits: as the settings of the trunk say."""
        trunk = next((trunk for trunk in self.trunks if trunk.name == call.trunk), None)
        if trunk is None:  # a phone: as it wants, unless its connection demands it
            return LegOptions(encryption=MediaEncryption.OPTIONAL, may_send_keys=call.is_secure)
        may_send_keys = call.is_secure or trunk.srtp_over_plain_sip
        return LegOptions(
            dtmf=_DTMF_MODES[trunk.dtmf], encryption=MediaEncryption(trunk.srtp), may_send_keys=may_send_keys
        )

    def uri_for_lab(self) -> str:
        """Where the lab trunk calls us: a listener that loopback reaches. It speaks no TLS."""
        listeners = [one for one in self.endpoint.listeners if one.transport != "tls"] or self.endpoint.listeners
        best = next((one for one in listeners if one.host.startswith(("127.", "0."))), listeners[0])
        host = "127.0.0.1" if best.host == "0.0.0.0" else best.host  # noqa: S104 -- compared, not bound
        return f"sip:{f'[{host}]' if ':' in host else host}:{best.port};transport={best.transport}"

    def _tls(self) -> TlsContexts | None:
        config = self._config
        if not any(transport == "tls" for transport, _, _ in config.sip.listen):
            return None
        return TlsContexts(
            config.sip_tls, make_certificate=self._own_certificate, authorities=authorities_of(self.trunks)
        )

    def _own_certificate(self) -> KeyPair:
        """The one that the HTTP listeners show as well."""
        settings = self._config.certified
        made = from_own_authority(settings.data_dir, certificate_names(settings), now=utc_now())
        return KeyPair(cert=made.cert, key=made.key)

    def _make_registrar(self) -> Registrar:
        config = self._config
        guard = PhoneGuard(
            config.registrar,
            realm=config.sip.domain,
            login=self._digest_logins.login,
            on_offence=lambda source, offence: self.endpoint.offend(source, Offence(offence)),
        )
        return Registrar(
            config.registrar,
            guard=guard,
            domain=config.sip.domain,
            idle_timeout=config.sip.idle_timeout,
            is_proxy=lambda source: self.agent.is_trunk(source),
        )


def _with_lab(
    trunks: tuple[TrunkSettings, ...], lab: LabTrunk | None, *, codecs: tuple[str, ...]
) -> tuple[TrunkSettings, ...]:
    if lab is None:
        return trunks
    return *trunks, TrunkSettings(name=LAB_TRUNK, uri=lab.address.uri(), codecs=codecs, accept_from=LOOPBACK)
