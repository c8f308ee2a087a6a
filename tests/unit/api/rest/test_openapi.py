"""The OpenAPI document: what the models know is in it under JSON Schema's own names."""

from typing import Any

from gateway.api.resources.credential_connections import ConnectionCreate
from gateway.api.rest.openapi import document
from gateway.api.rest.operation import Call, Operation, Shape


def described() -> Any:  # Any: JSON
    async def create(_call: Call[ConnectionCreate]) -> None:
        return None

    operation = Operation(
        method="POST",
        path="/things",
        name="create_thing",
        summary="Create a thing",
        tag="Things",
        handler=create,
        body=ConnectionCreate,
        shape=Shape.NOTHING,
    )
    return document([operation], version="1.2.3", server="http://127.0.0.1:8080")


def test_bounds_of_numbers_have_the_names_that_clients_understand() -> None:
    schemas = described()["components"]["schemas"]

    limit = next(one for one in schemas["Outbound"]["properties"]["channel_limit"]["anyOf"] if one["type"] == "integer")
    suppression = schemas["NoiseSuppressionDetails"]["properties"]["attenuation_limit"]
    assert (limit["minimum"], limit["maximum"]) == (0, 1_000_000)
    assert (suppression["minimum"], suppression["maximum"], suppression["multipleOf"]) == (0, 100, 10)


def test_no_bound_is_left_under_a_name_of_pydantic() -> None:
    found = [key for schema in walk(described()) for key in schema if key in {"ge", "le", "gt", "lt", "multiple_of"}]

    assert found == []


def walk(value: Any) -> list[dict[str, Any]]:  # Any: JSON
    """Every object of the document."""
    below = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [*([value] if isinstance(value, dict) else []), *(one for child in below for one in walk(child))]
