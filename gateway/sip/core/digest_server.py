"""Digest authentication as a server (RFC 7616, RFC 8760; RFC 3261 section 22).

Pure: key, time and randomness come in as arguments. Nonces carry their own proof, so that nothing is kept for those who
only ask; of those who answered right a bounded table keeps how often, against replay. Offered is qop=auth with SHA-256
and MD5; the -sess forms, qop=auth-int and answers without qop are refused.
"""

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Literal

from gateway.sip.core.errors import SipError, SipParseError
from gateway.sip.core.headers.auth import AuthValue
from gateway.sip.core.headers.uri import SipUri

Algorithm = Literal["SHA-256", "MD5"]

MAX_COUNTED: Final = 10_000
"""Nonces whose count is kept."""

_CLOCK_OCTETS: Final = 6
_SALT_OCTETS: Final = 6
_PROOF_OCTETS: Final = 16
_NONCE_OCTETS: Final = _CLOCK_OCTETS + _SALT_OCTETS + _PROOF_OCTETS
_MAX_USER: Final = 256
_COUNT: Final = re.compile(r"[0-9a-fA-F]{8}")
_DIGEST: Final = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{64}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


_HASHES: Final[Mapping[Algorithm, Callable[[str], str]]] = {"SHA-256": _sha256, "MD5": _md5}


class NonceState(Enum):
    """What a nonce is worth."""

    FRESH = "fresh"
    STALE = "stale"
    """One of ours, but too old, or counted already: whoever knows the password may answer another (stale=true)."""
    FOREIGN = "foreign"
    """None of ours, or given to somebody else."""


class Nonces:
    """Makes nonces and knows them again without keeping them.

    A nonce is the time in milliseconds, a salt, and an HMAC over both and the address that it was given to (RFC 7616
    section 5.4), in Base64 for URLs.
    """

    def __init__(self, key: bytes, *, lifetime: float) -> None:
        """
        Args:
            key: unguessable.
            lifetime: seconds that a nonce is good for.
        """
        self._key, self._lifetime = key, lifetime

    def make(self, now: float, source: str, salt: bytes) -> str:
        """A nonce for that address; two of the same moment differ by their salt (six octets of it count)."""
        head = int(now * 1000).to_bytes(_CLOCK_OCTETS, "big") + salt[:_SALT_OCTETS].ljust(_SALT_OCTETS, b"\0")
        return urlsafe_b64encode(head + self._proof(head, source)).decode().rstrip("=")

    def state(self, nonce: str, now: float, source: str) -> NonceState:
        """What that nonce is worth when it comes from that address."""
        octets = _octets_of(nonce)
        if octets is None:
            return NonceState.FOREIGN
        head, proof = octets[:-_PROOF_OCTETS], octets[-_PROOF_OCTETS:]
        if not hmac.compare_digest(proof, self._proof(head, source)):
            return NonceState.FOREIGN
        return NonceState.FRESH if 0 <= now - made_at(nonce) < self._lifetime else NonceState.STALE

    def _proof(self, head: bytes, source: str) -> bytes:
        return hmac.digest(self._key, head + source.encode(), "sha256")[:_PROOF_OCTETS]


def made_at(nonce: str) -> float:
    """When a nonce of ours was made, in seconds of the clock that `make` was given; 0 for what is none."""
    octets = _octets_of(nonce)
    return 0.0 if octets is None else int.from_bytes(octets[:_CLOCK_OCTETS], "big") / 1000


def _octets_of(nonce: str) -> bytes | None:
    try:
        octets = urlsafe_b64decode(nonce + "=" * (-len(nonce) % 4))
    except ValueError:
        return None
    # The same octets have several spellings in Base64: only ours counts, or a count could be got around.
    is_ours = len(octets) == _NONCE_OCTETS and urlsafe_b64encode(octets).decode().rstrip("=") == nonce
    return octets if is_ours else None


class NonceCounts:
    """How often each nonce was answered right: a count is good once, and only upwards (RFC 7616 section 3.4.6).

    Bounded: of too many the one used longest ago is forgotten, and no nonce made before it begins a count any more.
    """

    def __init__(self, *, max_entries: int = MAX_COUNTED) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()
        self._max_entries = max_entries
        self._forgotten_until = -1.0

    def __len__(self) -> int:
        return len(self._counts)

    def may_use(self, nonce: str, count: int) -> bool:
        """Whether that count of that nonce is new."""
        known = self._counts.get(nonce)
        if known is None:
            return count > 0 and made_at(nonce) > self._forgotten_until
        return count > known

    def use(self, nonce: str, count: int) -> None:
        """That count was used, by somebody who knows the password."""
        self._counts[nonce] = count
        self._counts.move_to_end(nonce)
        while len(self._counts) > self._max_entries:
            oldest, _ = self._counts.popitem(last=False)
            self._forgotten_until = max(self._forgotten_until, made_at(oldest))


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestAnswer:
    """What an Authorization or Proxy-Authorization says, well-formed.

    Attributes:
        username: as it was sent; the hash takes it so.
        count: the nonce count; `count_text` as it was written.
    """

    username: str
    realm: str
    nonce: str
    uri: str
    algorithm: Algorithm
    cnonce: str
    count: int
    count_text: str
    response: str = field(repr=False)

    @property
    def user(self) -> str:
        """The user name without a domain, which some phones put behind it."""
        return self.username.partition("@")[0]

    def is_right(self, password: str, method: str) -> bool:
        """Whether it was made with that password, for that method. Takes as long for a wrong one."""
        digest = _HASHES[self.algorithm]
        key = digest(f"{self.username}:{self.realm}:{password}")
        middle = f"{self.nonce}:{self.count_text}:{self.cnonce}:auth"
        expected = digest(f"{key}:{middle}:{digest(f'{method}:{self.uri}')}")
        return hmac.compare_digest(expected, self.response.lower())


def find_answer(values: Iterable[str], *, realm: str) -> AuthValue | None:
    """Of several credentials those for our realm; None when there are none. Broken ones are passed over."""
    for text in values:
        try:
            value = AuthValue.parse(text)
        except SipParseError:
            continue  # for another realm, perhaps; ours is then asked for again
        if value.scheme.lower() == "digest" and value.get("realm") == realm:
            return value
    return None


def read_answer(value: AuthValue, *, offered: Sequence[Algorithm]) -> DigestAnswer | None:
    """The answer, or None for what we have not asked for: another algorithm or qop, or a missing or broken part."""
    names = ("username", "realm", "nonce", "uri", "cnonce", "nc", "response")
    found = {name: value.get(name) for name in names}
    algorithm = next((one for one in offered if one == (value.get("algorithm") or "MD5").upper()), None)
    if algorithm is None or (value.get("qop") or "").lower() != "auth":
        return None
    parts = {name: text for name, text in found.items() if text}
    if len(parts) < len(names) or len(parts["username"]) > _MAX_USER:
        return None
    if not _COUNT.fullmatch(parts["nc"]) or not _DIGEST.fullmatch(parts["response"]):
        return None
    return DigestAnswer(
        username=parts["username"],
        realm=parts["realm"],
        nonce=parts["nonce"],
        uri=parts["uri"],
        algorithm=algorithm,
        cnonce=parts["cnonce"],
        count=int(parts["nc"], 16),
        count_text=parts["nc"],
        response=parts["response"],
    )


def is_same_target(uri: str, request_uri: str) -> bool:
    """Whether the digest's uri names what the request is for: scheme, user and host (RFC 3261 section 22.4).

    Not the port and the parameters: proxies between us and the phone change those.
    """
    if uri == request_uri:
        return True
    try:
        one, other = SipUri.parse(uri), SipUri.parse(request_uri)
    except SipError:
        return False
    return (one.scheme, one.user or "", one.host.lower()) == (other.scheme, other.user or "", other.host.lower())


def challenges(realm: str, nonce: str, *, algorithms: Sequence[Algorithm], is_stale: bool = False) -> tuple[str, ...]:
    """The values of WWW-Authenticate or Proxy-Authenticate, one a line, the strongest first (RFC 8760 section 2.3)."""
    stale = ", stale=true" if is_stale else ""
    return tuple(
        f'Digest realm="{realm}", nonce="{nonce}", algorithm={algorithm}, qop="auth"{stale}' for algorithm in algorithms
    )
