"""The pump between transports and transactions: sockets below, a user agent above (RFC 3261 sections 9, 17, 18)."""

import secrets
from collections.abc import Callable, Iterable

from gateway.sip.core.message import Request, Response
from gateway.sip.settings import SipSettings
from gateway.sip.transport.flow import Destination, Flow

__all__ = ["ClientTransaction", "Destination", "Endpoint", "ServerTransaction"]


def _token() -> str:
    return secrets.token_hex(8)


class ServerTransaction:
    """A request from a far end, as the user agent sees it."""

    request: Request
    source: Destination
    flow: Flow
    to_tag: str
    """A fresh tag: use it for the To of the responses, the endpoint's own ones have it as well."""

    def respond(self, response: Response) -> None:
        """Send a response; absorbed when a final one has been sent (but a 2xx to INVITE may be repeated)."""
        raise NotImplementedError

    def ignore(self) -> None:
        """Never answer it (a stranger's): let its repeats be absorbed for 64*T1, then forget it."""
        raise NotImplementedError


class ClientTransaction:
    """A request of ours."""

    request: Request

    def cancel(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        """CANCEL an INVITE: at once after a provisional response, else as soon as one comes; once."""
        raise NotImplementedError

    def abandon(self) -> None:
        """Forget it without a word: nobody wants its final response any more (the far end never sent one)."""
        raise NotImplementedError


class Endpoint:
    """Transports, transactions and timers of one SIP user agent."""

    on_request: Callable[[ServerTransaction, Request], None]
    on_cancel: Callable[[ServerTransaction, Request], None]
    on_ack: Callable[[Request, Destination], None]
    accept: Callable[[Destination], bool]

    def __init__(self, settings: SipSettings, *, tokens: Callable[[], str] = _token) -> None:
        self._settings, self._tokens = settings, tokens

    @property
    def transaction_count(self) -> int:
        """Client and server transactions that live, those that only absorb repeats included."""
        raise NotImplementedError

    async def start(self) -> None:
        raise NotImplementedError

    async def stop(self) -> None:
        raise NotImplementedError

    def send_request(
        self,
        request: Request,
        destination: Destination,
        *,
        on_response: Callable[[Response], None],
        on_failure: Callable[[str], None],
    ) -> ClientTransaction:
        raise NotImplementedError

    def send_stateless(self, request: Request, destination: Destination) -> None:
        raise NotImplementedError

    def contact_uri(self, user: str, destination: Destination) -> str:
        raise NotImplementedError

    async def resolve(self, uri: str) -> Destination:
        raise NotImplementedError
