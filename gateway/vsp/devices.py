"""Keeps the devices that logins name, and forgets them on request."""

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

from gateway.auth.authenticator import Refusal
from gateway.domain.identity import Identity
from gateway.domain.push import Device, masked
from gateway.observability.logging import get_logger
from gateway.store.errors import StoreError
from gateway.vsp.core.messages import Login
from gateway.vsp.core.push import DisablePush
from gateway.vsp.login import Authenticate, LoginAttempt

DISABLED: Final = "disable push notification success"
"""What iOS looks for is `success` (M-62)."""

_log = get_logger()


class DeviceStore(Protocol):
    """`store.devices.Devices`."""

    async def keep(self, device: Device, owner: Identity, *, at: datetime) -> None: ...

    async def remove(self, username: str, token: str) -> bool: ...


class DeviceDesk:
    """What the server does about devices. Nothing here fails a login."""

    def __init__(self, store: DeviceStore, authenticate: Authenticate, clock: Callable[[], datetime]) -> None:
        self._store, self._authenticate, self._clock = store, authenticate, clock

    async def register(self, login: Login, identity: Identity) -> None:
        """Keep the device of a good login."""
        named = login.push.device
        if named is None:
            return
        device = Device(
            username=identity.username,
            provider=named.provider,
            token=named.token,
            environment=named.environment,
            user_agent=login.user_agent,
        )
        try:
            await self._store.keep(device, identity, at=self._clock())
        except StoreError as error:
            _log.error("push_device_not_kept", username=identity.username, error_code=error.code)
        else:
            _log.debug("push_device_kept", username=identity.username, device=masked(device.token))

    async def disable(self, request: DisablePush, identity: Identity, *, peer: str) -> str | None:
        """Forget a device of that client; what is in the way, else None. An unknown device is forgotten already."""
        if not await self._is_own(request, identity, peer):
            return "only the devices of the user who is logged in can be disabled"
        try:
            was_known = await self._store.remove(identity.username, request.token)
        except StoreError as error:
            _log.error("push_device_not_forgotten", username=identity.username, error_code=error.code)
            return "the device could not be disabled now, try again"
        _log.debug(
            "push_device_forgotten", username=identity.username, device=masked(request.token), was_known=was_known
        )
        return None

    async def _is_own(self, request: DisablePush, identity: Identity, peer: str) -> bool:
        if identity.is_visitor:
            return False
        if request.username is not None:
            return request.username == identity.username
        if request.login_token is None:
            return True
        attempt = LoginAttempt(username=None, password=None, token=request.login_token, peer=peer)
        owner = await self._authenticate(attempt)
        return not isinstance(owner, Refusal) and owner.username == identity.username
