"""Keeps our registration at one trunk alive: the shell of `core.registration`."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import TRUNK_REGISTERED, TRUNK_REGISTRATIONS
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Request, Response
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.settings import TrunkSettings
from gateway.trunks.core.registration import Registrant, Registration, State
from gateway.trunks.exchange import ask
from gateway.trunks.stopping import Stopping

END_TIMEOUT: Final = 2.0
"""Seconds that a registrar has to take our last request; the binding runs out by itself otherwise."""

_log = get_logger()


class TrunkRegistration:
    """One registration, made, renewed, and taken back at the end.

    Args:
        tokens: unguessable tags, Call-IDs and client nonces.
        random: from 0 up to but not including 1, for waiting times.
    """

    def __init__(
        self,
        trunk: TrunkSettings,
        endpoint: Endpoint,
        *,
        user_agent: str,
        tokens: Callable[[], str],
        random: Callable[[], float],
    ) -> None:
        assert trunk.username is not None and trunk.password is not None
        self._name, self._user, self._endpoint = trunk.name, trunk.username, endpoint
        self._stopping = Stopping()
        self._host: str | None = None
        self._was_bound = False
        self._release: Callable[[], None] | None = None
        host = SipUri.parse(trunk.uri).host
        self._core = Registration(
            Registrant(
                registrar=trunk.uri,
                username=trunk.username,
                domain=trunk.domain or host,
                expires=trunk.register_expires,
                user_agent=user_agent,
            ),
            call_id=tokens() + tokens(),
            from_tag=tokens(),
            authentication=Authentication(
                trunk.username, trunk.password, hosts=(host,), realm=trunk.realm, new_cnonce=tokens
            ),
            random=random,
            now=self._now(),
        )
        TRUNK_REGISTERED.labels(self._name).set(0)

    @property
    def state(self) -> State:
        """See `State`."""
        return self._core.state

    @property
    def is_bound(self) -> bool:
        """Whether the registrar sends calls to us."""
        return self._core.is_bound(self._now())

    @property
    def registrar_host(self) -> str | None:
        """The address that has granted the binding, as long as it holds."""
        return self._host if self.is_bound else None

    @property
    def service_route(self) -> tuple[str, ...]:
        """Routes for requests of ours, as long as the binding holds."""
        return self._core.service_route if self.is_bound else ()

    async def run(self) -> None:
        """Until `stop`; then the binding is taken back, within `END_TIMEOUT`."""
        while not await self._stopping.comes_before(self._core.deadline):
            await self._stopping.interrupts(self._attempt())
        self._let_go()
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await self._end()
        except TimeoutError:
            _log.warning("trunk_still_registered", trunk=self._name)

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._stopping.wish()

    async def _attempt(self) -> None:
        try:
            destination = await self._endpoint.resolve(self._core.target)
        except SipError as error:
            self._core.lost(self._now())
            self._tell(detail=str(error))
            return
        contact = self._endpoint.contact_uri(self._user, destination)
        detail = await self._converse(self._core.begin(contact, self._now()), destination)
        self._let_go()
        if self._core.state is State.REGISTERED:
            self._host = destination.host
            self._release = self._endpoint.hold(destination, self._on_flow_lost)
        self._tell(detail=detail)

    async def _converse(self, request: Request | None, destination: Destination) -> str:
        """Ask as often as the registrar's answers lead to another request; the last answer in words."""
        detail = ""
        while request is not None:
            outcome = await ask(self._endpoint, request, destination)
            if isinstance(outcome, Response):
                detail = f"{outcome.status} {outcome.reason}"
                request = self._core.receive(outcome, self._now())
            else:
                self._core.lost(self._now())
                return f"no answer ({outcome})"
        return detail

    async def _end(self) -> None:
        request = self._core.end(self._now())
        TRUNK_REGISTERED.labels(self._name).set(0)
        if request is None:
            return
        try:
            destination = await self._endpoint.resolve(self._core.target)
        except SipError as error:
            _log.warning("trunk_still_registered", trunk=self._name, detail=str(error))
            return
        detail = await self._converse(request, destination)
        _log.info("trunk_unregistered", trunk=self._name, detail=detail)

    def _let_go(self) -> None:
        if self._release is not None:
            self._release()
            self._release = None

    def _on_flow_lost(self) -> None:
        self._core.flow_lost(self._now())
        self._stopping.wake(self._core.deadline)

    def _tell(self, *, detail: str) -> None:
        core, is_bound = self._core, self.is_bound
        TRUNK_REGISTERED.labels(self._name).set(1 if is_bound else 0)
        TRUNK_REGISTRATIONS.labels(self._name, core.state.value).inc()
        if core.state is State.REGISTERED:
            if not self._was_bound:
                _log.info("trunk_registered", trunk=self._name, expires_s=core.granted)
        else:
            pause = 0.0 if core.deadline is None else max(0.0, core.deadline - self._now())
            _log.warning(
                "trunk_registration_failed",
                trunk=self._name,
                status=core.status,
                detail=detail[:200],
                retry_s=round(pause, 1),
            )
        self._was_bound = is_bound

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
