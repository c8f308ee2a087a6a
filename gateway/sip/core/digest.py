"""Digest authentication as a client (RFC 7616, RFC 8760, RFC 2617; RFC 3261 section 22.4).

Pure: the cnonce comes in as an argument. Understood are MD5, SHA-256 and their -sess forms, with qop=auth or, as
RFC 2069 had it, without qop. A challenge with qop=auth-int alone or with another algorithm cannot be answered.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.sip.core.errors import SipParseError
from gateway.sip.core.headers.auth import AuthValue, parse_challenges
from gateway.sip.core.headers.tokens import quote, unquote

_Hash = Callable[[str], str]


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_ALGORITHMS: Final[Mapping[str, _Hash]] = {
    "SHA-256": _sha256,
    "SHA-256-SESS": _sha256,
    "MD5": _md5,
    "MD5-SESS": _md5,
}
"""By preference, best first (RFC 8760 section 2.4)."""


@dataclass(frozen=True, slots=True)
class DigestChallenge:
    """A challenge that we can answer.

    Attributes:
        realm, nonce, opaque: the content between the quotes with its escapes, as the hash takes it (RFC 7616
            section 3.3, `unq`).
        algorithm: as the server wrote it; None when it did not (which means MD5) and wants none back.
        is_qop_auth: whether the server offers qop=auth; without it the answer has neither cnonce nor nc.
        is_stale: the answer before had the right password, only its nonce was too old: answer again.
    """

    realm: str
    nonce: str
    algorithm: str | None = None
    opaque: str | None = None
    is_qop_auth: bool = False
    is_stale: bool = False

    @classmethod
    def from_value(cls, value: AuthValue) -> "DigestChallenge | None":
        """The challenge, or None when it is not a digest that we can answer."""
        realm, nonce = _content(value, "realm"), _content(value, "nonce")
        algorithm = value.get("algorithm")
        qop = value.get("qop")
        offered = {option.strip().lower() for option in (qop or "").split(",")} - {""}
        is_known = algorithm is None or algorithm.upper() in _ALGORITHMS
        if value.scheme.lower() != "digest" or realm is None or nonce is None or not is_known:
            return None
        if offered and "auth" not in offered:
            return None
        return cls(
            realm=realm,
            nonce=nonce,
            algorithm=algorithm,
            opaque=_content(value, "opaque"),
            is_qop_auth="auth" in offered,
            is_stale=(value.get("stale") or "").lower() == "true",
        )

    @property
    def preference(self) -> int:
        """Smaller is better."""
        return list(_ALGORITHMS).index((self.algorithm or "MD5").upper())


def choose_challenge(values: Iterable[str], *, realm: str | None = None) -> DigestChallenge | None:
    """The best challenge that we can answer among the WWW- or Proxy-Authenticate values of one response.

    The first of the strongest algorithm wins; None when there is none. Broken values are passed over, and those of
    another realm than `realm` where one is given.
    """
    found: list[DigestChallenge] = []
    for text in values:
        try:
            parsed = parse_challenges(text)
        except SipParseError:
            # One broken line must not hide a good one beside it.
            continue
        found += [challenge for value in parsed if (challenge := DigestChallenge.from_value(value)) is not None]
    if realm is not None:
        found = [challenge for challenge in found if unquote(f'"{challenge.realm}"') == realm]
    return min(found, key=lambda challenge: challenge.preference, default=None)


class DigestClient:
    """Answers one challenge, as often as its nonce holds, and counts the uses of the nonce."""

    def __init__(self, challenge: DigestChallenge, *, username: str, password: str) -> None:
        self.challenge = challenge
        self._username, self._password = username, password
        self._nonce_count = 0
        self._session_key: str | None = None

    def credentials(self, *, method: str, uri: str, cnonce: str) -> str:
        """The value of Authorization or Proxy-Authorization.

        Args:
            uri: the Request-URI, exactly as it stands in the request line.
            cnonce: fresh and unguessable; without `"` and `\\\\`.
        """
        challenge = self.challenge
        algorithm = (challenge.algorithm or "MD5").upper()
        digest = _ALGORITHMS[algorithm]
        self._nonce_count += 1
        count = f"{self._nonce_count:08x}"
        key = self._key(digest, algorithm, cnonce)
        method_hash = digest(f"{method}:{uri}")
        middle = f"{challenge.nonce}:{count}:{cnonce}:auth" if challenge.is_qop_auth else challenge.nonce
        params = [
            ("username", quote(self._username)),
            ("realm", f'"{challenge.realm}"'),
            ("nonce", f'"{challenge.nonce}"'),
            ("uri", f'"{uri}"'),
            ("response", f'"{digest(f"{key}:{middle}:{method_hash}")}"'),
        ]
        if challenge.algorithm is not None:
            params.append(("algorithm", challenge.algorithm))
        if challenge.is_qop_auth:
            params += [("cnonce", f'"{cnonce}"'), ("qop", "auth"), ("nc", count)]
        elif algorithm.endswith("-SESS"):
            # The server needs the cnonce for A1 even where RFC 2069 knows no qop.
            params.append(("cnonce", f'"{cnonce}"'))
        if challenge.opaque is not None:
            params.append(("opaque", f'"{challenge.opaque}"'))
        return str(AuthValue("Digest", tuple(params)))

    def _key(self, digest: _Hash, algorithm: str, cnonce: str) -> str:
        """H(A1). For -sess it is made once, with the first cnonce (RFC 7616 section 3.4.2)."""
        if self._session_key is not None:
            return self._session_key
        key = digest(f"{self._username}:{self.challenge.realm}:{self._password}")
        if algorithm.endswith("-SESS"):
            key = digest(f"{key}:{self.challenge.nonce}:{cnonce}")
        self._session_key = key
        return key


def _content(value: AuthValue, name: str) -> str | None:
    raw = value.get_raw(name)
    if raw is None:
        return None
    return raw[1:-1] if raw.startswith('"') else raw
