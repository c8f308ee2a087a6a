"""References without circles: calls from a part up to its whole, and what stands where a listener was let go.

A circle is found only by Python's garbage collector, and at hundreds of calls a second its searches are long
pauses of the event loop. Without circles, what a call held is gone with its last reference.
"""

from collections.abc import Callable
from functools import partial
from types import MethodType
from typing import Any, TypeVar
from weakref import ref

R = TypeVar("R")


def upward(method: Callable[..., R]) -> Callable[..., R]:
    """That bound method, for a part that lives no longer than the object it is bound to."""
    assert isinstance(method, MethodType)
    return partial(_call, ref(method.__self__), method.__func__)


def _call(whole: ref[Any], function: Callable[..., R], *args: object) -> R:  # Any: whatever object it is
    target = whole()
    assert target is not None, "a part has outlived its whole"
    return function(target, *args)


def unheard(*_args: object) -> None:
    """In the place of a callback that is let go: whoever listened often holds the caller."""
