"""One request outside of any dialog, and what becomes of it."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.sip.core.actions import Failure
from gateway.sip.core.message import Request, Response
from gateway.sip.endpoint import Destination, Endpoint


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of it: the final response, or why there is none. `source` has answered, None when nobody has."""

    answer: Response | Failure
    source: Destination | None


async def ask(
    endpoint: Endpoint,
    request: Request,
    destinations: Sequence[Destination],
    *,
    prepare: Callable[[Request, Destination], Request],
) -> Outcome:
    """Send it to the first of these that takes it and wait for the final response, at most as long as timer F lets.

    Args:
        prepare: makes the request for one of them.
    """
    final: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()
    proved: list[Destination] = []

    def settle(answer: Response | Failure) -> None:
        if not final.done():  # `Turns.work` may have been interrupted, which cancels the future
            final.set_result(answer)

    def on_response(response: Response) -> None:
        if not response.is_provisional:
            settle(response)

    endpoint.send_to_any(
        request,
        destinations,
        on_response=on_response,
        on_failure=lambda reason: settle("timeout" if reason == "timeout" else "transport"),
        prepare=prepare,
        on_proved=proved.append,
    )
    answer = await final
    return Outcome(answer, proved[-1] if proved else None)


def under_contact(request: Request, contact: str) -> Request:
    """The request with that URI as our Contact."""
    headers = request.headers.copy()
    headers.set("Contact", f"<{contact}>")
    return Request(request.method, request.uri, headers, request.body)
