"""Which SDK a client is, by its `User-Agent`: some codes mean one thing to mobile SDKs, another to JavaScript."""

from typing import Final

from gateway.vsp.core.errors import AUTHENTICATION_FAILED, AUTHENTICATION_REQUIRED

ANDROID: Final = "Android-"
IOS: Final = "iOS-"
MOBILE: Final = (IOS, ANDROID, "Flutter-", "ReactNative-")
"""How the `User-Agent` of a mobile SDK begins (verto-mobile 2.1). JavaScript's is an object, or begins with `Web-`."""


def is_mobile(user_agent: str) -> bool:
    """Whether a mobile SDK speaks; anything unknown is treated as the JavaScript SDK, which is the touchiest."""
    return user_agent.startswith(MOBILE)


def is_silent(user_agent: str) -> bool:
    """Whether an SDK speaks that acknowledges nothing: a ping behind a message is what it answers."""
    return user_agent.startswith((IOS, ANDROID))


def login_error(user_agent: str, *, is_token_refused: bool) -> int:
    """The code of a refused login.

    A mobile SDK tells a bad token (-32000) from bad credentials (-32001; M-25). The JavaScript SDK answers -32000
    with another login, at round-trip speed for ever, so that it never gets it here (V-34, V-35).
    """
    return AUTHENTICATION_REQUIRED if is_token_refused and is_mobile(user_agent) else AUTHENTICATION_FAILED
