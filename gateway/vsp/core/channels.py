"""Event channels as one client sees them: what it subscribed to, and the answers that the SDK reads (verto-js 6.7)."""

from dataclasses import dataclass
from typing import Final

from gateway.vsp.core.fields import Fields
from gateway.vsp.core.jsonrpc import Json

MAX_CHANNELS: Final = 64
"""Channels in one request, and subscriptions of one client."""

MAX_DATA: Final = 64 * 1024
"""Characters of the data of one broadcast, as JSON."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """`telnyx_rtc.subscribe` (`is_on`) or `telnyx_rtc.unsubscribe`."""

    channels: tuple[str, ...]
    is_on: bool


@dataclass(frozen=True, slots=True)
class Broadcast:
    """`telnyx_rtc.broadcast`: something for everybody who subscribed to that channel."""

    channel: str
    data: object


@dataclass(frozen=True, slots=True)
class ChannelsSubscribed:
    """From now on the client hears of these."""

    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ChannelsUnsubscribed:
    """From now on no more."""

    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BroadcastRequested:
    """Tell the subscribers of the client's own connection."""

    broadcast: Broadcast


ChannelEvent = ChannelsSubscribed | ChannelsUnsubscribed | BroadcastRequested


class Subscriptions:
    """The channels of one client."""

    def __init__(self) -> None:
        self._channels: dict[str, None] = {}

    def subscribe(self, channels: tuple[str, ...], *, is_allowed: bool) -> tuple[Json, tuple[str, ...]]:
        """Add channels; the result for the client, and those that are new.

        Args:
            is_allowed: whether the client may have any: a visitor has nobody to share one with.
        """
        wanted = list(dict.fromkeys(channels))
        known = [channel for channel in wanted if channel in self._channels]
        room = MAX_CHANNELS - len(self._channels) if is_allowed else 0
        unknown = [channel for channel in wanted if channel not in self._channels]
        new = [channel for channel in unknown if channel][:room]
        self._channels |= dict.fromkeys(new)
        result = {
            "subscribedChannels": new,
            "alreadySubscribedChannels": known,
            "unauthorizedChannels": [channel for channel in unknown if channel not in new],
        }
        return result, tuple(new)

    def unsubscribe(self, channels: tuple[str, ...]) -> tuple[Json, tuple[str, ...]]:
        """Take channels away; the result for the client, and those that it had."""
        wanted = list(dict.fromkeys(channels))
        gone = [channel for channel in wanted if self._channels.pop(channel, 0) is None]
        left = [channel for channel in wanted if channel not in gone]
        return {"unsubscribedChannels": gone, "notSubscribedChannels": left}, tuple(gone)


def subscribe(params: Fields) -> Subscribe:
    """Raises: BadParams: no short list of names."""
    return Subscribe(params.texts("eventChannel", most=MAX_CHANNELS), is_on=True)


def unsubscribe(params: Fields) -> Subscribe:
    """Raises: BadParams: no short list of names."""
    return Subscribe(params.texts("eventChannel", most=MAX_CHANNELS), is_on=False)


def broadcast(params: Fields) -> Broadcast:
    """Raises: BadParams: no channel, or too much data."""
    channel = params.text("eventChannel")
    if not channel:
        raise params.refuse("eventChannel is missing")
    return Broadcast(channel, params.json("data", limit=MAX_DATA))
