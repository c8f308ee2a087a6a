"""Devices that a push wakes up, and what a push tells them (verto-mobile 4)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol

from gateway.domain.ids import VertoCallId

PushKind = Literal["call", "missed_call", "answered_elsewhere"]

_SHOWN: Final = 6


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


_TITLES: Final[Mapping[PushKind, str]] = {
    "call": "Incoming call!",
    "missed_call": "Missed call!",
    "answered_elsewhere": "Answered Elsewhere",
}
"""What the SDKs' push handlers compare with, letter by letter (verto-mobile 4.3)."""


def fcm_payload(push: Push) -> dict[str, object]:
    """The body for FCM: texts only, `metadata` as JSON text (M-63)."""
    metadata = _metadata(push)
    return {
        "data": {"type": "voip", "message": _TITLES[push.kind], **metadata, "metadata": json.dumps(metadata)},
        "android": {"priority": "high"},
    }


def apns_payload(push: Push) -> dict[str, object]:
    """The body for APNs, topic `<bundle>.voip`: `metadata` as an object (M-63)."""
    aps: dict[str, object] = {} if push.kind == "call" else {"alert": _TITLES[push.kind]}
    return {"metadata": _metadata(push), "aps": aps}


def payload(push: Push) -> dict[str, object]:
    """The body for the device's provider."""
    return apns_payload(push) if push.device.provider == "ios" else fcm_payload(push)


def _metadata(push: Push) -> dict[str, str]:
    return {
        "call_id": push.call_id,
        "caller_name": push.caller_name,
        "caller_number": push.caller_number,
        "voice_sdk_id": push.voice_sdk_id,
    }


class PushSender(Protocol):
    """Delivers pushes. `send` never blocks and never raises: a push that is lost is a call that is not answered."""

    def send(self, push: Push) -> None: ...
