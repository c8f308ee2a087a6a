"""What a trunk wants of the calls that it carries: numbers, identities and header fields, both ways. Pure."""

from dataclasses import dataclass, field

from gateway.domain.headers import CUSTOM, Crossing, HeaderList
from gateway.sip.core.message import Request
from gateway.sip.trunk_settings import IdentityField, TrunkSettings
from gateway.trunks.core.identity import Caller, diversion, find_caller, show, uri_user
from gateway.trunks.core.numbers import NumberPlan, parse_rules


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkRules:
    """See `TrunkSettings`.

    Attributes:
        domain: host of our From; empty: the gateway's domain.
        from_user: user part of our From; empty: the caller's.
        has_diversion: whether it is told who sent a call on.
    """

    numbers: NumberPlan = field(default_factory=NumberPlan)
    identity_out: tuple[IdentityField, ...] = ()
    identity_in: tuple[IdentityField, ...] = ()
    headers_out: HeaderList = CUSTOM
    headers_in: HeaderList = CUSTOM
    domain: str = ""
    from_user: str = ""
    has_diversion: bool = False


def rules_of(trunk: TrunkSettings) -> TrunkRules:
    """Raises ValueError: a rule that is none."""
    return TrunkRules(
        numbers=NumberPlan(
            format=trunk.number_format,
            country_code=trunk.country_code,
            national_prefix=trunk.national_prefix,
            international_prefix=trunk.international_prefix,
            called_out=parse_rules(trunk.rewrite_called_out),
            caller_out=parse_rules(trunk.rewrite_caller_out),
            called_in=parse_rules(trunk.rewrite_called_in),
            caller_in=parse_rules(trunk.rewrite_caller_in),
        ),
        identity_out=trunk.identity_out,
        identity_in=trunk.identity_in,
        headers_out=HeaderList(trunk.headers_out),
        headers_in=HeaderList(trunk.headers_in),
        domain=trunk.domain,
        from_user=(trunk.username or "") if trunk.from_username else "",
        has_diversion=trunk.diversion,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundCall:
    """A call for any trunk.

    Attributes:
        called: number or user part.
        domain: host of our From where the trunk wants no other.
        custom: header fields of the client.
        own: header fields of the gateway, which no list concerns.
        diverted_by: the number or name of who sent the call on, None when nobody did.
    """

    called: str
    caller: Caller
    domain: str
    custom: Crossing = ()
    own: Crossing = ()
    diverted_by: str | None = None


@dataclass(frozen=True, slots=True)
class Dressed:
    """The same for one trunk: user part of the Request-URI, From, and further header fields."""

    user: str
    from_uri: str
    from_name: str
    headers: Crossing


def dress(call: OutboundCall, rules: TrunkRules) -> Dressed:
    """The call as that trunk wants it."""
    domain = rules.domain or call.domain
    number = rules.numbers.write_caller(call.caller.number)
    caller = Caller(number=number, name=number if call.caller.name == call.caller.number else call.caller.name)
    shown = show(caller, rules.identity_out, domain=domain)
    from_uri = f"sip:{uri_user(rules.from_user)}@{domain}" if rules.from_user else shown.from_uri
    diverted = (
        () if call.diverted_by is None or not rules.has_diversion else _diversion(call.diverted_by, rules, domain)
    )
    headers = (*rules.headers_out.pick(call.custom), *call.own, *shown.headers, *diverted)
    return Dressed(rules.numbers.write_called(call.called), from_uri, shown.from_name, headers)


def _diversion(number: str, rules: TrunkRules, domain: str) -> Crossing:
    return diversion(rules.numbers.write_caller(number), domain=domain)


@dataclass(frozen=True, slots=True)
class InboundView:
    """An INVITE of a trunk as call control sees it."""

    called: str
    caller: Caller
    headers: Crossing


def read(invite: Request, called: str, rules: TrunkRules) -> InboundView:
    """The INVITE of a trunk with those rules.

    Args:
        called: the user part that it calls.
    """
    caller = find_caller(invite.headers, invite.from_, rules.identity_in)
    number = rules.numbers.read_caller(caller.number)
    return InboundView(
        rules.numbers.read_called(called),
        Caller(number=number, name=caller.name),
        rules.headers_in.pick(invite.headers.items()),
    )


__all__ = ["Dressed", "InboundView", "OutboundCall", "TrunkRules", "dress", "read", "rules_of"]
