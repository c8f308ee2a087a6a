"""Lets calls through or refuses them, by what their connections and profiles allow, and counts those that live."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.accounts.connections import settings_of
from gateway.accounts.core.admission import (
    Destination,
    Load,
    Party,
    Profile,
    caller_id,
    refuse_caller,
    refuse_inbound,
    refuse_outbound,
)
from gateway.accounts.core.frequency import HourlyCounts
from gateway.accounts.core.numbering import look_up
from gateway.accounts.core.profile import ProfileSettings
from gateway.accounts.core.rating import charge
from gateway.accounts.lookups import Lookups
from gateway.domain.admission import Admitted
from gateway.domain.causes import REJECTIONS, Cause
from gateway.domain.facts import CallAnswered, CallEnded, Fact
from gateway.domain.identity import Identity
from gateway.domain.ids import CallId
from gateway.observability.clock import utc_now
from gateway.store.connections import Connection
from gateway.store.detail_records import DetailRecords


@dataclass(slots=True)
class _Seat:
    """A live call, as limits count it. `profile_id` and `rate` are those of a call to a trunk."""

    connection_id: str
    profile_id: str | None
    is_inbound: bool
    rate: Decimal = Decimal(0)
    answered_at: datetime | None = None

    def cost(self, now: datetime) -> Decimal:
        """What it costs if it ends now; one that is not answered yet counts as answered."""
        return charge(self.answered_at or now, now, self.rate).cost


class CallGate:
    """One per process. Between counting and taking a seat nothing else runs, so that a limit holds exactly."""

    def __init__(
        self,
        lookups: Lookups,
        details: DetailRecords,
        *,
        rate_of: Callable[[str], Decimal],
        account_limit: int | None = None,
        hourly_limit: int | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> None:
        """
        Args:
            rate_of: USD a minute to an E.164 number.
            account_limit: calls to trunks that may be live at once; None for any.
            hourly_limit: calls to trunks that one connection may begin within an hour; None for any.
        """
        self._lookups, self._details = lookups, details
        self._rate_of, self._account_limit, self._hourly_limit = rate_of, account_limit, hourly_limit
        self._now = now
        self._hours = HourlyCounts()
        self._seats: dict[CallId, list[_Seat]] = {}

    async def to_trunk(self, call_id: CallId, caller: Identity | None, dialled: str, shown: str) -> Admitted | Cause:
        """See `b2bua.admission.Admission`."""
        connection_id = self._payer(call_id) if caller is None else caller.connection_id
        if connection_id is None:
            return Admitted(shown)
        party = await self._party(connection_id)
        if party is None:
            return REJECTIONS["D25"]
        numbered = look_up(dialled, party.settings.outbound.localization)
        destination = Destination(
            number=numbered.e164,
            country=numbered.country,
            is_emergency=numbered.is_emergency,
            rate=self._rate_of(numbered.e164),
        )
        number = caller_id(party.settings, shown, destination)
        finished = await self._finished_today(party)
        load = self._load(party, finished)
        cause = refuse_outbound(
            party,
            destination,
            number,
            load,
            account_limit=self._account_limit,
            hourly_limit=self._hourly_limit,
        )
        if cause is not None:
            return cause
        profile_id = None if party.profile is None else party.profile.profile_id
        self._take(call_id, _Seat(party.connection_id, profile_id, is_inbound=False, rate=destination.rate))
        if self._hourly_limit is not None:
            self._hours.add(party.connection_id, self._now())
        return Admitted(number)

    async def to_client(
        self, call_id: CallId, username: str, connection_id: str | None, *, caller: Identity | None, is_by_uri: bool
    ) -> Cause | None:
        """See `b2bua.admission.Admission`."""
        if caller is not None and caller.connection_id is not None:
            calling = await self._party(caller.connection_id)
            refused = REJECTIONS["D25"] if calling is None else refuse_caller(calling, Load())
            if refused is not None:
                return refused
        found = await self._owner(username, connection_id)
        if found is None:
            return None
        called, has_own_name = found
        cause = refuse_inbound(
            called,
            Load(inbound=self._count(lambda seat: seat.is_inbound and seat.connection_id == called.connection_id)),
            is_by_uri=is_by_uri,
            is_from_client=caller is not None,
            has_own_name=has_own_name,
        )
        if cause is None:
            self._take(call_id, _Seat(called.connection_id, None, is_inbound=True))
        return cause

    def take(self, fact: Fact) -> None:
        """Hear a fact: an answered call begins to cost, one that is over gives up its seats."""
        if isinstance(fact, CallAnswered):
            for seat in self._seats.get(fact.call_id, ()):
                seat.answered_at = seat.answered_at or fact.at
        elif isinstance(fact, CallEnded):
            self._seats.pop(fact.call_id, None)

    def _take(self, call_id: CallId, seat: _Seat) -> None:
        self._seats.setdefault(call_id, []).append(seat)

    def _payer(self, call_id: CallId) -> str | None:
        """The connection that a live call counts for: the one whose client has called, else whose was called."""
        seats = sorted(self._seats.get(call_id, ()), key=lambda seat: seat.is_inbound)
        return seats[0].connection_id if seats else None

    async def _finished_today(self, caller: Party) -> Decimal:
        """What the profile's calls that have ended today have cost; 0 where nobody wants to know."""
        profile = caller.profile
        if profile is None or not profile.settings.daily_spend_limit_enabled:
            return Decimal(0)
        midnight = self._now().replace(hour=0, minute=0, second=0, microsecond=0)
        return await self._details.spent(profile.profile_id, since=midnight)

    def _load(self, caller: Party, finished_today: Decimal) -> Load:
        profile_id = None if caller.profile is None else caller.profile.profile_id
        now = self._now()
        live = (seat for seats in self._seats.values() for seat in seats if seat.profile_id == profile_id)
        return Load(
            last_hour=self._hours.count(caller.connection_id, now),
            spent_today=finished_today + sum((seat.cost(now) for seat in live if profile_id is not None), Decimal(0)),
            account=self._count(lambda seat: not seat.is_inbound),
            connection=self._count(lambda seat: not seat.is_inbound and seat.connection_id == caller.connection_id),
            profile=self._count(lambda seat: profile_id is not None and seat.profile_id == profile_id),
        )

    def _count(self, is_counted: Callable[[_Seat], bool]) -> int:
        return sum(is_counted(seat) for seats in self._seats.values() for seat in seats)

    async def _party(self, connection_id: str) -> Party | None:
        connection = await self._lookups.connection(connection_id)
        return None if connection is None else await self._of(connection)

    async def _owner(self, username: str, connection_id: str | None) -> tuple[Party, bool] | None:
        """The connection behind a user name, and whether it is its own."""
        connection = await self._lookups.named(username)
        has_own_name = connection is not None
        if connection is None and connection_id is None:
            credential = await self._lookups.credential(username)
            connection_id = None if credential is None else credential.connection_id
        if connection is not None:
            return await self._of(connection), has_own_name
        party = None if connection_id is None else await self._party(connection_id)
        return None if party is None else (party, has_own_name)

    async def _of(self, connection: Connection) -> Party:
        profile = None
        if connection.outbound_voice_profile_id is not None:
            row = await self._lookups.profile(connection.outbound_voice_profile_id)
            settings = ProfileSettings.model_validate(row.settings)
            profile = Profile(profile_id=row.profile_id, is_enabled=row.is_enabled, settings=settings)
        return Party(
            connection_id=connection.connection_id,
            is_active=connection.is_active,
            is_local=connection.is_local,
            settings=settings_of(connection),
            profile=profile,
        )
