"""Who may use the API: which paths need a key, and with which scope."""

import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from typing import Final, Protocol

from aiohttp import web

from gateway.auth.core.throttle import Throttle, network_of
from gateway.auth.errors import KeyRevoked, ShutOut
from gateway.auth.keys import KeyGrant, hash_key
from gateway.observability.logging import get_logger
from gateway.observability.metrics import SHUT_OUT

READ: Final = "read"
WRITE: Final = "write"
LAB: Final = "lab"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_MAX_KEY: Final = 512
"""Characters; a longer one is refused without a look."""

GRANTED: Final = web.RequestKey("granted", KeyGrant)
"""What a request's key allows, once the middleware has checked it."""

_MAX_KNOWN: Final = 1000
"""Keys remembered as good, so that their bearers are heard while their address is shut out."""


class Keys(Protocol):
    """`auth.keys.KeyChecker`."""

    async def check(self, key: str) -> KeyGrant | None: ...


class Guard:
    """Protects `/v2/` (read for safe methods, write for the others) and `/_lab/` (lab)."""

    def __init__(
        self,
        keys: Keys,
        *,
        lab_prefix: str = "/_lab/",
        api_prefix: str = "/v2/",
        resources: Collection[str] = (),
        public: Collection[str] = (),
        throttle: Throttle | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Args:
            throttle: shuts addresses out that send too many wrong keys.
            resources: first segments of the API's paths without its prefix, which are protected as well.
            public: paths of the API that need no key.
        """
        self._keys = keys
        self._lab_prefix, self._api_prefix = lab_prefix, api_prefix
        self._resources, self._public = frozenset(resources), frozenset(public)
        self._throttle, self._now = throttle, now
        self._good: OrderedDict[str, None] = OrderedDict()

    def is_api(self, path: str) -> bool:
        """Whether errors of that path are answered in the API's form."""
        return path.startswith((self._api_prefix, self._lab_prefix)) or path.split("/")[1] in self._resources

    def protects(self, path: str) -> bool:
        """Whether that path needs a key."""
        return self.is_api(path) and path not in self._public

    def needed_scope(self, method: str, path: str) -> str:
        """The scope for a request to a protected path."""
        if path.startswith(self._lab_prefix):
            return LAB
        return READ if method in _SAFE_METHODS else WRITE

    async def grant(self, authorization: str | None, peer: str) -> KeyGrant | None:
        """What the bearer of that `Authorization` field may do (RFC 6750 section 2.1); None: nobody we know.

        Raises:
            ShutOut: that address has sent too many wrong keys, and this one was not good lately.
            KeyRevoked: it was good once.
        """
        key = _bearer(authorization)
        if key is None:
            return None  # nobody guesses like that, and nothing is looked up
        key_hash, wait = hash_key(key), self._wait(peer)
        if wait > 0 and key_hash not in self._good:
            raise ShutOut(wait)
        try:
            found = await self._keys.check(key)
        except KeyRevoked:
            self._failed(peer, key_hash)
            raise
        if found is None:
            self._failed(peer, key_hash)
        else:
            self._remember(key_hash)
        return found

    def _wait(self, peer: str) -> float:
        return 0.0 if self._throttle is None else self._throttle.wait(network_of(peer), self._now())

    def _failed(self, peer: str, key_hash: str) -> None:
        self._good.pop(key_hash, None)
        if self._throttle is not None and self._throttle.fail(network_of(peer), self._now()):
            SHUT_OUT.labels(kind="key").inc()
            get_logger().warning("address_shut_out", peer=peer, kind="key")

    def _remember(self, key_hash: str) -> None:
        self._good[key_hash] = None
        self._good.move_to_end(key_hash)
        while len(self._good) > _MAX_KNOWN:
            self._good.popitem(last=False)

    async def allows(self, request: web.Request) -> bool:
        """Whether the middleware has let this request through; for handlers that ask for themselves (the lab's)."""
        return self.needed_scope(request.method, request.path) in _scope(request)


def _scope(request: web.Request) -> frozenset[str]:
    grant = request.get(GRANTED)
    return frozenset() if grant is None else grant.scope


def _bearer(authorization: str | None) -> str | None:
    scheme, _, key = (authorization or "").strip().partition(" ")
    key = key.strip()
    if scheme.lower() != "bearer" or not key or len(key) > _MAX_KEY or not key.isascii():
        return None
    return key
