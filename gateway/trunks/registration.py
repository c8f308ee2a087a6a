"""Keeps our registration at one trunk alive: the shell of `core.registration`."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import TRUNK_REGISTERED, TRUNK_REGISTRATIONS
from gateway.sip.core.authentication import Authentication
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Request, Response
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.core.registration import Registrant, Registration, State
from gateway.trunks.exchange import ask, under_contact
from gateway.trunks.turns import Turns

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
        self._turns = Turns()
        self._registrar: Destination | None = None
        """The address that answered last."""
        self._held: tuple[Destination, Callable[[], None]] | None = None
        """The address whose connection is kept for calls to us, and what lets it go."""
        self._was_bound = False
        uri = SipUri.parse(trunk.uri)
        host, self._is_sips = uri.host, uri.scheme == "sips"
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
        return self._registrar.host if self._registrar is not None and self.is_bound else None

    @property
    def service_route(self) -> tuple[str, ...]:
        """Routes for requests of ours, as long as the binding holds."""
        return self._core.service_route if self.is_bound else ()

    async def run(self) -> None:
        """Until `stop`; then the binding is taken back, within `END_TIMEOUT`."""
        while not await self._turns.end_before(self._core.deadline):
            await self._turns.work(self._attempt())
        try:
            async with asyncio.timeout(END_TIMEOUT):
                await self._end()
        except TimeoutError:
            _log.warning("trunk_still_registered", trunk=self._name)
        finally:
            self._hold(None)

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._turns.stop()

    def _flow_lost(self) -> None:
        """The registrar's connection is gone: calls to us have lost their way."""
        if self._core.state is State.REGISTERED:
            self._core.renew(self._now())
            if self._core.deadline is not None:
                self._turns.wake(self._core.deadline)

    async def _attempt(self) -> None:
        try:
            destinations = await self._endpoint.resolve_all(self._core.target)
        except SipError as error:
            self._core.lost(self._now())
            self._tell(detail=str(error))
            return
        request = self._core.begin(self._contact(destinations[0]), self._now())
        detail = await self._converse(request, destinations)
        self._hold(self._registrar if self.is_bound else None)
        self._tell(detail=detail)

    def _hold(self, destination: Destination | None) -> None:
        """Keep the connection alive by which the registrar's calls come."""
        held = self._held
        if held is not None and held[0] == destination:
            return
        self._held = None if destination is None else (destination, self._endpoint.hold(destination, self._flow_lost))
        if held is not None:
            held[1]()

    async def _converse(self, request: Request | None, destinations: Sequence[Destination]) -> str:
        """Ask as often as the registrar's answers lead to another request; the last answer in words."""
        detail = ""
        while request is not None:
            outcome = await ask(self._endpoint, request, destinations, prepare=self._prepare)
            if outcome.source is not None:
                destinations, self._registrar = (outcome.source,), outcome.source
                self._core.sent_from(self._contact(outcome.source))
            if not isinstance(outcome.answer, Response):
                self._core.lost(self._now())
                return f"no answer ({outcome.answer})"
            detail = f"{outcome.answer.status} {outcome.answer.reason}"
            request = self._core.receive(outcome.answer, self._now())
        return detail

    def _contact(self, destination: Destination) -> str:
        return self._endpoint.contact_uri(self._user, destination, is_sips=self._is_sips)

    def _prepare(self, request: Request, destination: Destination) -> Request:
        return under_contact(request, self._contact(destination))

    async def _end(self) -> None:
        request, registrar = self._core.end(self._now()), self._registrar
        TRUNK_REGISTERED.labels(self._name).set(0)
        if request is None:
            return
        try:
            to = (registrar,) if registrar is not None else await self._endpoint.resolve_all(self._core.target)
        except SipError as error:
            _log.warning("trunk_still_registered", trunk=self._name, detail=str(error))
            return
        _log.info("trunk_unregistered", trunk=self._name, detail=await self._converse(request, to))

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
