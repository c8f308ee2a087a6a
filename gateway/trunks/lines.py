"""All trunks: in which order a call tries them, which calls they take, and the tasks that keep them up."""

import asyncio
import random as random_numbers
import secrets
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final, Protocol, Self

from gateway.domain.ids import Sdp
from gateway.sip.call import (
    ArrivingCall,
    DepartingCall,
    IncomingCall,
    OnSipCallEvent,
    OutgoingCall,
    Rejected,
    SipCallEvent,
    Target,
)
from gateway.sip.endpoint import Endpoint
from gateway.sip.trunk_settings import TrunkSettings
from gateway.trunks.core.choice import in_order
from gateway.trunks.core.rules import TrunkRules, read
from gateway.trunks.line import TrunkLine, TrunkStatus

CONGESTION: Final = 34
"""Q.850: no circuit available."""

_FULL: Final = Rejected(503, "Trunk Limit Reached", CONGESTION)


def _token() -> str:
    return secrets.token_hex(8)


class InviteFunction(Protocol):
    """`sip.ua.UserAgent.invite`."""

    def __call__(
        self, target: Target, sdp: Sdp, on_event: OnSipCallEvent, *, refusal: Rejected | None = None
    ) -> DepartingCall: ...


class TrunkLines:
    """The trunks of a gateway. `async with lines:` keeps them up and takes the registrations back at the end.

    Args:
        trunks: the lab trunk among them.
        invite: sends the INVITEs that were admitted.
        on_incoming: takes the calls that were admitted.
        random: from 0 up to but not including 1, for the choice by weight and for waiting times.
    """

    def __init__(
        self,
        trunks: Sequence[TrunkSettings],
        *,
        endpoint: Endpoint,
        user_agent: str,
        invite: InviteFunction,
        on_incoming: Callable[[IncomingCall], None],
        tokens: Callable[[], str] = _token,
        random: Callable[[], float] = random_numbers.random,
    ) -> None:
        self._invite, self._on_incoming, self._random = invite, on_incoming, random
        self._lines = {
            trunk.name: TrunkLine(trunk, endpoint, user_agent=user_agent, tokens=tokens, random=random)
            for trunk in trunks
        }
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._group = await asyncio.TaskGroup().__aenter__()
        for name, line in self._lines.items():
            if line.registration is not None:
                self._group.create_task(line.registration.run(), name=f"registration-{name}")
            if line.probing is not None:
                self._group.create_task(line.probing.run(), name=f"probing-{name}")
        return self

    async def __aexit__(self, *_exc_info: object) -> None:
        group, self._group = self._group, None
        assert group is not None
        for line in self._lines.values():
            if line.registration is not None:
                line.registration.stop()
            if line.probing is not None:
                line.probing.stop()
        await group.__aexit__(None, None, None)

    def status(self) -> tuple[TrunkStatus, ...]:
        """What operators see, in the order of the settings."""
        return tuple(line.status for line in self._lines.values())

    def rules(self, name: str) -> TrunkRules:
        """How that trunk wants calls."""
        return self._lines[name].rules

    def in_order(self, names: Sequence[str]) -> tuple[str, ...]:
        """Those trunks in the order in which a call now tries them; those that are out of order only if all are."""
        return in_order([self._lines[name].candidate for name in names], self._random)

    def find_registrar(self, host: str, request_uri: str) -> TrunkSettings | None:
        """The trunk without `accept_from` whose registrar has that address, while we are registered there.

        Of several accounts at one registrar it is the one whose user name the Request-URI names, else the first.
        """
        found = [
            line.trunk
            for line in self._lines.values()
            if line.registration is not None and not line.trunk.accept_from and line.registration.registrar_host == host
        ]
        named = (trunk for trunk in found if request_uri.startswith(f"sip:{trunk.username}@"))
        return next(named, next(iter(found), None))

    def invite(self, target: Target, sdp: Sdp, on_event: OnSipCallEvent) -> OutgoingCall:
        """As `UserAgent.invite`, through `target.trunk`; `Rejected` with congestion (Q.850: 34) where that is full."""
        line = self._lines.get(target.trunk)
        if line is None:
            return self._invite(target, sdp, on_event)
        if line.take_call("out") is not None:
            return self._invite(target, sdp, on_event, refusal=_FULL)

        def listen(event: SipCallEvent) -> None:
            line.note(event)
            on_event(event)

        if line.registration is not None:
            target = replace(target, routes=[f"<{uri}>" for uri in line.registration.service_route])
        call = self._invite(target, sdp, listen)
        call.when_over(line.release_call)
        return call

    def incoming(self, call: ArrivingCall) -> None:
        """A trunk calls: pass it on as its rules show it, or 503 with Retry-After where a limit is met.

        A phone of a user calls as well: no trunk's rules and limits are for it.
        """
        line = self._lines.get(call.trunk)
        if line is None:
            self._on_incoming(call)
            return
        over = line.take_call("in")
        if over is not None:
            call.reject(503, "Service Unavailable", q850=CONGESTION, retry_after=over.retry_after)
            return
        call.when_over(line.release_call)
        view = read(call.invite, call.request_user, line.rules)
        call.show(
            called=view.called,
            caller_number=view.caller.number,
            caller_name=view.caller.name,
            headers=view.headers,
        )
        self._on_incoming(call)
