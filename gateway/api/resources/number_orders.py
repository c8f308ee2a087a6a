"""`/number_orders` (rest-v2 A.4)."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, Field, StringConstraints

from gateway.accounts.core.model import Document
from gateway.accounts.core.number import Reference
from gateway.accounts.errors import NumberNotForSale
from gateway.accounts.numbers import PhoneNumbers
from gateway.api.errors import InvalidPhoneNumber
from gateway.api.resources.outbound_voice_profiles import page_of
from gateway.api.rest.listing import FilterKind, FilterRule, ListRules
from gateway.api.rest.operation import Call, Operation, Rows, Shape
from gateway.store.orders import Order

_TAG: Final = "Numbers"
_TIME: Final = FilterRule(kind=FilterKind.TIME, about="When the order was made.")
_RULES: Final = ListRules(
    filters={
        "status": FilterRule(choices=("pending", "success", "failure"), about="How far the order is."),
        "customer_reference": FilterRule(about="Exactly that reference."),
        "phone_numbers_count": FilterRule(kind=FilterKind.INTEGER, about="Numbers of the order."),
        "requirements_met": FilterRule(kind=FilterKind.BOOLEAN, about="Of every order here they are."),
        "created_at][gt": _TIME,
        "created_at][lt": _TIME,
    },
)


class OrderedNumber(Document):
    """A number to buy."""

    phone_number: Annotated[str, StringConstraints(min_length=1, max_length=32)]
    bundle_id: Reference | None = None
    requirement_group_id: Reference | None = None


class OrderCreate(Document):
    """A new order."""

    phone_numbers: Annotated[tuple[OrderedNumber, ...], Field(min_length=1, max_length=100)]
    connection_id: Reference | None = None
    messaging_profile_id: Reference | None = None
    billing_group_id: Reference | None = None
    customer_reference: Reference | None = None


class Requirement(Document):
    """What a regulator wants to know; kept, never looked at."""

    requirement_id: Reference
    field_value: Annotated[str, StringConstraints(max_length=1024)] | None = None


class OrderUpdate(Document):
    """What changes of an order."""

    customer_reference: Reference | None = None
    regulatory_requirements: Annotated[tuple[Requirement, ...], Field(max_length=100)] | None = None


class OrderLine(BaseModel):
    """A number of an order."""

    id: str
    record_type: str = "number_order_phone_number"
    phone_number: str
    country_code: str
    country_iso_alpha2: str
    phone_number_type: str
    bundle_id: str | None
    regulatory_requirements: tuple[Requirement, ...] = ()
    requirements_met: bool = True
    requirements_status: str = "approved"
    status: str


class OrderView(BaseModel):
    """An order as the API shows it."""

    id: str
    record_type: str = "number_order"
    status: str
    phone_numbers_count: int
    phone_numbers: tuple[OrderLine, ...]
    connection_id: str | None
    messaging_profile_id: str | None
    billing_group_id: str | None
    customer_reference: str | None
    sub_number_orders_ids: tuple[str, ...] = ()
    requirements_met: bool = True
    created_at: str
    updated_at: str


def number_order_operations(numbers: PhoneNumbers) -> list[Operation]:
    """Every operation of the resource."""

    async def create(call: Call[OrderCreate]) -> OrderView:
        body = call.body
        try:
            order = await numbers.order(
                [line.model_dump() for line in body.phone_numbers],
                connection_id=body.connection_id,
                customer_reference=body.customer_reference,
                settings=body.model_dump(include={"messaging_profile_id", "billing_group_id"}),
            )
        except NumberNotForSale as error:
            pointer = f"/phone_numbers/{error.position}/phone_number"
            raise InvalidPhoneNumber(
                f"{error}; `GET /available_phone_numbers` lists what is", pointer=pointer
            ) from error
        return _view(order)

    async def retrieve(call: Call[None]) -> OrderView:
        return _view(await numbers.get_order(call.path["id"]))

    async def change(call: Call[OrderUpdate]) -> OrderView:
        given = call.body.model_dump(mode="json", include={"regulatory_requirements"}, exclude_none=True)
        changed = await numbers.change_order(
            call.path["id"], customer_reference=call.body.customer_reference, given=given
        )
        return _view(changed)

    async def listed(call: Call[None]) -> Rows:
        asked = call.listing
        if asked.filters.get("requirements_met") is False:
            return Rows([], 0)
        count = asked.filters.get("phone_numbers_count")
        assert count is None or isinstance(count, int)
        found = await numbers.orders(
            page_of(asked),
            status=asked.text("status"),
            customer_reference=asked.text("customer_reference"),
            count=count,
            after=_time(asked.filters.get("created_at][gt")),
            before=_time(asked.filters.get("created_at][lt")),
        )
        return Rows([_view(row) for row in found.rows], found.total)

    async def must_exist(path: Mapping[str, str]) -> object:
        return await numbers.get_order(path["id"])

    root, one = "/number_orders", "/number_orders/{id}"
    return [
        Operation(
            method="POST",
            path=root,
            name="create_number_order",
            summary="Order numbers: all of them, or none",
            tag=_TAG,
            handler=create,
            body=OrderCreate,
            answer=OrderView,
            errors=(422,),
        ),
        Operation(
            method="GET",
            path=root,
            name="list_number_orders",
            summary="List orders, newest first",
            tag=_TAG,
            handler=listed,
            rules=_RULES,
            answer=OrderView,
            shape=Shape.PAGE,
            errors=(400,),
        ),
        Operation(
            method="GET",
            path=one,
            name="retrieve_number_order",
            summary="Show an order: `pending` for a second, then `success`",
            tag=_TAG,
            handler=retrieve,
            answer=OrderView,
            errors=(404,),
        ),
        Operation(
            method="PATCH",
            path=one,
            name="update_number_order",
            summary="Change the reference of an order",
            tag=_TAG,
            handler=change,
            body=OrderUpdate,
            answer=OrderView,
            must_exist=must_exist,
            errors=(404, 422),
        ),
    ]


def _time(value: object) -> datetime | None:
    assert value is None or isinstance(value, datetime)
    return value


def _view(order: Order) -> OrderView:
    requirements: Any = order.settings.get("regulatory_requirements", ())  # Any: as `OrderUpdate` left it
    return OrderView(
        id=order.order_id,
        status=order.status,
        phone_numbers_count=len(order.phone_numbers),
        phone_numbers=tuple(_line(line, order.status, requirements) for line in order.phone_numbers),
        connection_id=order.connection_id,
        messaging_profile_id=_text(order.settings.get("messaging_profile_id")),
        billing_group_id=_text(order.settings.get("billing_group_id")),
        customer_reference=order.customer_reference,
        created_at=order.created_at.isoformat(timespec="microseconds"),
        updated_at=order.updated_at.isoformat(timespec="microseconds"),
    )


def _line(line: Mapping[str, Any], status: str, requirements: Any) -> OrderLine:  # Any: a line as `create` kept it
    return OrderLine(
        id=line["id"],
        phone_number=line["phone_number"],
        country_code=line["country"],
        country_iso_alpha2=line["country"],
        phone_number_type=line["kind"],
        bundle_id=line.get("bundle_id"),
        regulatory_requirements=tuple(Requirement.model_validate(one) for one in requirements),
        status=status,
    )


def _text(value: object) -> str | None:
    assert value is None or isinstance(value, str)
    return value
