"""The registrar's shell: what happens beside the REGISTERs, without sockets."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest

from gateway.auth.authenticator import BUSY, CONNECTION_INACTIVE
from gateway.auth.digest_login import DigestOutcome, WrongDigest
from gateway.domain.identity import Identity
from gateway.domain.registration import Ending
from gateway.sip.core.digest import DigestClient, choose_challenge
from gateway.sip.core.message import Headers, Request, Response
from gateway.sip.phone_guard import PhoneGuard
from gateway.sip.registrar import MAX_CHECKS, Registrar
from gateway.sip.registrar_settings import RegistrarSettings
from gateway.sip.transport.flow import Destination, Flow
from tests.fakes.autojump import AutojumpLoop

DOMAIN = "sip.example.com"
HOME = Destination("udp", "192.0.2.1", 5060)
ALICE = Identity(connection_id="1", credential_id=None, username="alice")


@dataclass(frozen=True)
class Way:
    """A flow that sends nothing."""

    remote: Destination
    is_reliable: bool = False
    is_open: bool = True

    def send(self, data: bytes) -> bool:
        return False

    def to_port(self, port: int) -> Flow:
        return self

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class Transaction:
    """A server transaction that keeps what it is given."""

    source: Destination = HOME
    to_tag: str = "tag"
    responses: list[Response] = field(default_factory=list)

    @property
    def flow(self) -> Flow:
        return Way(self.source)

    def respond(self, response: Response) -> None:
        self.responses.append(response)


class Site:
    """A registrar, and what logins come to."""

    def __init__(self, **changes: object) -> None:
        self.outcome: DigestOutcome = ALICE
        self.on_login: Callable[[], None] = lambda: None
        self.slow: Callable[[], Awaitable[DigestOutcome]] | None = None
        self.logins = 0
        self.offences: list[tuple[Destination, str]] = []
        self.clock = datetime(2026, 1, 1, tzinfo=UTC)
        settings = replace(RegistrarSettings(enabled=True), **changes)  # type: ignore[arg-type]  # names of settings
        guard = PhoneGuard(
            settings, realm=DOMAIN, login=self._login, on_offence=lambda *offence: self.offences.append(offence)
        )
        self.registrar = Registrar(
            settings,
            guard=guard,
            domain=DOMAIN,
            idle_timeout=600.0,
            is_proxy=lambda _source: False,
            clock=lambda: self.clock,
        )
        self._client: DigestClient | None = None
        self._sequence = 0

    async def _login(self, user: str, peer: str, is_right: Callable[[str], bool]) -> DigestOutcome:
        self.logins += 1
        if self.slow is not None:
            return await self.slow()
        outcome = self.outcome
        self.on_login()
        return outcome

    def request(
        self, method: str = "REGISTER", *, from_: str = f"<sip:alice@{DOMAIN}>;tag=1", to: str = "alice"
    ) -> Request:
        self._sequence += 1
        uri = f"sip:{DOMAIN}"
        headers = Headers(
            (
                ("Via", "SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1;rport"),
                ("From", from_),
                ("To", f"<sip:{to}@{DOMAIN}>"),
                ("Call-ID", "call"),
                ("CSeq", f"{self._sequence} {method}"),
                ("Contact", "<sip:alice@192.0.2.1:5060>;expires=60"),
            )
        )
        if self._client is not None:
            headers.add("Authorization", self._client.credentials(method=method, uri=uri, cnonce="c"))
        return Request(method, uri, headers)

    async def send(self, request: Request) -> Response:
        transaction = Transaction()
        await self.registrar.register(transaction, request)  # type: ignore[arg-type]  # what of it is used
        return transaction.responses[-1]

    async def register(self) -> Response:
        """Register, answering the challenge."""
        if self._client is None:
            challenged = await self.send(self.request())
            assert challenged.status == 401
            chosen = choose_challenge(challenged.headers.get_all("WWW-Authenticate"))
            assert chosen is not None
            self._client = DigestClient(chosen, username="alice", password="any")
        return await self.send(self.request())


async def test_a_login_that_is_revoked_while_it_is_checked_is_checked_again() -> None:
    site = Site()

    def revoke() -> None:
        if site.logins == 1:
            site.registrar.end_registrations(Ending(connection_id="1"))
            site.outcome = CONNECTION_INACTIVE

    site.on_login = revoke

    response = await site.register()

    assert (response.status, site.logins) == (403, 2)
    assert site.registrar.phones() == []


async def test_a_login_during_revocations_without_end_may_come_again() -> None:
    site = Site()
    site.on_login = lambda: void(site.registrar.end_registrations(Ending(connection_id="2")))

    response = await site.register()

    assert (response.status, site.logins) == (503, MAX_CHECKS)
    assert response.headers.get("Retry-After") == "1"


def void(_count: int) -> None:
    """A number that nobody wants."""


async def test_an_answer_that_came_twice_while_the_password_was_looked_up_is_taken_once() -> None:
    site = Site()
    await site.register()
    request, again = site.request(), asyncio.Event()
    copy = Request("REGISTER", request.uri, request.headers.copy())

    async def slow() -> DigestOutcome:
        await again.wait()
        return ALICE

    site.slow = slow
    asyncio.get_running_loop().call_soon(again.set)
    both = await asyncio.gather(site.send(request), site.send(copy))

    assert sorted(response.status for response in both) == [200, 401]


@pytest.mark.parametrize(
    ("outcome", "status", "offence"),
    [
        (WrongDigest(is_user_known=True), 401, "wrong_digest"),
        (WrongDigest(is_user_known=False), 401, "unknown_user"),
        (CONNECTION_INACTIVE, 403, None),
        (BUSY, 503, None),
    ],
)
async def test_who_is_not_let_in_hears_why_as_far_as_it_may(
    outcome: DigestOutcome, status: int, offence: str | None
) -> None:
    site = Site()
    site.outcome = outcome

    response = await site.register()

    assert response.status == status
    assert site.offences == ([] if offence is None else [(HOME, offence)])
    assert site.registrar.phones() == []


def test_a_registration_ends_when_nobody_refreshes_it() -> None:
    with contextlib.closing(AutojumpLoop()) as loop:

        async def made() -> Site:
            site = Site()
            await site.register()
            return site

        site = loop.run_until_complete(made())
        is_there = [site.registrar.is_registered(HOME)]
        for seconds in (59.0, 2.0):
            loop.advance(seconds)
            is_there.append(site.registrar.is_registered(HOME))

    assert is_there == [True, True, False]


async def test_a_registration_ends_with_the_time_of_its_credential() -> None:
    site = Site()
    expires_at = (site.clock + timedelta(hours=1)).timestamp()
    site.outcome = replace(ALICE, credential_id="c", credential_expires_at=expires_at)
    await site.register()

    before = site.registrar.end_expired()
    site.registrar.set_credential_expiry("c", site.clock.timestamp())
    after = site.registrar.end_expired()

    assert (before, after) == (0, 1)


async def test_a_registration_says_when_it_was_made_and_not_when_it_was_refreshed() -> None:
    site = Site()
    await site.register()
    [first] = site.registrar.phones()

    await site.register()
    [second] = site.registrar.phones()

    assert first[2] == second[2]


async def test_a_number_of_a_connection_rings_its_own_name_before_its_credentials() -> None:
    site = Site()
    await site.register()

    found = site.registrar.of_connection("1")

    assert found is not None
    assert found.username == "alice"
    assert site.registrar.of_connection("2") is None


@pytest.mark.parametrize(
    ("from_", "is_phone"),
    [
        (f"<sip:alice@{DOMAIN}>;tag=1", True),
        (f"<sip:+12025550100@{DOMAIN}>;tag=1", False),
        ("<sip:alice@192.0.2.1>;tag=1", False),
        ("<tel:+12025550100>;tag=1", False),
        (f"<sip:{DOMAIN}>;tag=1", False),
    ],
)
async def test_a_call_from_the_address_of_a_trunk_is_a_phones_if_it_names_a_user(from_: str, is_phone: bool) -> None:
    registrar = Site().registrar
    request = Site().request("INVITE", from_=from_)

    assert registrar.is_from_phone(request, HOME, is_trunk=True) is is_phone
    assert registrar.is_from_phone(request, HOME, is_trunk=False)
