"""Which call may be made, by every rule there is."""

from dataclasses import replace
from decimal import Decimal

import pytest

from gateway.accounts.core.admission import (
    NO_CALL_CONTROL,
    SPENT,
    TOO_OFTEN,
    Destination,
    Load,
    Party,
    Profile,
    caller_id,
    is_e164,
    refuse_inbound,
    refuse_outbound,
)
from gateway.accounts.core.connection import ConnectionSettings
from gateway.accounts.core.profile import ProfileSettings
from gateway.domain.causes import REJECTIONS, Cause

US = Destination(number="+12025550100", country="US", is_emergency=False, rate=Decimal("0.002"))
ME = "+12025550199"


def party(
    *,
    is_active: bool = True,
    is_local: bool = False,
    has_profile: bool = True,
    profile: object = None,
    **settings: object,
) -> Party:
    rules = ProfileSettings.model_validate(profile or {})
    return Party(
        connection_id="1",
        is_active=is_active,
        is_local=is_local,
        settings=ConnectionSettings.model_validate(settings),
        profile=Profile(profile_id="2", is_enabled=True, settings=rules) if has_profile else None,
    )


def verdict(caller: Party, to: Destination = US, *, number: str = ME, load: Load | None = None) -> Cause | None:
    return refuse_outbound(caller, to, number, load or Load(), account_limit=10)


def test_call_within_every_rule_may_be_made() -> None:
    assert verdict(party()) is None


@pytest.mark.parametrize(
    ("code", "caller", "to", "number", "load"),
    [
        ("D18", party(is_active=False), US, ME, Load()),
        ("D3", party(outbound={"channel_limit": 2}), US, ME, Load(connection=2)),
        ("D3", party(outbound={"channel_limit": 0}), US, ME, Load()),
        ("D1", party(), US, ME, Load(account=10)),
        ("D38", party(has_profile=False), US, ME, Load()),
        ("D11", party(), replace(US, country=None), ME, Load()),
        ("D12", party(), replace(US, country="GB"), ME, Load()),
        ("D12", party(profile={"whitelisted_destinations": []}), US, ME, Load()),
        ("D24", party(profile={"max_destination_rate": 0.001}), US, ME, Load()),
        ("D35", party(), US, "alice", Load()),
        ("D35", party(), US, "", Load()),
        ("D2", party(profile={"concurrent_call_limit": 1}), US, ME, Load(profile=1)),
    ],
)
def test_call_against_a_rule_is_refused_with_its_code(
    code: str, caller: Party, to: Destination, number: str, load: Load
) -> None:
    assert verdict(caller, to, number=number, load=load) == REJECTIONS[code]


def test_call_below_each_limit_may_be_made() -> None:
    caller = party(outbound={"channel_limit": 2}, profile={"concurrent_call_limit": 2, "max_destination_rate": 0.002})

    assert verdict(caller, load=Load(account=9, connection=1, profile=1)) is None


def test_disabled_profile_blocks_its_connections() -> None:
    caller = party()
    assert caller.profile is not None

    assert verdict(replace(caller, profile=replace(caller.profile, is_enabled=False))) == REJECTIONS["D10"]


def test_parked_call_is_refused_since_nobody_could_command_it() -> None:
    assert verdict(party(outbound={"call_parking_enabled": True})) == NO_CALL_CONTROL


def test_connection_of_the_command_line_needs_neither_profile_nor_caller_id() -> None:
    assert verdict(party(is_local=True, has_profile=False), number="alice") is None
    assert verdict(party(is_local=True), number="alice") is None


@pytest.mark.parametrize(
    ("kind", "is_emergency", "seen"),
    [
        ("always", False, "+1999"),
        ("always", True, "+1999"),
        ("normal", False, "+1999"),
        ("normal", True, ME),
        ("emergency", False, ME),
        ("emergency", True, "+1999"),
    ],
)
def test_caller_id_is_overridden_as_its_type_says(kind: str, is_emergency: bool, seen: str) -> None:
    settings = party(outbound={"ani_override": "+1999", "ani_override_type": kind}).settings

    assert caller_id(settings, ME, replace(US, is_emergency=is_emergency)) == seen


def test_caller_id_stays_without_an_override() -> None:
    assert caller_id(party().settings, "alice", US) == "alice"


@pytest.mark.parametrize(
    ("preference", "from_client", "from_trunk"),
    [("disabled", "D30", "D30"), ("internal", None, "D30"), (None, None, "D30"), ("unrestricted", None, None)],
)
def test_sip_uri_preference_says_who_may_call_the_user_name(
    preference: str | None, from_client: str | None, from_trunk: str | None
) -> None:
    called = party(sip_uri_calling_preference=preference)

    for is_from_client, code in ((True, from_client), (False, from_trunk)):
        cause = refuse_inbound(called, Load(), is_by_uri=True, is_from_client=is_from_client, has_own_name=True)
        assert cause == (None if code is None else REJECTIONS[code])


@pytest.mark.parametrize(("is_by_uri", "has_own_name"), [(False, True), (True, False), (False, False)])
def test_numbers_and_generated_names_can_always_be_called(is_by_uri: bool, has_own_name: bool) -> None:
    called = party(sip_uri_calling_preference="disabled")

    cause = refuse_inbound(called, Load(), is_by_uri=is_by_uri, is_from_client=False, has_own_name=has_own_name)

    assert cause is None


@pytest.mark.parametrize(
    ("code", "called", "inbound"),
    [("D18", party(is_active=False), 0), ("D22", party(inbound={"channel_limit": 1}), 1)],
)
def test_client_that_may_not_be_called_is_told_with_its_code(code: str, called: Party, inbound: int) -> None:
    cause = refuse_inbound(called, Load(inbound=inbound), is_by_uri=False, is_from_client=False, has_own_name=False)

    assert cause == REJECTIONS[code]


@pytest.mark.parametrize(
    ("text", "is_good"),
    [
        ("+12025550100", True),
        ("+4930123456", True),
        ("12025550100", False),
        ("+0123456789", False),
        ("+1202555", False),
        ("+1234567890123456", False),
        ("+1202555010x", False),
        ("alice", False),
        ("", False),
        ("+", False),
        ("+١٢٣٤٥٦٧٨٩", False),
    ],
)
def test_e164_is_told_from_anything_else(text: str, is_good: bool) -> None:
    assert is_e164(text) is is_good


SPENDING = {"daily_spend_limit": "1.00", "daily_spend_limit_enabled": True}


@pytest.mark.parametrize(
    ("profile", "spent", "expected"),
    [
        (SPENDING, "0.998", None),  # and the first minute makes it exactly a dollar
        (SPENDING, "0.999", SPENT),
        ({**SPENDING, "daily_spend_limit": "0"}, "0", SPENT),
        ({**SPENDING, "daily_spend_limit_enabled": False}, "9", None),
        ({**SPENDING, "daily_spend_limit": None}, "9", None),
    ],
)
def test_call_is_refused_when_its_first_minute_goes_beyond_what_may_be_spent_today(
    profile: object, spent: str, expected: Cause | None
) -> None:
    assert verdict(party(profile=profile), load=Load(spent_today=Decimal(spent))) == expected


@pytest.mark.parametrize(("limit", "begun", "expected"), [(2, 1, None), (2, 2, TOO_OFTEN), (None, 99, None)])
def test_connection_may_begin_only_so_many_calls_within_an_hour(
    limit: int | None, begun: int, expected: Cause | None
) -> None:
    load = Load(last_hour=begun)

    assert refuse_outbound(party(), US, ME, load, account_limit=10, hourly_limit=limit) == expected
