"""`/openapi.json`: the document of everything else."""

from collections.abc import Callable, Sequence

from aiohttp import web

from gateway.api.rest.openapi import document
from gateway.api.rest.operation import Call, Operation, Shape


def openapi_operations(others: Sequence[Operation], *, version: str, server: Callable[[], str]) -> list[Operation]:
    """The one operation.

    Args:
        server: the address under which clients reach us, known once the listeners are bound.
    """

    async def show(_call: Call[None]) -> web.StreamResponse:
        return web.json_response(document([*others, itself], version=version, server=server()))

    itself = Operation(
        method="GET",
        path="/openapi.json",
        name="openapi",
        summary="This document",
        tag="About",
        handler=show,
        shape=Shape.RESPONSE,
        is_public=True,
    )
    return [itself]
