"""`/phone_numbers`: the account's own (rest-v2 A.4)."""

from collections.abc import Mapping
from typing import Final, cast

from gateway.accounts.core.inventory import find
from gateway.accounts.core.number import NumberSettings, Reference
from gateway.accounts.numbers import PhoneNumbers
from gateway.api.resources.available_phone_numbers import KINDS
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.resources.times import to_milliseconds
from gateway.api.rest.listing import FilterKind, FilterRule, Listing, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.store.numbers import Number, NumberFilter, NumberSort

_TAG: Final = "Numbers"
_NAME: Final = FilterRule(about="Of the connection's name, in whatever case.")
_STATUSES: Final = (
    "purchase-pending",
    "purchase-failed",
    "port-pending",
    "active",
    "deleted",
    "port-failed",
    "emergency-only",
    "ported-out",
    "port-out-pending",
)
_RULES: Final = ListRules(
    filters={
        "phone_number": FilterRule(shortest=3, about="Digits of the number, three or more."),
        "connection_id": FilterRule(about="Numbers of that connection."),
        "status": FilterRule(choices=_STATUSES, about="`active`, or `purchase-pending` while the order runs."),
        "tag": FilterRule(about="Numbers with that tag."),
        "country_iso_alpha2": FilterRule(about="Country; every number here is of the North American plan."),
        "customer_reference": FilterRule(about="Exactly that reference."),
        "number_type][eq": FilterRule(choices=KINDS, about="Kind of the number."),
        "voice.connection_name][contains": _NAME,
        "voice.connection_name][starts_with": _NAME,
        "voice.connection_name][ends_with": _NAME,
        "voice.connection_name][eq": _NAME,
        "source": FilterRule(choices=("ported", "purchased"), about="All of them were purchased."),
        "without_tags": FilterRule(kind=FilterKind.BOOLEAN, about="Numbers without any tag."),
    },
    sorts=("purchased_at", "phone_number", "connection_name", "usage_payment_method"),
    default_sort="purchased_at",
)


class NumberUpdate(NumberSettings):
    """What changes of a number. `connection_id` null takes it from its connection."""

    connection_id: Reference | None = None
    customer_reference: Reference | None = None


class NumberView(NumberSettings):
    """A number as the API shows it. What the gateway does not know of is what the service shows of a plain number."""

    id: str
    record_type: str = "phone_number"
    phone_number: str
    country_iso_alpha2: str
    status: str
    connection_id: str | None
    connection_name: str | None
    customer_reference: str | None
    emergency_enabled: bool = False
    emergency_address_id: str | None = None
    emergency_status: str = "disabled"
    call_forwarding_enabled: bool = False
    cnam_listing_enabled: bool = False
    caller_id_name_enabled: bool = False
    call_recording_enabled: bool = False
    t38_fax_gateway_enabled: bool = False
    phone_number_type: str
    inbound_call_screening: str = "disabled"
    source_type: str = "number_order"
    deletion_lock_enabled: bool = False
    purchased_at: str
    created_at: str
    updated_at: str


def phone_number_operations(numbers: PhoneNumbers) -> list[Operation]:
    """Every operation of the resource."""

    async def listed(call: Call[None]) -> Rows:
        asked = call.listing
        if asked.text("source") == "ported" or asked.text("country_iso_alpha2") not in (None, "US", "CA"):
            return Rows([], 0)
        sort = tuple((cast(NumberSort, key.field), key.is_descending) for key in asked.sort)  # `_RULES` knows them
        found = await numbers.page(page_of(asked), _wanted(asked), sort)
        return Rows([_view(row) for row in found.rows], found.total)

    async def retrieve(call: Call[None]) -> NumberView:
        return _view(await numbers.get(call.path["id"]))

    async def change(call: Call[NumberUpdate]) -> NumberView:
        body = call.body
        changed = await numbers.change(
            call.path["id"],
            has_connection="connection_id" in body.model_fields_set,
            connection_id=body.connection_id or None,
            has_reference="customer_reference" in body.model_fields_set,
            customer_reference=body.customer_reference,
            given=body.model_dump(mode="json", exclude_unset=True, exclude={"connection_id", "customer_reference"}),
        )
        return _view(changed)

    async def remove(call: Call[None]) -> NumberView:
        return _view(await numbers.remove(call.path["id"]))

    async def must_exist(path: Mapping[str, str]) -> object:
        return await numbers.get(path["id"])

    root, one = "/phone_numbers", "/phone_numbers/{id}"
    return [
        Operation(
            method="GET",
            path=root,
            name="list_phone_numbers",
            summary="List the account's numbers",
            tag=_TAG,
            handler=listed,
            rules=_RULES,
            answer=NumberView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_phone_number",
            summary="Show a number",
            tag=_TAG,
            handler=retrieve,
            answer=NumberView,
            errors=(404,),
        ),
        Operation(
            method="PATCH",
            path=one,
            name="update_phone_number",
            summary="Change a number: calls to it ring the client of its connection",
            tag=_TAG,
            handler=change,
            body=NumberUpdate,
            answer=NumberView,
            must_exist=must_exist,
            errors=(404, 422),
        ),
        Operation(
            method="DELETE",
            path=one,
            name="delete_phone_number",
            summary="Give a number back",
            tag=_TAG,
            handler=remove,
            answer=NumberView,
            errors=(404,),
        ),
    ]


def _wanted(asked: Listing) -> NumberFilter:
    without_tags = asked.filters.get("without_tags")
    return NumberFilter(
        digits=asked.text("phone_number"),
        connection_id=asked.text("connection_id"),
        status=asked.text("status"),
        tag=asked.text("tag"),
        customer_reference=asked.text("customer_reference"),
        number_type=asked.text("number_type][eq"),
        name_equals=asked.text("voice.connection_name][eq"),
        name_contains=asked.text("voice.connection_name][contains"),
        name_starts=asked.text("voice.connection_name][starts_with"),
        name_ends=asked.text("voice.connection_name][ends_with"),
        is_tagged=None if without_tags is None else not without_tags,
    )


def _view(number: Number) -> NumberView:
    settings = NumberSettings.model_validate(number.settings)
    offer = find(number.phone_number)
    return NumberView(
        **settings.model_dump(),
        id=number.number_id,
        phone_number=number.phone_number,
        country_iso_alpha2="US" if offer is None else offer.area.country,
        status=number.status,
        connection_id=number.connection_id,
        connection_name=number.connection_name,
        customer_reference=number.customer_reference,
        phone_number_type=number.number_type,
        purchased_at=to_milliseconds(number.created_at),
        created_at=to_milliseconds(number.created_at),
        updated_at=to_milliseconds(number.updated_at),
    )
