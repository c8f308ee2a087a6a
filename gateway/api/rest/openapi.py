"""The OpenAPI 3.1 document of the operations: made of the very models that parse requests and write answers."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from gateway.api.rest.listing import MAX_SORTS, MAX_VALUE, FilterKind, FilterRule, ListRules
from gateway.api.rest.operation import Operation, Shape

Json = dict[str, Any]  # Any: JSON

_ERRORS: Final[Mapping[int, str]] = {
    400: "Malformed: the body is no JSON, or a parameter is wrong",
    401: "No key, or an unknown or revoked one",
    403: "The key has not the scope",
    404: "No such resource",
    413: "The body is too large",
    422: "The body does not fit, or the state forbids it",
    429: "Too many requests: wait for the seconds of Retry-After",
    500: "A defect of the gateway",
    503: "The database does not answer: try again",
}
_NO_NUL: Final = r"^[^\x00]*$"
_ALWAYS: Final = (401, 403, 429, 500, 503)
_META: Final[Json] = {
    "type": "object",
    "required": ["page_number", "page_size", "total_pages", "total_results"],
    "properties": {name: {"type": "integer"} for name in ("page_number", "page_size", "total_pages", "total_results")},
}
_ERROR: Final[Json] = {
    "type": "object",
    "required": ["errors"],
    "properties": {
        "errors": {
            "oneOf": [
                {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Error"}},
                {
                    "type": "object",
                    "required": ["status"],
                    "properties": {"status": {"type": "string"}},
                    "description": "The one exception: a change of an expired telephony credential",
                },
            ]
        }
    },
}
_ONE_ERROR: Final[Json] = {
    "type": "object",
    "required": ["code", "title", "detail"],
    "properties": {
        "code": {"type": "string", "pattern": "^[0-9]{5}$"},
        "title": {"type": "string"},
        "detail": {"type": "string"},
        "source": {
            "type": "object",
            "properties": {"pointer": {"type": "string"}, "parameter": {"type": "string"}},
        },
    },
}
_BOUNDS: Final[Mapping[str, str]] = {"ge": "minimum", "le": "maximum", "multiple_of": "multipleOf"}
_FILTERS: Final[Mapping[FilterKind, Json]] = {
    FilterKind.TEXT: {"type": "string"},
    FilterKind.TEXTS: {"type": "string"},
    FilterKind.BOOLEAN: {"type": "boolean"},
    FilterKind.INTEGER: {"type": "integer"},
    FilterKind.TIME: {"type": "string", "format": "date-time"},
}


def document(operations: Sequence[Operation], *, version: str, server: str) -> Json:
    """The whole document.

    Args:
        server: where the API is, without `/v2`.
    """
    bodies = {one.body for one in operations if one.body is not None}
    answers = {one.answer for one in operations if one.answer is not None}
    by_name = sorted(bodies, key=_name), sorted(answers, key=_name)
    inputs = [(model, "validation") for model in by_name[0]]
    outputs = [(model, "serialization") for model in by_name[1]]
    references, schemas = models_json_schema(
        [*inputs, *outputs],  # type: ignore[list-item] # the modes are literals, which a comprehension loses
        ref_template="#/components/schemas/{model}",
    )
    named = {(model, mode): schema for (model, mode), schema in references.items()}
    paths: dict[str, Json] = {}
    for one in operations:
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, named)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "rtc-gateway",
            "version": version,
            "description": "The part of api.telnyx.com that belongs to a gateway of the voice SDKs.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": f"{server}/v2"}],
        "security": [{"key": []}],
        "tags": [{"name": name} for name in dict.fromkeys(one.tag for one in operations)],
        "paths": paths,
        "components": {
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            "schemas": {
                **_with_bounds(schemas.get("$defs", {})),
                "Error": _ONE_ERROR,
                "Errors": _ERROR,
                "PageMeta": _META,
            },
        },
    }


def _with_bounds(value: Any) -> Any:  # Any: JSON
    """The same with bounds under JSON Schema's names: behind a validator, pydantic leaves them under its own."""
    if isinstance(value, dict):
        return {_BOUNDS.get(key, key): _with_bounds(one) for key, one in value.items()}
    return [_with_bounds(one) for one in value] if isinstance(value, list) else value


def _name(model: type[BaseModel]) -> str:
    return model.__name__


def _operation(one: Operation, named: Mapping[Any, Json]) -> Json:  # Any: models
    parameters = [_path_parameter(part[1:-1]) for part in one.path.split("/") if part.startswith("{")]
    if one.rules is not None:
        parameters += _list_parameters(one.rules)
    parameters += [
        {"name": name, "in": "query", "description": about, "schema": {"type": "string"}}
        for name, about in one.parameters.items()
    ]
    described: Json = {
        "operationId": one.name,
        "summary": one.summary,
        "tags": [one.tag],
        "parameters": parameters,
        "responses": _responses(one, named),
    }
    if one.body is not None:
        schema = named[one.body, "validation"]
        # No body at all is an empty object (rest-v2 0.2): it will do where no key is required.
        is_needed = any(field.is_required() for field in one.body.model_fields.values())
        described["requestBody"] = {"required": is_needed, "content": {"application/json": {"schema": schema}}}
    if one.is_public:
        described["security"] = []
    return described


def _responses(one: Operation, named: Mapping[Any, Json]) -> Json:  # Any: models
    responses: Json = {str(one.status): {"description": "Done", **_content(one, named)}}
    statuses = {*one.errors, *(() if one.is_public else _ALWAYS)} | ({400, 413} if one.body is not None else set())
    for status in sorted(statuses):
        schema = {"$ref": "#/components/schemas/Errors"}
        responses[str(status)] = {
            "description": _ERRORS[status],
            "content": {"application/json": {"schema": schema}},
        }
    return responses


def _content(one: Operation, named: Mapping[Any, Json]) -> Json:  # Any: models
    row = None if one.answer is None else named[one.answer, "serialization"]
    match one.sent_as or one.shape:
        case Shape.DATA:
            schema: Json = {"type": "object", "required": ["data"], "properties": {"data": row}}
        case Shape.PAGE:
            is_paged = one.rules is None or one.rules.is_paged
            meta = {"$ref": "#/components/schemas/PageMeta"} if is_paged else {"type": "object"}
            schema = {
                "type": "object",
                "required": ["data", "meta"],
                "properties": {"data": {"type": "array", "items": row}, "meta": meta},
            }
        case Shape.BARE:
            schema = row if not one.is_many and row is not None else {"type": "array", "items": row}
        case Shape.TEXT:
            return {"content": {"text/plain": {"schema": {"type": "string"}}}}
        case Shape.RESPONSE:
            return {"content": {one.media_type: {"schema": {"type": "string"}}}}
        case Shape.NOTHING:
            return {}
    return {"content": {"application/json": {"schema": schema}}}


def _path_parameter(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}


def _list_parameters(rules: ListRules) -> list[Json]:
    found: list[Json] = []
    if rules.is_paged:
        size = {"type": "integer", "minimum": 1, "maximum": rules.max_size, "default": rules.default_size}
        number = {"type": "integer", "minimum": 1, "maximum": 1_000_000_000, "default": 1}
        found += [
            {"name": "page[number]", "in": "query", "description": "The page, from 1.", "schema": number},
            {"name": "page[size]", "in": "query", "description": "Rows of a page.", "schema": size},
        ]
    found += [_filter_parameter(name, rule) for name, rule in rules.filters.items()]
    if rules.sorts:
        choices = [sign + name for name in rules.sorts for sign in ("", "-")]
        found.append(
            {
                "name": "sort",
                "in": "query",
                "description": "Fields, comma-joined; `-` in front of one turns its order round.",
                "style": "form",
                "explode": False,
                "schema": {
                    "type": "array",
                    "minItems": 1,
                    "maxItems": MAX_SORTS,
                    "items": {"type": "string", "enum": choices},
                },
            }
        )
    return found


def _filter_parameter(name: str, rule: FilterRule) -> Json:
    described: Json = {
        "name": f"filter[{name}]",
        "in": "query",
        "required": rule.is_required,
        "description": rule.about,
        "schema": dict(_FILTERS[rule.kind]),
    }
    match rule.kind:
        case FilterKind.TEXT if rule.choices:
            described["schema"]["enum"] = list(rule.choices)
        case FilterKind.TEXT:
            pattern = f"^{rule.pattern}$" if rule.pattern else _NO_NUL
            described["schema"] |= {"minLength": rule.shortest, "maxLength": MAX_VALUE, "pattern": pattern}
        case FilterKind.TEXTS:
            items = {"type": "string", "enum": list(rule.choices)}
            described["schema"] = {"type": "array", "minItems": 1, "maxItems": len(rule.choices), "items": items}
            described |= {"style": "form", "explode": False}
        case FilterKind.INTEGER:
            described["schema"] |= dict(zip(("minimum", "maximum"), rule.bounds, strict=True))
        case FilterKind.BOOLEAN | FilterKind.TIME:
            pass
    return described
