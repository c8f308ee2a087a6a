"""Asks one trunk every now and then whether it is alive (RFC 3261 section 11): the shell of `core.health`."""

import asyncio
from collections.abc import Callable
from typing import Final

from gateway.observability.logging import get_logger
from gateway.observability.metrics import TRUNK_PROBES, TRUNK_STATE
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Headers, Request, Response
from gateway.sip.endpoint import Destination, Endpoint
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.core.health import Health, HealthCheck
from gateway.trunks.exchange import ask, under_contact
from gateway.trunks.turns import Turns

ANSWER_TIMEOUT: Final = 5.0
"""Seconds for an answer; a trunk that needs longer to say that it is there would not carry a call in time."""

_log = get_logger()


class TrunkProbing:
    """The probes of one trunk.

    Args:
        tokens: unguessable tags and Call-IDs.
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
        self._trunk, self._endpoint, self._user_agent = trunk, endpoint, user_agent
        self._tokens, self._random = tokens, random
        self._turns = Turns()
        self._core = HealthCheck(interval=trunk.health_interval, now=self._now())
        self._number = 0
        self._show()

    @property
    def health(self) -> Health:
        """What is known of the trunk."""
        return self._core.health

    async def run(self) -> None:
        """Until `stop`."""
        while not await self._turns.end_before(self._core.deadline):
            await self._turns.work(self._probe())

    def stop(self) -> None:
        """Have `run` come to its end."""
        self._turns.stop()

    async def _probe(self) -> None:
        status = await self._status()
        TRUNK_PROBES.labels(self._trunk.name, "silence" if status is None else f"{status // 100}xx").inc()
        if not self._core.take(status, self._now(), random=self._random()):
            return
        self._show()
        if self._core.health is Health.DOWN:
            _log.warning("trunk_down", trunk=self._trunk.name, status=status)
        else:
            _log.info("trunk_up", trunk=self._trunk.name, status=status)

    async def _status(self) -> int | None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                destinations = await self._endpoint.resolve_all(self._trunk.uri)
                request = self._request(self._contact(destinations[0]))
                outcome = await ask(self._endpoint, request, destinations, prepare=self._prepare)
        except (TimeoutError, SipError):
            return None
        return outcome.answer.status if isinstance(outcome.answer, Response) else None

    def _contact(self, destination: Destination) -> str:
        return self._endpoint.contact_uri("", destination, is_sips=self._trunk.uri.startswith("sips:"))

    def _prepare(self, request: Request, destination: Destination) -> Request:
        return under_contact(request, self._contact(destination))

    def _request(self, contact: str) -> Request:
        uri = SipUri.parse(self._trunk.uri)
        ours = SipUri.parse(contact).host
        self._number += 1
        headers = Headers(
            (
                ("From", f"<{SipUri(scheme='sip', host=self._trunk.domain or ours)}>;tag={self._tokens()}"),
                ("To", f"<{SipUri(scheme='sip', host=uri.host)}>"),
                ("Call-ID", self._tokens() + self._tokens()),
                ("CSeq", f"{self._number} OPTIONS"),
                ("Contact", f"<{contact}>"),
                ("Accept", "application/sdp"),
                ("User-Agent", self._user_agent),
            )
        )
        return Request("OPTIONS", self._trunk.uri, headers)

    def _show(self) -> None:
        for health in Health:
            TRUNK_STATE.labels(self._trunk.name, health.value).set(1 if health is self._core.health else 0)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
