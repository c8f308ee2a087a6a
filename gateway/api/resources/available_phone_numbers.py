"""`/available_phone_numbers`: the lab's inventory of fictitious numbers (rest-v2 A.4)."""

from typing import Final

from pydantic import BaseModel

from gateway.accounts.core.inventory import CURRENCY, FEATURES, MONTHLY_COST, UPFRONT_COST, OfferedNumber, Wanted
from gateway.accounts.numbers import PhoneNumbers
from gateway.api.rest.listing import FilterKind, FilterRule, Listing, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape

DEFAULT_LIMIT: Final = 100
MAX_LIMIT: Final = 250

KINDS: Final = ("local", "toll_free", "mobile", "national", "shared_cost")
_FEATURES: Final = ("sms", "mms", "voice", "fax", "emergency", "hd_voice", "international_sms", "local_calling")
_BOOLEAN: Final = FilterRule(kind=FilterKind.BOOLEAN, about="Every number here is.")

_RULES: Final = ListRules(
    filters={
        "country_code": FilterRule(about="ISO 3166-1 alpha-2: US or CA have numbers here."),
        "phone_number_type": FilterRule(choices=KINDS, about="Kind of the number: local or toll_free here."),
        "administrative_area": FilterRule(about="State or province, two letters."),
        "locality": FilterRule(about="City."),
        "rate_center": FilterRule(about="As the city here."),
        "national_destination_code": FilterRule(about="Area code."),
        "features": FilterRule(kind=FilterKind.TEXTS, choices=_FEATURES, about="What the number can do, comma-joined."),
        "phone_number][contains": FilterRule(about="Digits within the number."),
        "phone_number][starts_with": FilterRule(about="Digits at its beginning."),
        "phone_number][ends_with": FilterRule(about="Digits at its end."),
        "limit": FilterRule(kind=FilterKind.INTEGER, bounds=(1, MAX_LIMIT), about="Rows at most."),
        "best_effort": _BOOLEAN,
        "quickship": _BOOLEAN,
        "reservable": _BOOLEAN,
        "exclude_held_numbers": FilterRule(kind=FilterKind.BOOLEAN, about="Held numbers are never shown."),
    },
    is_paged=False,
)


class Region(BaseModel):
    """Where a number is."""

    region_type: str
    region_name: str


class Cost(BaseModel):
    """What a number costs."""

    upfront_cost: str = UPFRONT_COST
    monthly_cost: str = MONTHLY_COST
    currency: str = CURRENCY


class Feature(BaseModel):
    """What a number can do."""

    name: str


class AvailableNumber(BaseModel):
    """A number that can be ordered."""

    record_type: str = "available_phone_number"
    phone_number: str
    vanity_format: str = ""
    best_effort: bool = False
    quickship: bool = True
    reservable: bool = True
    phone_number_type: str
    region_information: tuple[Region, ...]
    cost_information: Cost = Cost()
    features: tuple[Feature, ...] = tuple(Feature(name=name) for name in FEATURES)


def available_number_operations(numbers: PhoneNumbers) -> list[Operation]:
    """The one operation."""

    async def listed(call: Call[None]) -> Rows:
        found = await numbers.for_sale(_wanted(call.listing), _limit(call.listing))
        meta = {"total_results": len(found), "best_effort_results": 0}
        return Rows([_view(one) for one in found], len(found), extra=meta, doubled_meta="metadata")

    return [
        Operation(
            method="GET",
            path="/available_phone_numbers",
            name="list_available_phone_numbers",
            summary="List numbers that can be ordered: fictitious ones",
            tag="Numbers",
            handler=listed,
            rules=_RULES,
            answer=AvailableNumber,
            shape=Shape.PAGE,
            errors=(400,),
        )
    ]


def _wanted(asked: Listing) -> Wanted:
    features = asked.filters.get("features", ())
    assert isinstance(features, tuple)
    return Wanted(
        country=asked.text("country_code"),
        kind=asked.text("phone_number_type"),
        state=asked.text("administrative_area"),
        location=asked.text("locality") or asked.text("rate_center"),
        area_code=asked.text("national_destination_code"),
        features=features,
        contains=_digits(asked, "contains"),
        starts_with=_digits(asked, "starts_with"),
        ends_with=_digits(asked, "ends_with"),
    )


def _digits(asked: Listing, name: str) -> str:
    return (asked.text(f"phone_number][{name}") or "").lstrip("+")


def _limit(asked: Listing) -> int:
    limit = asked.filters.get("limit", DEFAULT_LIMIT)
    assert isinstance(limit, int)
    return limit


def _view(offer: OfferedNumber) -> AvailableNumber:
    area = offer.area
    regions = (("country_code", area.country), ("state", area.state), ("rate_center", area.location))
    return AvailableNumber(
        phone_number=offer.phone_number,
        phone_number_type=area.kind,
        region_information=tuple(
            Region(region_type=kind, region_name=name) for kind, name in (*regions, ("location", area.location)) if name
        ),
    )
