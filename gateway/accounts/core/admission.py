"""Whether a call may be made, and as whom: what the fields of connections and profiles forbid and change.

Pure: who asks has looked everything up. Source: rest-v2 A.2.1, A.3, H.1 (the codes), and H.1's order where it has one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from gateway.accounts.core.connection import AniOverride, ConnectionSettings, SipUriCalling
from gateway.accounts.core.profile import ProfileSettings
from gateway.domain.causes import CALL_REJECTED, REJECTIONS, SERVICE_NOT_IMPLEMENTED, Cause

NO_CALL_CONTROL: Final = Cause(
    SERVICE_NOT_IMPLEMENTED.name,
    SERVICE_NOT_IMPLEMENTED.code,
    501,
    "Call parking needs Call Control, which is not here",
)
"""A parked call waits for commands that nobody could give (`outbound.call_parking_enabled`)."""

SPENT: Final = Cause(
    CALL_REJECTED.name, CALL_REJECTED.code, 403, "Daily spend limit of the outbound voice profile reached"
)
"""Without a code of the service: the specification has none for it."""

TOO_OFTEN: Final = Cause(CALL_REJECTED.name, CALL_REJECTED.code, 403, "Calls per hour of the connection exceeded")
"""A limit of ours (`[calls] max_outbound_calls_per_hour`)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """A connection whose client calls or is called.

    Attributes:
        is_local: made on the command line, which needs neither profile nor caller id.
        profile: its outbound voice profile; None without one.
    """

    connection_id: str
    is_active: bool
    is_local: bool
    settings: ConnectionSettings
    profile: "Profile | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An outbound voice profile, as far as calls go by it."""

    profile_id: str
    is_enabled: bool
    settings: ProfileSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Calls that are live now, the one that asks not among them.

    Attributes:
        account: calls to trunks.
        connection: those of the connection.
        profile: those of all connections of the profile.
        inbound: calls to clients of the connection that is called.
        last_hour: calls to trunks that the connection has begun within the last hour, ended ones as well.
        spent_today: USD that calls of the profile's connections have cost since midnight UTC, live ones as far as they
            have got.
    """

    account: int = 0
    connection: int = 0
    profile: int = 0
    inbound: int = 0
    last_hour: int = 0
    spent_today: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a call to a trunk goes.

    Attributes:
        country: ISO 3166-1 alpha-2; None for a number of no country's plan.
        is_emergency: whether it is an emergency number.
        rate: USD a minute.
    """

    number: str
    country: str | None
    is_emergency: bool
    rate: Decimal


def caller_id(settings: ConnectionSettings, shown: str, destination: Destination) -> str:
    """The number that the called side sees: the one shown by the client, or `outbound.ani_override`."""
    outbound = settings.outbound
    if not outbound.ani_override:
        return shown
    match outbound.ani_override_type:
        case AniOverride.ALWAYS:
            is_replaced = True
        case AniOverride.NORMAL:
            is_replaced = not destination.is_emergency
        case AniOverride.EMERGENCY:
            is_replaced = destination.is_emergency
    return outbound.ani_override if is_replaced else shown


def refuse_outbound(
    caller: Party,
    destination: Destination,
    number: str,
    load: Load,
    *,
    account_limit: int | None,
    hourly_limit: int | None = None,
) -> Cause | None:
    """Why a call to a trunk may not be made, None if it may.

    Args:
        number: as `caller_id` has it.
        account_limit: calls to trunks that may be live at once.
        hourly_limit: calls to trunks that one connection may begin within an hour.
    """
    own = refuse_caller(caller, load)
    if own is not None:
        return own
    if account_limit is not None and load.account >= account_limit:
        return REJECTIONS["D1"]
    if hourly_limit is not None and load.last_hour >= hourly_limit:
        return TOO_OFTEN
    if caller.profile is None:
        return None if caller.is_local else REJECTIONS["D38"]
    return _refuse_by_profile(caller.profile, destination, number, load, is_local=caller.is_local)


def refuse_caller(caller: Party, load: Load) -> Cause | None:
    """Why a client may not call anybody, None if it may."""
    if not caller.is_active:
        return REJECTIONS["D18"]
    if caller.settings.outbound.call_parking_enabled:
        return NO_CALL_CONTROL
    limit = caller.settings.outbound.channel_limit
    if limit is not None and load.connection >= limit:
        return REJECTIONS["D3"]
    return None


def refuse_inbound(
    called: Party, load: Load, *, is_by_uri: bool, is_from_client: bool, has_own_name: bool
) -> Cause | None:
    """Why a client may not be called, None if it may.

    Args:
        is_by_uri: whether its user name was dialled, not a number.
        is_from_client: whether another client of this gateway calls.
        has_own_name: whether the user name is the connection's own: a generated one can always be called (A.1.5).
    """
    if not called.is_active:
        return REJECTIONS["D18"]
    limit = called.settings.inbound.channel_limit
    if limit is not None and load.inbound >= limit:
        return REJECTIONS["D22"]
    if is_by_uri and has_own_name:
        match called.settings.sip_uri_calling_preference:
            case SipUriCalling.DISABLED:
                return REJECTIONS["D30"]
            case SipUriCalling.INTERNAL | None if not is_from_client:
                return REJECTIONS["D30"]
    return None


def _refuse_by_profile(
    profile: Profile, destination: Destination, number: str, load: Load, *, is_local: bool
) -> Cause | None:
    settings = profile.settings
    rules: Mapping[str, bool] = {
        "D10": not profile.is_enabled,
        "D11": destination.country is None,
        "D12": destination.country not in settings.whitelisted_destinations,
        "D24": settings.max_destination_rate is not None
        and destination.rate > Decimal(str(settings.max_destination_rate)),
        "D35": not is_local and not is_e164(number),
        "D2": settings.concurrent_call_limit is not None and load.profile >= settings.concurrent_call_limit,
    }
    broken = next((REJECTIONS[code] for code, is_broken in rules.items() if is_broken), None)
    return SPENT if broken is None and _is_spent(settings, destination, load) else broken


def _is_spent(settings: ProfileSettings, destination: Destination, load: Load) -> bool:
    """Whether the first minute of the call would go beyond what the profile may spend today."""
    if not settings.daily_spend_limit_enabled or settings.daily_spend_limit is None:
        return False
    return load.spent_today + destination.rate > Decimal(settings.daily_spend_limit)


def is_e164(number: str) -> bool:
    """`+`, a country code and a number, 8 to 15 digits together (ITU-T E.164)."""
    digits = number.removeprefix("+")
    return (
        number.startswith("+") and digits.isascii() and digits.isdigit() and 8 <= len(digits) <= 15 and digits[0] != "0"
    )
