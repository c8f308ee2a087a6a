"""The registrar: SIP phones say where they are (RFC 3261 section 10), and calls find them there.

Bindings live in memory only: after a restart phones are there again with their next refresh, at the latest after
`[registrar] max_expires`. Those over a connection end with it.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gateway.domain.identity import Identity
from gateway.domain.registration import Ending
from gateway.observability.clock import utc_now
from gateway.observability.logging import get_logger
from gateway.observability.metrics import SIP_REGISTRATIONS
from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.contacts import Asked, read_register
from gateway.sip.core.errors import IntervalTooBrief, SipError
from gateway.sip.core.headers.tokens import printable, quote
from gateway.sip.core.headers.uri import SipUri
from gateway.sip.core.location import Binding, Location
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.phone_guard import PhoneGuard
from gateway.sip.registrar_settings import RegistrarSettings
from gateway.sip.transactions import ServerTransaction
from gateway.sip.transport.flow import Destination, Flow

EXTENSIONS: Final = frozenset({"path", "outbound"})
"""What a REGISTER may require: RFC 3327, RFC 5626."""

MAX_USER_AGENT: Final = 128
"""Characters of a phone's name that are kept."""

MAX_CHECKS: Final = 3
"""How often a login is looked up anew, because something was revoked meanwhile."""

Phone = Binding[Flow, Identity]

_log = get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneUser:
    """A user with registered phones.

    Attributes:
        phones: the preferred first; at least one.
        registered_at: when the last of them came; refreshes do not count.
    """

    username: str
    phones: tuple[Phone, ...]
    registered_at: datetime

    @property
    def identity(self) -> Identity:
        """Whose they are."""
        return self.phones[0].owner


class Registrar:
    """One per user agent, on the loop's thread.

    Args:
        idle_timeout: seconds after which a silent connection is closed.
        is_proxy: whether a Path that comes from there is followed: from whoever may send us calls for a trunk.
    """

    def __init__(
        self,
        settings: RegistrarSettings,
        *,
        guard: PhoneGuard,
        domain: str,
        idle_timeout: float,
        is_proxy: Callable[[Destination], bool],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._settings, self._guard, self._domain = settings, guard, domain.lower()
        self._idle_timeout, self._is_proxy, self._clock = idle_timeout, is_proxy, clock
        self._location: Location[Flow, Identity] = Location(
            max_per_user=settings.max_contacts, max_bindings=settings.max_registrations
        )
        self._timer: asyncio.TimerHandle | None = None
        self._endings = 0
        self._epoch = clock() - timedelta(seconds=self._now())

    # ---- who may come in

    def is_registered(self, source: Destination) -> bool:
        """Whether a phone is registered from exactly there."""
        return self._location.is_remote(source)

    def is_from_phone(self, request: Request, source: Destination, *, is_trunk: bool) -> bool:
        """Whether a phone, and not a trunk, has sent a request outside of a dialog.

        From a trunk's address: what has an answer to a challenge of ours, comes by the way that a phone registered
        by, or names one of our users as its sender (but not a number, as a carrier of our domain does).
        """
        if request.method not in ("REGISTER", "INVITE"):
            return self.is_registered(source)
        if request.method == "REGISTER" or not is_trunk:
            return True
        return self._guard.has_answer(request) or self.is_registered(source) or self._names_user(request)

    def screen(self, request: Request, source: Destination, *, is_trunk: bool) -> Refusal | bool:
        """See `Endpoint.screen`."""
        if request.method not in ("REGISTER", "INVITE") or not self.is_from_phone(request, source, is_trunk=is_trunk):
            return False
        found = self._guard.look(request, source)
        return found if isinstance(found, Refusal) else True

    async def identify(self, request: Request, source: Destination) -> Identity | Refusal:
        """The user of ours that sent it, by what stands when this returns: not one who was revoked meanwhile."""
        for _ in range(MAX_CHECKS):
            endings = self._endings
            found = await self._guard.identify(request, source)
            if isinstance(found, Refusal):
                return found
            if endings == self._endings:
                return self._guard.count(request, source) or found
        return Refusal(503, "Service Unavailable", (("Retry-After", "1"),))

    def _names_user(self, request: Request) -> bool:
        try:
            sender = SipUri.parse(request.from_.uri)
        except SipError:
            return False
        return sender.host.lower() == self._domain and bool(sender.user) and not (sender.user or "").startswith("+")

    # ---- REGISTER

    async def register(self, transaction: ServerTransaction, request: Request) -> None:
        """Answer a REGISTER."""
        try:
            answer = await self._register(transaction, request)
        except Exception:  # a defect of ours: the phone hears of it, and so does the loop
            transaction.respond(response_to(request, 500, to_tag=transaction.to_tag))
            raise
        if isinstance(answer, Refusal):
            headers = answer.headers
            answer = response_to(request, answer.status, answer.reason, to_tag=transaction.to_tag, headers=headers)
        transaction.respond(answer)

    async def _register(self, transaction: ServerTransaction, request: Request) -> Response | Refusal:
        unknown = [tag for tag in request.headers.get_all("Require") if tag.lower() not in EXTENSIONS]
        if unknown:
            return Refusal(420, "Bad Extension", (("Unsupported", ", ".join(unknown)),))
        identity = await self.identify(request, transaction.source)
        if isinstance(identity, Refusal):
            return identity
        try:
            user = SipUri.parse(request.to.uri).user
            asked = self._read(request, transaction.source)
        except IntervalTooBrief as error:
            return Refusal(423, "Interval Too Brief", (("Min-Expires", str(error.min_expires)),))
        except SipError:
            return Refusal(400, "Bad Registration")
        if user != identity.username:
            return Refusal(403, "Not Your Address")
        return self._apply(transaction, request, asked, identity)

    def _read(self, request: Request, source: Destination) -> Asked:
        settings = self._settings
        longest = settings.max_expires
        if source.transport != "udp":
            longest = max(settings.min_expires, min(longest, int(self._idle_timeout)))
        return read_register(
            request, min_expires=settings.min_expires, max_expires=longest, takes_path=self._is_proxy(source)
        )

    def _apply(
        self, transaction: ServerTransaction, request: Request, asked: Asked, identity: Identity
    ) -> Response | Refusal:
        flow, now = transaction.flow.to_port(transaction.source.port), self._now()
        if not flow.is_open:
            return Refusal(430, "Flow Failed")
        user_agent = printable(request.headers.get("User-Agent") or "")[:MAX_USER_AGENT]
        outcome = self._location.apply(
            identity.username, asked, flow=flow, owner=identity, user_agent=user_agent, now=now
        )
        if isinstance(outcome, Refusal):
            return outcome
        for _new in outcome.added:
            _log.info("phone_registered", username=identity.username, peer=str(flow.remote), user_agent=user_agent)
        self._tell_ended(((identity.username, one) for one in outcome.removed), "unregistered")
        self._after_change()
        bindings = self._location.of(identity.username, now)
        return response_to(
            request, 200, to_tag=transaction.to_tag, headers=_answer_headers(request, asked, bindings, now)
        )

    # ---- who is where

    def of_user(self, username: str) -> PhoneUser | None:
        """The phones of that user; None without any."""
        phones = self._location.of(username, self._now())
        if not phones:
            return None
        return PhoneUser(username=username, phones=phones, registered_at=self._at(max(phone.since for phone in phones)))

    def of_connection(self, connection_id: str) -> PhoneUser | None:
        """Of the users of that connection with phones, the one to ring for its numbers.

        The connection's own user name first, as for clients (`vsp.registry`), then the last that registered.
        """
        names = {
            user
            for user, bindings in self._location.all().items()
            if any(one.owner.connection_id == connection_id for one in bindings)
        }
        users = [found for name in names if (found := self.of_user(name)) is not None]
        return max(users, key=lambda user: (user.identity.credential_id is None, user.registered_at), default=None)

    def phones(self) -> list[tuple[str, Phone, datetime]]:
        """Every binding: its user, and when it was made; oldest first."""
        now = self._now()
        found = [
            (user, one, self._at(one.since))
            for user, bindings in self._location.all().items()
            for one in bindings
            if one.expires_at > now
        ]
        return sorted(found, key=lambda entry: entry[2])

    # ---- what ends bindings beside the phones themselves

    def flow_closed(self, flow: Flow) -> None:
        """Its phones are not reached any more; those behind a proxy are, by a new connection."""
        self._end(lambda one: one.flow == flow and not one.path, "connection_closed")

    def end_registrations(self, which: Ending) -> int:
        """See `accounts.watch.Registrations`. Calls that go on do so."""
        self._endings += 1
        return self._end(lambda one: which.concerns(one.owner), "revoked")

    def set_credential_expiry(self, credential_id: str, expires_at: float) -> None:
        """See `accounts.watch.Registrations`."""
        self._endings += 1
        which = Ending(credential_id=credential_id)
        self._location.change_owners(
            lambda owner: replace(owner, credential_expires_at=expires_at) if which.concerns(owner) else owner
        )

    def end_expired(self) -> int:
        """See `accounts.watch.Registrations`: a credential's end, not a registration's."""
        now = self._clock().timestamp()
        return self._end(lambda one: one.owner.has_expired(now), "revoked")

    def close(self) -> None:
        """Forget everything; idempotent."""
        self._location.end(lambda _one: True)
        self._after_change()

    def _end(self, ends: Callable[[Phone], bool], reason: str) -> int:
        ended = self._location.end(ends)
        self._tell_ended(ended, reason)
        if ended:
            self._after_change()
        return len(ended)

    def _tell_ended(self, ended: Iterable[tuple[str, Phone]], reason: str) -> None:
        for user, one in ended:
            _log.info("phone_unregistered", username=user, peer=str(one.flow.remote), reason=reason)

    # ---- time

    def _after_change(self) -> None:
        SIP_REGISTRATIONS.set(len(self._location))
        deadline = self._location.next_deadline() if len(self._location) else None
        if self._timer is not None:
            if deadline == self._timer.when():
                return
            self._timer.cancel()
        loop = asyncio.get_running_loop()
        self._timer = None if deadline is None else loop.call_at(deadline, self._on_timer)

    def _on_timer(self) -> None:
        due, self._timer = self._location.next_deadline(), None
        # The loop may call within its clock's resolution before the time.
        self._tell_ended(self._location.expire(max(self._now(), due or 0.0)), "expired")
        self._after_change()

    def _at(self, moment: float) -> datetime:
        return self._epoch + timedelta(seconds=moment)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()


def _answer_headers(
    request: Request, asked: Asked, bindings: Iterable[Phone], now: float
) -> tuple[tuple[str, str], ...]:
    """Every binding with the rest of its time (section 10.3 step 8; RFC 5626 section 6; RFC 3327 section 5.3)."""
    supported = {tag.lower() for tag in request.headers.get_all("Supported")}
    uses_flow = any(change.reg_id is not None for change in asked.changes)
    return (
        *(("Contact", _contact(one, now)) for one in bindings),
        *(("Path", path) for path in asked.path if "path" in supported),
        ("Supported", "path, outbound"),
        *((("Require", "outbound"),) if uses_flow else ()),
    )


def _contact(one: Phone, now: float) -> str:
    params = f";expires={max(1, round(one.expires_at - now))}"
    if one.q < 1:
        params += f";q={one.q:g}"
    if one.instance is not None:
        params += f";+sip.instance={quote(one.instance)}"
    if one.reg_id is not None:
        params += f";reg-id={one.reg_id}"
    return f"<{one.uri}>{params}"
