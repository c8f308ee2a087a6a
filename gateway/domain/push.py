"""Devices that a push wakes up, and what a push tells them (verto-mobile 4)."""

from dataclasses import dataclass, field
from typing import Literal, Protocol

from gateway.domain.ids import VertoCallId

PushKind = Literal["call", "missed_call", "answered_elsewhere"]

_SHOWN: int = 6


def masked(token: str) -> str:
    """A device token as it may be shown: its last characters."""
    return f"…{token[-_SHOWN:]}" if len(token) > 2 * _SHOWN else "…"


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A mobile device of a user.

    Attributes:
        username: the user who logged in on it.
        provider: `ios` (APNs) or `android` (FCM).
        token: what the provider knows it by. Never logged in full.
        environment: APNs has two: `production` and `debug` (its sandbox).
        user_agent: the SDK's, which tells what else the device wants to hear of.
    """

    username: str
    provider: str
    token: str = field(repr=False)
    environment: str = "production"
    user_agent: str = ""

    @property
    def wants_missed_calls(self) -> bool:
        """iOS and React Native ask for it by a mark; Android and Flutter handle it without (verto-mobile 4.1)."""
        return "-mpn-" in self.user_agent or self.user_agent.startswith(("Android-", "Flutter-"))

    @property
    def wants_answered_elsewhere(self) -> bool:
        """Only the native SDKs know it: Flutter's and React Native's examples would ring (verto-mobile 4.3)."""
        return self.user_agent.startswith(("Android-", "iOS-"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """One message to one device.

    Attributes:
        call_id: the `callID` of the invite that a login of the device gets, a UUID.
        voice_sdk_id: what the device presents when it connects; iOS throws without it.
    """

    kind: PushKind
    device: Device
    call_id: VertoCallId
    voice_sdk_id: str
    caller_name: str
    caller_number: str


class PushSender(Protocol):
    """Delivers pushes. `send` never blocks and never raises: a push that is lost is a call that is not answered."""

    def send(self, push: Push) -> None: ...
