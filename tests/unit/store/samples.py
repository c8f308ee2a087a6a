"""Rows and facts with values that a reader recognises."""

from datetime import UTC, datetime, timedelta

from gateway.domain.causes import NORMAL_CLEARING, Cause
from gateway.domain.facts import CallEnded, CallInitiated
from gateway.domain.ids import CallId, Direction, LegName, SessionId, SipCallId, VertoCallId
from gateway.store.connections import Connection
from gateway.store.credentials import Credential
from gateway.store.numbers import Number

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


def number(last: int = 199, *, connection_id: str) -> Number:
    return Number(
        number_id=f"{1_600_000_000_000_000_000 + last}",
        phone_number=f"+12025550{last}",
        connection_id=connection_id,
        created_at=NOON + timedelta(seconds=last),
        updated_at=NOON + timedelta(seconds=last),
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
    )
