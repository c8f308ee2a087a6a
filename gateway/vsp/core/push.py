"""What mobile clients say about pushes: in their login, and in `telnyx_rtc.disable_push_notification`."""

from dataclasses import dataclass, field
from typing import Final

from gateway.vsp.core.fields import Fields

MAX_TOKEN: Final = 4096
PROVIDERS: Final = ("ios", "android")
DEBUG: Final = "debug"
PRODUCTION: Final = "production"

_DEBUG_SPELLINGS: Final = frozenset({"debug", "development", "sandbox"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceToken:
    """A device as its login names it."""

    provider: str
    token: str = field(repr=False)
    environment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushOptions:
    """The part of a login that is about pushes.

    Attributes:
        device: None for a client without one.
        is_declined: the user declined the pushed call on the lock screen (verto-mobile 4.5).
        is_from_push: a push woke the client up; iOS and React Native say so.
        rings_when_active: ring this client together with the others of its user (`push_when_active`).
        is_late: offer it a call that began before it logged in (`pn_late_fanout`).
    """

    device: DeviceToken | None = None
    is_declined: bool = False
    is_from_push: bool = False
    rings_when_active: bool = False
    is_late: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class DisablePush:
    """`telnyx_rtc.disable_push_notification`. Whose device it is: a user name, a token, or whoever is logged in."""

    username: str | None
    login_token: str | None = field(repr=False)
    token: str = field(repr=False)


def options_of_login(params: Fields) -> PushOptions:
    """What of a login is about pushes. A device that cannot be used counts as none: a login does not fail for it."""
    variables, login = params.section("userVariables"), params.section("loginParams")
    return PushOptions(
        device=_device(variables),
        is_declined=login.flag("decline_push"),
        is_from_push=params.flag("from_push"),
        rings_when_active=variables.flag("push_when_active"),
        is_late=variables.flag("pn_late_fanout"),
    )


def _device(variables: Fields) -> DeviceToken | None:
    token = variables.text_if_usable("push_device_token", limit=MAX_TOKEN)
    provider = variables.text_if_usable("push_notification_provider") or ""
    if not token or provider not in PROVIDERS:
        return None
    environment = variables.text_if_usable("push_notification_environment") or PRODUCTION
    is_debug = environment.lower() in _DEBUG_SPELLINGS
    return DeviceToken(provider=provider, token=token, environment=DEBUG if is_debug else PRODUCTION)


def disable_push(params: Fields) -> DisablePush:
    """The token is under `User-Agent`, of all places; Flutter calls it `push_notification_token` (M-61).

    Raises:
        BadParams: it is not there.
    """
    device = params.section("User-Agent")
    token = device.text("push_device_token", "push_notification_token", limit=MAX_TOKEN)
    if not token:
        raise params.refuse("User-Agent needs push_device_token")
    username = params.text("user") or None
    return DisablePush(
        username=None if username is None else username.partition("@")[0],
        login_token=params.text("login_token", limit=2 * MAX_TOKEN) or None,
        token=token,
    )
