"""Live calls by every name they have: ours, that of a client, and that of a trunk."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from gateway.b2bua.core.call import State
from gateway.b2bua.legs.base import Leg
from gateway.b2bua.legs.sip import user_of
from gateway.b2bua.legs.verto import VertoLeg
from gateway.b2bua.runner import CallRunner
from gateway.domain.facts import CallTransferred
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.media.engine import LegStats
from gateway.media.quality import Sample

Found = tuple[CallRunner, LegName]
"""A call, and the place in it that was looked for."""


class CallNames(Protocol):
    """Who is told by which names the far ends know a call, before anything is sent under them; must not block."""

    def name_client(self, call_id: CallId, session_id: SessionId, verto_call_id: VertoCallId) -> None:
        """A client knows it by that id; one that knew another call by it has moved here."""

    def name_dialog(self, call_id: CallId, sip_call_id: SipCallId) -> None:
        """It has a SIP dialog of that Call-ID, or has got it from another call."""


class NoNames:
    """Nobody wants to know."""

    def name_client(self, call_id: CallId, session_id: SessionId, verto_call_id: VertoCallId) -> None:
        """See `CallNames`."""

    def name_dialog(self, call_id: CallId, sip_call_id: SipCallId) -> None:
        """See `CallNames`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLeg:
    """A client in a live call.

    Attributes:
        leg_id: `telnyx_leg_id`, as the client saw it.
        is_caller: whether the client called, not we it.
    """

    leg_id: str
    session_id: SessionId
    verto_call_id: VertoCallId
    username: str
    connection_id: str | None
    is_caller: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSnapshot:
    """A live call as the console and the API show it."""

    call_id: CallId
    direction: Direction
    caller: str
    callee: str
    state: str
    started_at: datetime
    answered_at: datetime | None
    codec_a: str
    codec_b: str
    is_held: bool
    connection_id: str | None
    session_id: SessionId | None
    verto_call_id: VertoCallId | None
    sip_call_id: SipCallId | None
    trunk: str | None
    stats: dict[str, LegStats]
    client_state: str | None = None
    transfers: tuple[CallTransferred, ...] = ()
    client_legs: tuple[ClientLeg, ...] = ()
    phone_connection_ids: frozenset[str] = frozenset()
    """Connections of its SIP phones."""

    @property
    def connection_ids(self) -> frozenset[str]:
        """Connections of its clients and phones."""
        clients = (leg.connection_id for leg in self.client_legs if leg.connection_id is not None)
        return self.phone_connection_ids.union(clients)


@dataclass(frozen=True, slots=True)
class CallQuality:
    """How good the media of a call is; values of JSON, as `media.quality` writes them.

    Attributes:
        legs: all in all, by their letters.
        samples: of its last seconds, oldest first, by the same letters.
    """

    legs: Mapping[str, Mapping[str, object]]
    samples: Mapping[str, Sequence[Mapping[str, object]]] = field(default_factory=dict)


def shown_samples(
    history: Mapping[LegName, Sequence[Sample]], began: float, after: float
) -> dict[str, list[dict[str, object]]]:
    """Samples that are younger than `after` seconds of a call that began then; a millisecond is nothing new."""
    return {
        leg.value: [sample.to_json(began) for sample in samples if sample.at - began >= after + 0.001]
        for leg, samples in history.items()
    }


@dataclass(slots=True)
class LiveCall:
    """One live call with what it is found by."""

    runner: CallRunner
    caller: str
    callee: str
    connection_id: str | None
    session_id: SessionId | None
    verto_call_id: VertoCallId | None
    verto_legs: dict[tuple[SessionId, VertoCallId], VertoLeg]
    client_state: str | None = None
    """What the calling client's application wants to hear again with every event of the call; never read here."""

    def name_after(self, leg: VertoLeg) -> None:
        """A call that no client made is shown with the client that it came to."""
        if self.session_id is None:
            self.session_id, self.verto_call_id = leg.session.session_id, leg.verto_call_id
            self.connection_id = self.connection_id or leg.session.identity.connection_id

    def snapshot(self) -> CallSnapshot:
        """As it stands now."""
        runner, journal = self.runner, self.runner.journal
        stats = runner.stats()
        codecs = {leg: stats[leg].codec if leg in stats else "" for leg in LegName}
        return CallSnapshot(
            call_id=runner.call_id,
            direction=journal.direction,
            caller=self.caller,
            callee=self.callee,
            state="held" if runner.is_held and runner.state is State.ACTIVE else runner.state.value,
            started_at=journal.started_at,
            answered_at=journal.answered_at,
            codec_a=codecs[LegName.A],
            codec_b=codecs[LegName.B],
            is_held=runner.is_held,
            connection_id=self.connection_id,
            session_id=self.session_id,
            verto_call_id=self.verto_call_id,
            sip_call_id=runner.sip_call_id,
            trunk=runner.trunk,
            stats={leg.value: figures for leg, figures in stats.items()},
            transfers=journal.transfers,
            client_state=self.client_state,
            client_legs=tuple(_client_leg(leg) for leg in self.verto_legs.values()),
            phone_connection_ids=frozenset(self._phone_connections()),
        )

    def quality(self, after: float) -> CallQuality:
        """How good it is, with the samples younger than so many seconds of it."""
        journal = self.runner.journal
        return CallQuality(journal.quality(), shown_samples(self.runner.history(), journal.began, after))

    def _phone_connections(self) -> Iterator[str]:
        for name in LegName:
            leg = self.runner.leg_opposite(name)
            identity = user_of(leg)
            if identity is not None and identity.connection_id is not None:
                yield identity.connection_id


def _client_leg(leg: VertoLeg) -> ClientLeg:
    identity = leg.session.identity
    return ClientLeg(
        leg_id=leg.leg_id,
        session_id=leg.session.session_id,
        verto_call_id=leg.verto_call_id,
        username=identity.username,
        connection_id=identity.connection_id,
        is_caller=not leg.was_called,
    )


class CallIndex:
    """Oldest first. Whoever makes a call adds it, and removes it when it is over."""

    def __init__(self, names: CallNames) -> None:
        self.names = names
        self._calls: dict[CallId, LiveCall] = {}
        self._by_verto: dict[tuple[SessionId, VertoCallId], tuple[CallId, VertoLeg]] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def __len__(self) -> int:
        return len(self._calls)

    def __iter__(self) -> Iterator[LiveCall]:
        return iter(list(self._calls.values()))

    def add(self, call: LiveCall) -> None:
        """A call begins."""
        self._calls[call.runner.call_id] = call
        self._empty.clear()
        for key, leg in call.verto_legs.items():
            self._by_verto[key] = (call.runner.call_id, leg)
            self.names.name_client(call.runner.call_id, *key)

    def remove(self, call: LiveCall) -> None:
        """A call is over."""
        self._calls.pop(call.runner.call_id, None)
        for key in call.verto_legs:
            self._by_verto.pop(key, None)
        if not self._calls:
            self._empty.set()

    async def until_none(self) -> None:
        """Wait until no call is left."""
        await self._empty.wait()

    # ---- finding

    def get(self, call_id: CallId) -> LiveCall | None:
        """By our own id."""
        return self._calls.get(call_id)

    def of_client(self, session_id: SessionId, verto_call_id: VertoCallId) -> tuple[LiveCall, VertoLeg] | None:
        """By the id that a client knows, and which leg the client is in it."""
        found = self._by_verto.get((session_id, verto_call_id))
        return None if found is None else (self._calls[found[0]], found[1])

    def legs_of(self, session_id: SessionId) -> list[tuple[VertoCallId, VertoLeg]]:
        """What a session has, with the id that each goes by."""
        return [(name, leg) for (owner, name), (_, leg) in self._by_verto.items() if owner == session_id]

    def client_legs_of(self, call_id: CallId) -> list[VertoLeg]:
        """The clients' legs of a call, those that ring among them."""
        call = self._calls.get(call_id)
        return [] if call is None else list(call.verto_legs.values())

    def runner_of(self, call_id: CallId) -> CallRunner | None:
        """Who owns that call."""
        call = self._calls.get(call_id)
        return None if call is None else call.runner

    def runner_of_verto(self, session_id: SessionId, verto_call_id: VertoCallId) -> Found | None:
        """The call of a client, and where it is in it."""
        found = self._by_verto.get((session_id, verto_call_id))
        if found is None or (runner := self.runner_of(found[0])) is None:
            return None
        name = runner.find_leg(lambda leg: leg is found[1])
        return None if name is None else (runner, name)

    def runner_of_sip(self, sip_call_id: SipCallId) -> Found | None:
        """The call with that dialog, and where it is in it."""
        for call in self._calls.values():
            name = call.runner.find_leg(lambda leg: leg.sip_call_id == sip_call_id)
            if name is not None:
                return call.runner, name
        return None

    # ---- naming

    def index(self, call_id: CallId, leg: VertoLeg) -> None:
        """That leg belongs to that call, and is found by its id."""
        key = (leg.session.session_id, leg.verto_call_id)
        self._calls[call_id].verto_legs[key] = leg
        self._by_verto[key] = (call_id, leg)
        self.names.name_client(call_id, *key)

    def rename(self, former: VertoCallId, leg: VertoLeg) -> None:
        """A call that rings again goes by another id."""
        old = (leg.session.session_id, former)
        call_id, _ = self._by_verto[old]
        call = self._calls[call_id]
        del call.verto_legs[old], self._by_verto[old]
        self.index(call_id, leg)
        if call.verto_call_id == former:
            call.verto_call_id = leg.verto_call_id

    def take_over(self, call_id: CallId, leg: Leg) -> None:
        """A leg of another call belongs to that one from now on."""
        if isinstance(leg, VertoLeg):
            for call in self._calls.values():
                call.verto_legs.pop((leg.session.session_id, leg.verto_call_id), None)
            self.index(call_id, leg)
        elif leg.sip_call_id is not None:
            self.names.name_dialog(call_id, leg.sip_call_id)

    def let_go(self, call_id: CallId, leg: Leg) -> None:
        """A leg belongs to that call no longer."""
        call = self._calls.get(call_id)
        if isinstance(leg, VertoLeg) and call is not None:
            key = (leg.session.session_id, leg.verto_call_id)
            call.verto_legs.pop(key, None)
            self._by_verto.pop(key, None)

    def seat(self, call_id: CallId, name: LegName, leg: Leg) -> None:
        """Somebody else is on that side of the call."""
        call = self._calls[call_id]
        if name is LegName.A:
            call.caller = leg.party.number
        else:
            call.callee = leg.party.number


__all__ = ["CallIndex", "CallNames", "CallSnapshot", "Found", "LiveCall", "NoNames"]
