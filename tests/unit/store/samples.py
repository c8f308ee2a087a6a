"""Rows and facts with values that a reader recognises."""

from datetime import UTC, datetime, timedelta

from gateway.domain.causes import NORMAL_CLEARING, Cause
from gateway.domain.facts import CallEnded, CallInitiated, ClientLegOpened
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.store.connections import Connection
from gateway.store.credentials import Credential
from gateway.store.detail_records import FinishedLeg, NewLeg
from gateway.store.numbers import Number
from gateway.store.orders import Order
from gateway.store.profiles import Profile
from gateway.store.push_credentials import PushCredential

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def connection(number: int = 1, *, user_name: str | None = None) -> Connection:
    return Connection(
        connection_id=f"{1_500_000_000_000_000_000 + number}",
        name=f"lab {number}",
        user_name=user_name or f"alice{number}",
        password_hash="$argon2id$fixed",
        is_active=True,
        created_at=NOON + timedelta(seconds=number),
        updated_at=NOON + timedelta(seconds=number),
    )


def credential(number: int = 1, *, connection_id: str) -> Credential:
    return Credential(
        credential_id=f"c215ade3-0d39-418e-94be-{number:012d}",
        connection_id=connection_id,
        name=f"desk {number}",
        sip_username=f"gencred{number:022d}",
        password_hash="$argon2id$fixed",
        expires_at=NOON + timedelta(days=1),
        created_at=NOON + timedelta(seconds=number),
        updated_at=NOON + timedelta(seconds=number),
    )


def number(last: int = 199, *, connection_id: str | None) -> Number:
    return Number(
        number_id=f"{1_600_000_000_000_000_000 + last}",
        phone_number=f"+12025550{last}",
        connection_id=connection_id,
        created_at=NOON + timedelta(seconds=last),
        updated_at=NOON + timedelta(seconds=last),
    )


def profile(number: int = 1, *, name: str | None = None) -> Profile:
    return Profile(
        profile_id=f"{1_800_000_000_000_000_000 + number}",
        name=name or f"profile {number}",
        is_enabled=True,
        settings={"tags": ["a"]},
        created_at=NOON + timedelta(seconds=number),
        updated_at=NOON + timedelta(seconds=number),
    )


def order(number: int = 1, *, phone_numbers: int = 1, connection_id: str | None = None) -> Order:
    return Order(
        order_id=f"0d7de000-0000-4000-8000-{number:012d}",
        status="pending",
        connection_id=connection_id,
        customer_reference=f"reference {number}",
        phone_numbers=[{"phone_number": f"+1202555{number:02d}{i:02d}"} for i in range(phone_numbers)],
        created_at=NOON + timedelta(seconds=number),
        updated_at=NOON + timedelta(seconds=number),
    )


def push_credential(number: int = 1, *, type: str = "ios") -> PushCredential:
    return PushCredential(
        push_credential_id=f"9a5b0000-0000-4000-8000-{number:012d}",
        type=type,
        alias=f"alias {number}",
        material_sealed="sealed",
        created_at=NOON + timedelta(seconds=number),
        updated_at=NOON + timedelta(seconds=number),
    )


def initiated(number: int = 1, *, caller: str = "alice", at: datetime = NOON) -> CallInitiated:
    return CallInitiated(
        call_id=CallId(f"7f1d0000-0000-4000-8000-{number:012d}"),
        at=at,
        direction=Direction.OUTBOUND,
        caller=caller,
        callee="+12025550100",
        connection_id="1500000000000000001",
        session_id=SessionId("6a1f"),
        verto_call_id=VertoCallId("b1c2"),
    )


def ended(number: int = 1, *, at: datetime = NOON, cause: Cause = NORMAL_CLEARING) -> CallEnded:
    return CallEnded(
        call_id=CallId(f"7f1d0000-0000-4000-8000-{number:012d}"),
        at=at,
        direction=Direction.OUTBOUND,
        cause=cause,
        ended_by=LegName.B,
        sip_status=486,
        duration_s=12.5,
        billed_s=10.0,
        trunk="carrier",
        sip_call_id=SipCallId("x@host"),
        stages={"ringing": 0.5, "answered": 2.5},
        media={"a_packets_received": 600.0},
        quality={"a": {"inbound": {"packets": 600, "mos": 4.2}, "warnings": ["no_sound"]}},
    )


def leg_id(number: int = 1) -> str:
    return f"4b679aae-b7e7-11ef-9fe0-{number:012d}"


def opened(number: int = 1, *, at: datetime = NOON, **changes: object) -> ClientLegOpened:
    values: dict[str, object] = {
        "leg_id": leg_id(number),
        "call_id": CallId(f"7f1d0000-0000-11f0-8000-{number:012d}"),
        "at": at,
        "direction": Direction.OUTBOUND,
        "session_id": SessionId("6a1f"),
        "verto_call_id": VertoCallId(f"b1c2-{number}"),
        "username": "alice1",
        "connection_id": "1500000000000000001",
        "cli": "+12025550198",
        "cld": "+12025550100",
        "caller_number": "+1202-555-0198",
        "caller_name": "Alice",
        "dest_number": "+1 202 555 0100",
    }
    return ClientLegOpened(**(values | changes))  # type: ignore[arg-type] # a test's own fields


def new_leg(number: int = 1, *, at: datetime = NOON, **changes: object) -> NewLeg:
    fact = opened(number, at=at, **changes)
    return NewLeg(
        opened=fact,
        cli=fact.cli,
        cld=fact.cld,
        connection_name="lab 1",
        tags="lab,desk",
        channel_id=f"f6856af8-3fde-48fa-b3ab-{number:012d}",
        country_code=1,
        source_country_code=1,
    )


def finished(number: int = 1, *, at: datetime = NOON, cost: str = "0.002", call_s: int = 50) -> FinishedLeg:
    return FinishedLeg(
        leg_id=leg_id(number),
        finished_at=at,
        call_s=call_s,
        billed_s=60,
        rate="0.002",
        cost=cost,
        currency="USD",
        verto_call_id=f"b1c2-{number}",
    )
