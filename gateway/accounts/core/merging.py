"""How a PATCH changes a document: named keys are replaced, those of nested objects one by one (rest-v2 A.2.1)."""

from collections.abc import Mapping


def merged(kept: Mapping[str, object], given: Mapping[str, object]) -> dict[str, object]:
    """The kept document with what was given laid over it. An explicit null stays one: the model says who takes it."""
    result = dict(kept)
    for key, value in given.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result
