"""What detail records are asked for: fields, filters, ranges of dates, order (rest-v2 D)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from gateway.accounts.core.date_range import PATTERN, bounds
from gateway.accounts.core.rating import to_text
from gateway.api.rest.listing import FilterKind, FilterRule, Listing, ListRules
from gateway.store.detail_records import Comparison, Condition

WEBRTC: Final = "webrtc"
RECORD_TYPES: Final = (
    "ai-voice-assistant",
    "amd",
    "call-control",
    "conference",
    "conference-participant",
    "embedding",
    "fax",
    "inference",
    "inference-speech-to-text",
    "media_storage",
    "media-streaming",
    "messaging",
    "noise-suppression",
    "recording",
    "sip-trunking",
    "siprec-client",
    "stt",
    "tts",
    "verify",
    WEBRTC,
    "wireless",
)
"""What the service keeps records of. Here there are calls of the voice SDKs; the others are known and empty."""


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of a record: the column that it comes from, or None and what it always is."""

    column: str | None
    kind: FilterKind = FilterKind.TEXT
    constant: str | None = None
    is_amount: bool = False
    may_be_empty: bool = False
    choices: tuple[str, ...] = ()


_INTEGER: Final = FilterKind.INTEGER
FIELDS: Final[Mapping[str, _Field]] = {
    "id": _Field("leg_id"),
    "telnyx_leg_id": _Field("leg_id"),
    "telnyx_session_id": _Field("call_id"),
    "fs_channel_id": _Field("channel_id"),
    "session_id": _Field("session_id"),
    "call_id": _Field("verto_call_id"),
    "telnyx_call_control_id": _Field("call_control_id", may_be_empty=True),
    "auth_username": _Field("username"),
    "connection_id": _Field("connection_id"),
    "connection_name": _Field("connection_name"),
    "direction": _Field("direction", choices=("inbound", "outbound")),
    "cli": _Field("cli", may_be_empty=True),
    "cld": _Field("cld", may_be_empty=True),
    "caller_number": _Field("caller_number", may_be_empty=True),
    "caller_name": _Field("caller_name", may_be_empty=True),
    "dest_number": _Field("dest_number", may_be_empty=True),
    "started_at": _Field("started_at", FilterKind.TIME),
    "finished_at": _Field("finished_at", FilterKind.TIME),
    "call_sec": _Field("call_s", _INTEGER),
    "billed_sec": _Field("billed_s", _INTEGER),
    "rate": _Field("rate", is_amount=True),
    "cost": _Field("cost", is_amount=True),
    "currency": _Field("currency"),
    "payment_method": _Field(None, constant="rate-deck"),
    "country_code": _Field("country_code", _INTEGER),
    "source_country_code": _Field("source_country_code", _INTEGER),
    "billing_group_id": _Field(None, _INTEGER),
    "billing_group_name": _Field(None, constant="", may_be_empty=True),
    "tags": _Field("tags", may_be_empty=True),
}
_AMOUNT: Final = r"[0-9]{1,12}(?:\.[0-9]{1,12})?"
_INT32: Final = (0, 2**31 - 1)


def _rules() -> ListRules:
    filters = {
        "record_type": FilterRule(about="What the records are of.", choices=RECORD_TYPES, is_required=True),
        "date_range": FilterRule(
            about="One of yesterday, today, tomorrow, last_week, this_week, next_week, last_month, this_month, "
            "next_month, last_N_days: when it began, in UTC.",
            pattern=PATTERN,
        ),
    }
    for name, field in FIELDS.items():
        filters[name] = FilterRule(
            kind=field.kind,
            about="A decimal number." if field.is_amount else f"Exactly that {name}.",
            choices=field.choices,
            pattern=_AMOUNT if field.is_amount else "",
            shortest=0 if field.may_be_empty else 1,
            bounds=_INT32,
        )
        if field.kind is FilterKind.TIME:
            for operator in ("gte", "lte", "gt", "lt"):
                filters[f"{name}][{operator}"] = FilterRule(kind=FilterKind.TIME, about=f"The bound of {name}.")
    return ListRules(filters=filters, sorts=tuple(FIELDS), default_sort="-started_at")


RULES: Final = _rules()
TABLE_RULES: Final = ListRules(filters=RULES.filters, sorts=("started_at",), default_sort="-started_at", is_paged=False)


def order(listing: Listing) -> tuple[tuple[str, bool], ...]:
    """Columns, and whether each is descending; what is the same in every record orders nothing."""
    keys = ((FIELDS[key.field].column, key.is_descending) for key in listing.sort)
    return tuple((column, is_descending) for column, is_descending in keys if column is not None)


def conditions(listing: Listing, now: datetime) -> list[Condition] | None:
    """What a row has to meet; None when none can."""
    if listing.text("record_type") != WEBRTC:
        return None
    found: list[Condition] = []
    for name, value in listing.filters.items():
        if name == "record_type":
            continue
        if name == "date_range":
            found += _in_range(str(value), now)
            continue
        key, _, operator = name.partition("][")
        field = FIELDS[key]
        if field.column is None:
            if value != field.constant:
                return None
            continue
        assert isinstance(value, str | int | datetime)
        compared = to_text(Decimal(str(value))) if field.is_amount else value
        found.append(Condition(field.column, Comparison(operator or "is"), compared))
    return found


def _in_range(name: str, now: datetime) -> list[Condition]:
    found = bounds(name, now.date())
    assert found is not None, "the rule's pattern has let it through"
    return [Condition("started_at", Comparison.GTE, found[0]), Condition("started_at", Comparison.LT, found[1])]
