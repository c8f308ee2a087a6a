"""One request outside of any dialog, and what becomes of it."""

import asyncio

from gateway.sip.core.actions import Failure
from gateway.sip.core.message import Request, Response
from gateway.sip.endpoint import Destination, Endpoint


async def ask(endpoint: Endpoint, request: Request, destination: Destination) -> Response | Failure:
    """Send it in a transaction of its own and wait for the final response, at most as long as timer F."""
    final: asyncio.Future[Response | Failure] = asyncio.get_running_loop().create_future()

    def on_response(response: Response) -> None:
        if not response.is_provisional and not final.done():
            final.set_result(response)

    def on_failure(reason: str) -> None:
        if not final.done():
            final.set_result("timeout" if reason == "timeout" else "transport")

    # To one address only, but one that fails is tried last by whoever asks for the trunk's addresses next.
    endpoint.send_to_any(request, (destination,), on_response=on_response, on_failure=on_failure)
    return await final
