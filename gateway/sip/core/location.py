"""Who is registered where (RFC 3261 section 10.3; RFC 5626 for several flows of one phone; RFC 3327 for proxies).

Pure. The table does not authenticate: what it is given has been let in. It is bounded, and so is each user's part.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Generic, Protocol, TypeVar

from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.contacts import Asked, ContactChange
from gateway.sip.core.headers.uri import SipUri, is_same_uri


class Way(Protocol):
    """What a binding needs of a flow."""

    @property
    def remote(self) -> Hashable: ...


FlowT = TypeVar("FlowT", bound=Way)

OwnerT = TypeVar("OwnerT")

FULL_RETRY_AFTER: Final = 60
"""Seconds after which a phone that found the table full may try again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding(Generic[FlowT, OwnerT]):
    """One contact of a user.

    Attributes:
        uri: the Contact's URI, as it was written.
        q: preference, 0 to 1.
        instance, reg_id: the phone, and which of its flows; None where RFC 5626 is not used.
        call_id, cseq: of the REGISTER that said it last.
        flow: the way it came by, on which calls go back.
        path: the proxies in between, as Route values for a call; then the flow is that to the last of them.
        owner: whose it is, as it was let in.
        since: when it was made; a refresh does not change it.
        refreshed_at: when it was said last.
        expires_at: the end, if it is not refreshed.
    """

    uri: str
    q: float
    instance: str | None
    reg_id: int | None
    call_id: str
    cseq: int
    flow: FlowT
    path: tuple[str, ...]
    owner: OwnerT
    user_agent: str
    since: float
    refreshed_at: float
    expires_at: float

    def is_at(self, change: ContactChange) -> bool:
        """Whether that change is about this binding (RFC 3261 section 19.1.4, RFC 5626 section 6)."""
        if change.reg_id is not None:
            return (self.instance, self.reg_id) == (change.instance, change.reg_id)
        return self.reg_id is None and is_same_uri(SipUri.parse(self.uri), SipUri.parse(change.uri))


@dataclass(frozen=True, slots=True)
class Outcome(Generic[FlowT, OwnerT]):
    """What a REGISTER has changed."""

    added: tuple[Binding[FlowT, OwnerT], ...] = ()
    removed: tuple[Binding[FlowT, OwnerT], ...] = ()


class Location(Generic[FlowT, OwnerT]):
    """The table. Times are seconds of any clock that only goes forward."""

    def __init__(self, *, max_per_user: int, max_bindings: int) -> None:
        self._max_per_user, self._max_bindings = max_per_user, max_bindings
        self._users: dict[str, tuple[Binding[FlowT, OwnerT], ...]] = {}
        self._remotes: Counter[Hashable] = Counter()
        self._count = 0
        self._deadline: float | None = None

    def __len__(self) -> int:
        """Bindings that there are."""
        return self._count

    def of(self, user: str, now: float) -> tuple[Binding[FlowT, OwnerT], ...]:
        """The bindings of a user that have not expired, the preferred first, and of those the newest."""
        live = [one for one in self._users.get(user, ()) if one.expires_at > now]
        return tuple(sorted(live, key=lambda one: (-one.q, -one.since)))

    def all(self) -> Mapping[str, tuple[Binding[FlowT, OwnerT], ...]]:
        """Every binding by its user."""
        return self._users

    def is_remote(self, remote: Hashable) -> bool:
        """Whether a phone is registered from that address."""
        return remote in self._remotes

    def apply(
        self, user: str, asked: Asked, *, flow: FlowT, owner: OwnerT, user_agent: str, now: float
    ) -> Outcome[FlowT, OwnerT] | Refusal:
        """Do what a REGISTER asks for: all of it, or nothing (section 10.3, steps 6 to 8)."""
        self._drop(user, [one for one in self._users.get(user, ()) if one.expires_at <= now])
        before = self._users.get(user, ())
        after = list(before)
        changes = [ContactChange.removing(one.uri, one.instance, one.reg_id) for one in before]
        for change in changes if asked.is_all else asked.changes:
            known = next((one for one in after if one.is_at(change)), None)
            if known is not None:
                if known.call_id == asked.call_id and asked.cseq <= known.cseq:
                    return Refusal(500, "CSeq Out Of Order")
                after.remove(known)
            if change.expires > 0:
                new = _bound(change, asked, known, flow=flow, owner=owner, user_agent=user_agent, now=now)
                after.append(new)
        if refusal := self._refuse_more(len(before), len(after)):
            return refusal
        self._put(user, tuple(after))
        return Outcome(
            added=tuple(
                one for one in after if not any(one.since == old.since and _is_one(one, old) for old in before)
            ),
            removed=tuple(old for old in before if not any(_is_one(one, old) for one in after)),
        )

    def end(self, ends: Callable[[Binding[FlowT, OwnerT]], bool]) -> list[tuple[str, Binding[FlowT, OwnerT]]]:
        """Forget the bindings for which that is true; returns them with their users."""
        ended = [(user, one) for user, bindings in self._users.items() for one in bindings if ends(one)]
        for user, one in ended:
            self._drop(user, [one])
        return ended

    def change_owners(self, change: Callable[[OwnerT], OwnerT]) -> None:
        """Put another owner in the place of each."""
        for user, bindings in self._users.items():
            self._users[user] = tuple(replace(one, owner=change(one.owner)) for one in bindings)

    def expire(self, now: float) -> list[tuple[str, Binding[FlowT, OwnerT]]]:
        """Forget the bindings that nobody refreshed in time; returns them with their users."""
        ended = self.end(lambda one: one.expires_at <= now)
        self._deadline = min((one.expires_at for user in self._users.values() for one in user), default=None)
        return ended

    def next_deadline(self) -> float | None:
        """When to call `expire`: never after a binding's end, but maybe before, since a refresh does not change it."""
        return self._deadline

    def _refuse_more(self, before: int, after: int) -> Refusal | None:
        if after > before and after > self._max_per_user:
            return Refusal(403, f"At Most {self._max_per_user} Contacts")
        if after > before and self._count - before + after > self._max_bindings:
            return Refusal(503, "Too Many Registrations", (("Retry-After", str(FULL_RETRY_AFTER)),))
        return None

    def _drop(self, user: str, ended: Iterable[Binding[FlowT, OwnerT]]) -> None:
        gone = list(ended)
        if gone:
            self._put(user, tuple(one for one in self._users[user] if not any(one is old for old in gone)))

    def _put(self, user: str, bindings: tuple[Binding[FlowT, OwnerT], ...]) -> None:
        former = self._users.pop(user, ())
        self._count += len(bindings) - len(former)
        self._remotes.update(one.flow.remote for one in bindings)
        self._remotes.subtract(one.flow.remote for one in former)
        for remote in {one.flow.remote for one in former if not self._remotes[one.flow.remote]}:
            del self._remotes[remote]
        if bindings:
            self._users[user] = bindings
            ends = min(one.expires_at for one in bindings)
            self._deadline = ends if self._deadline is None else min(self._deadline, ends)


def _bound(
    change: ContactChange,
    asked: Asked,
    known: Binding[FlowT, OwnerT] | None,
    *,
    flow: FlowT,
    owner: OwnerT,
    user_agent: str,
    now: float,
) -> Binding[FlowT, OwnerT]:
    return Binding(
        uri=change.uri,
        q=change.q,
        instance=change.instance,
        reg_id=change.reg_id,
        call_id=asked.call_id,
        cseq=asked.cseq,
        flow=flow,
        path=asked.path,
        owner=owner,
        user_agent=user_agent,
        since=now if known is None else known.since,
        refreshed_at=now,
        expires_at=now + change.expires,
    )


def _is_one(one: Binding[FlowT, OwnerT], other: Binding[FlowT, OwnerT]) -> bool:
    """Whether both are the same contact, at different times."""
    if one.reg_id is not None or other.reg_id is not None:
        return (one.instance, one.reg_id) == (other.instance, other.reg_id)
    return is_same_uri(SipUri.parse(one.uri), SipUri.parse(other.uri))
