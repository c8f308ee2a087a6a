"""Who may use the API: which paths need a key, and with which scope."""

from collections.abc import Collection
from typing import Final, Protocol

from aiohttp import web

from gateway.auth.keys import KeyGrant

READ: Final = "read"
WRITE: Final = "write"
LAB: Final = "lab"

_SAFE_METHODS: Final = frozenset({"GET", "HEAD"})
_MAX_KEY: Final = 512
"""Characters; a longer one is refused without a look."""

GRANTED: Final = web.RequestKey("granted", frozenset[str])
"""The scopes of a request's key, once the middleware has checked it."""


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
    ) -> None:
        """
        Args:
            resources: first segments of the API's paths without its prefix, which are protected as well.
            public: paths of the API that need no key.
        """
        self._keys = keys
        self._lab_prefix, self._api_prefix = lab_prefix, api_prefix
        self._resources, self._public = frozenset(resources), frozenset(public)

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

    async def scopes(self, authorization: str | None) -> frozenset[str] | None:
        """What the bearer of that `Authorization` field may do (RFC 6750 section 2.1); None: nobody we know."""
        scheme, _, key = (authorization or "").strip().partition(" ")
        key = key.strip()
        if scheme.lower() != "bearer" or not key or len(key) > _MAX_KEY or not key.isascii():
            return None
        grant = await self._keys.check(key)
        return None if grant is None else grant.scope

    async def allows(self, request: web.Request) -> bool:
        """Whether the middleware has let this request through; for handlers that ask for themselves (the lab's)."""
        return self.needed_scope(request.method, request.path) in request.get(GRANTED, frozenset())
