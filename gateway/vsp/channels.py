"""Who of a connection's clients listens to which channel. One per process, on the loop's thread."""

from collections import defaultdict

from gateway.vsp.client import VertoClient
from gateway.vsp.core.channels import Broadcast, BroadcastRequested, ChannelEvent, ChannelsSubscribed


class Channels:
    """Channels of the same name on two connections are two channels: nothing crosses (V-105)."""

    def __init__(self) -> None:
        self._listeners: dict[tuple[str | None, str], dict[VertoClient, None]] = defaultdict(dict)

    def __len__(self) -> int:
        """Channels with a listener."""
        return len(self._listeners)

    def take(self, client: VertoClient, event: ChannelEvent) -> None:
        """Something that a client wants of its channels."""
        if isinstance(event, BroadcastRequested):
            self._broadcast(client, event.broadcast)
            return
        for channel in event.channels:
            key = client.identity.connection_id, channel
            if isinstance(event, ChannelsSubscribed):
                self._listeners[key][client] = None
            else:
                self._leave(key, client)

    def forget(self, client: VertoClient) -> None:
        """The client's socket is gone: the SDK has forgotten its subscriptions too (verto-js 7.2)."""
        for key in [key for key, listeners in self._listeners.items() if client in listeners]:
            self._leave(key, client)

    def _leave(self, key: tuple[str | None, str], client: VertoClient) -> None:
        listeners = self._listeners[key]
        listeners.pop(client, None)
        if not listeners:
            del self._listeners[key]

    def _broadcast(self, client: VertoClient, broadcast: Broadcast) -> None:
        key = client.identity.connection_id, broadcast.channel
        if client.identity.is_visitor or key not in self._listeners:
            return
        for listener in list(self._listeners[key]):
            listener.send_event(broadcast.channel, broadcast.data, sender=client.identity.username)
