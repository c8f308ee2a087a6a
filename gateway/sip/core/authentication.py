"""When a 401 or 407 is answered: once, to the right host, and never in a loop (RFC 3261 sections 22.1 to 22.3)."""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.sip.core.actions import ClientRequest
from gateway.sip.core.dialog import Dialog
from gateway.sip.core.digest import DigestChallenge, DigestClient, choose_challenge
from gateway.sip.core.errors import SipError
from gateway.sip.core.headers.cseq import CSeq
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.message import Request, Response

MAX_ANSWERS: Final = 4
"""Challenges answered for one request: a proxy's, the far end's, and a stale nonce of each."""

_CHALLENGES: Final = {401: ("WWW-Authenticate", "Authorization"), 407: ("Proxy-Authenticate", "Proxy-Authorization")}


class Authentication:
    """The credentials of one call and the nonces that they were used with.

    Args:
        hosts: the host of the call's target and the address that it stands for. Nobody else gets a digest, which
            would let them guess the password at leisure.
        new_cnonce: gives a fresh, unguessable client nonce.
        realm: the only one whose challenges are answered; None for any.
    """

    def __init__(
        self,
        username: str,
        password: str,
        *,
        hosts: Iterable[str],
        new_cnonce: Callable[[], str],
        realm: str | None = None,
    ) -> None:
        self._username, self._password, self._realm = username, password, realm
        self._hosts = frozenset(host.lower() for host in hosts)
        self._new_cnonce = new_cnonce
        self._clients: dict[tuple[str, str], DigestClient] = {}

    def retry(
        self, client_request: ClientRequest, response: Response, dialog: Dialog | None = None
    ) -> ClientRequest | None:
        """The request once more, with credentials and the next CSeq number; None when that would lead nowhere.

        Args:
            dialog: the one that the request belongs to, None for an INVITE that makes one.
        """
        if response.status not in _CHALLENGES or not self._may_see(client_request.next_hop):
            return None
        challenge_field, field = _CHALLENGES[response.status]
        challenge = choose_challenge(response.headers.get_all(challenge_field), realm=self._realm)
        if challenge is None or len(client_request.answered) >= MAX_ANSWERS:
            return None
        key = (field, challenge.realm)
        if key in client_request.answered and not self._is_fresh_start(client_request, key, challenge):
            return None  # the same question again: our answer was wrong
        self._take(key, challenge)
        answered = (*client_request.answered, key)
        request = self._with_credentials(client_request.request, answered, dialog)
        return ClientRequest(request, client_request.next_hop, client_request.remote_tag, answered)

    def ack_headers(self, invite: Request, next_hop: str) -> tuple[tuple[str, str], ...]:
        """The INVITE's credentials for the ACK of its 2xx (section 22.1), where the next hop may see them."""
        if not self._may_see(next_hop):
            return ()
        fields = [field for _, field in _CHALLENGES.values()]
        return tuple((field, value) for field in fields for value in invite.headers.get_all(field))

    def _may_see(self, next_hop: str) -> bool:
        try:
            return SipUri.parse(next_hop).host.lower() in self._hosts
        except SipError:
            return False

    def _is_fresh_start(self, client_request: ClientRequest, key: tuple[str, str], challenge: DigestChallenge) -> bool:
        """Whether the server says that only the nonce was too old, says so for the first time, and has a new one."""
        used = self._clients[key].challenge.nonce
        return challenge.is_stale and challenge.nonce != used and client_request.answered.count(key) == 1

    def _take(self, key: tuple[str, str], challenge: DigestChallenge) -> None:
        known = self._clients.get(key)
        if known is None or known.challenge.nonce != challenge.nonce:  # else the nonce count must go on
            self._clients[key] = DigestClient(challenge, username=self._username, password=self._password)

    def _with_credentials(self, request: Request, keys: Iterable[tuple[str, str]], dialog: Dialog | None) -> Request:
        headers = request.headers.copy()
        for _, field in _CHALLENGES.values():
            headers.remove(field)
        for field, realm in dict.fromkeys(keys):
            client = self._clients[field, realm]
            value = client.credentials(method=request.method, uri=request.uri, cnonce=self._new_cnonce())
            headers.add(field, value)
        number = request.cseq.number + 1 if dialog is None else dialog.next_number()
        headers.set("CSeq", str(CSeq(number, request.method)))
        return Request(request.method, request.uri, headers, request.body)


def ack_headers(authentication: Authentication | None, invite: Request, next_hop: str) -> tuple[tuple[str, str], ...]:
    """As `Authentication.ack_headers`; nothing without credentials."""
    return () if authentication is None else authentication.ack_headers(invite, next_hop)


def retried(
    authentication: Authentication | None, client_request: ClientRequest, response: Response, dialog: Dialog
) -> ClientRequest | None:
    """As `Authentication.retry` in that dialog; None without credentials."""
    return None if authentication is None else authentication.retry(client_request, response, dialog)
