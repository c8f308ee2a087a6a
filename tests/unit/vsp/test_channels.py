"""Event channels: subscriptions of one client, and who hears of a broadcast."""

from datetime import UTC, datetime

import pytest

from gateway.domain.identity import Identity, Target
from gateway.domain.ids import SessionId
from gateway.vsp.channels import Channels
from gateway.vsp.client import VertoClient
from gateway.vsp.core.channels import (
    MAX_CHANNELS,
    MAX_DATA,
    Broadcast,
    BroadcastRequested,
    ChannelsSubscribed,
    ChannelsUnsubscribed,
)
from tests.unit.vsp.conversation import Conversation


def test_v105_new_known_and_surplus_channels_are_told_apart() -> None:
    talk = Conversation().log_in()
    first = talk.ask("telnyx_rtc.subscribe", {"sessid": "sess-1", "eventChannel": ["a", "b", "a"]})["result"]
    second = talk.ask("telnyx_rtc.subscribe", {"sessid": "sess-1", "eventChannel": ["b", "c", ""]})["result"]

    assert first == {
        "subscribedChannels": ["a", "b"],
        "alreadySubscribedChannels": [],
        "unauthorizedChannels": [],
        "sessid": "sess-1",
    }
    assert second == {
        "subscribedChannels": ["c"],
        "alreadySubscribedChannels": ["b"],
        "unauthorizedChannels": [""],
        "sessid": "sess-1",
    }
    assert talk.take_events() == [ChannelsSubscribed(("a", "b")), ChannelsSubscribed(("c",))]


def test_v105_unsubscribing_says_what_there_was() -> None:
    talk = Conversation().log_in()
    talk.ask("telnyx_rtc.subscribe", {"eventChannel": ["a", "b"]})
    talk.take_events()

    result = talk.ask("telnyx_rtc.unsubscribe", {"eventChannel": ["b", "c"]})["result"]

    assert result == {"unsubscribedChannels": ["b"], "notSubscribedChannels": ["c"], "sessid": "sess-1"}
    assert talk.take_events() == [ChannelsUnsubscribed(("b",))]
    assert talk.ask("telnyx_rtc.subscribe", {"eventChannel": "b"})["result"]["subscribedChannels"] == ["b"]


def test_subscriptions_are_bounded() -> None:
    talk = Conversation().log_in()
    names = [f"c{number}" for number in range(MAX_CHANNELS)]
    talk.ask("telnyx_rtc.subscribe", {"eventChannel": names[1:]})

    result = talk.ask("telnyx_rtc.subscribe", {"eventChannel": ["x", "y"]})["result"]

    assert (result["subscribedChannels"], result["unauthorizedChannels"]) == (["x"], ["y"])


def test_a_broadcast_has_a_result_and_is_handed_on() -> None:
    talk = Conversation().log_in()
    talk.take_events()

    answer = talk.ask("telnyx_rtc.broadcast", {"eventChannel": "a", "data": {"x": 1}})

    assert answer["result"]["sessid"] == "sess-1"
    assert talk.take_events() == [BroadcastRequested(Broadcast("a", {"x": 1}))]


@pytest.mark.parametrize(
    "params", [{}, {"eventChannel": ""}, {"eventChannel": ["a"]}, {"eventChannel": "a", "data": "x" * MAX_DATA}]
)
def test_a_broadcast_without_a_channel_or_with_too_much_is_refused(params: dict[str, object]) -> None:
    talk = Conversation().log_in()
    talk.take_events()

    assert talk.ask("telnyx_rtc.broadcast", params)["error"]["code"] == -32602
    assert talk.take_events() == []


# ---- who hears


class Listener:
    """A client of a connection, and what it hears."""

    def __init__(self, channels: Channels, username: str, connection_id: str | None = "1") -> None:
        self.talk, self.channels = Conversation().log_in(f"sess-{username}"), channels
        target = None if connection_id is not None else Target(target_type="ai_assistant", target_id="a")
        self.client = VertoClient(
            self.talk.session,
            session_id=SessionId(f"sess-{username}"),
            identity=Identity(connection_id=connection_id, credential_id=None, username=username, target=target),
            peer="192.0.2.1",
            user_agent="",
            logged_in_at=datetime(2026, 5, 1, tzinfo=UTC),
            flush=lambda: None,
            close=lambda _code, _reason: None,
        )

    def subscribe(self, *names: str) -> "Listener":
        self.channels.take(self.client, ChannelsSubscribed(names))
        return self

    def says(self, name: str, data: object) -> None:
        self.channels.take(self.client, BroadcastRequested(Broadcast(name, data)))

    def heard(self) -> list[object]:
        return [message["params"] for message in self.talk.heard() if message["method"] == "telnyx_rtc.event"]


def test_v105_subscribers_of_the_connection_hear_a_broadcast_and_nobody_else() -> None:
    channels = Channels()
    alice, bob, carol = (Listener(channels, name).subscribe("desk") for name in ("alice", "bob", "carol"))
    eve = Listener(channels, "eve", "2").subscribe("desk")
    dave = Listener(channels, "dave").subscribe("other")
    channels.take(carol.client, ChannelsUnsubscribed(("desk",)))

    alice.says("desk", {"state": "busy"})

    event = {"eventChannel": "desk", "data": {"state": "busy"}, "from": "alice"}
    assert alice.heard() == bob.heard() == [event]
    assert eve.heard() == dave.heard() == carol.heard() == []


def test_a_visitor_reaches_nobody() -> None:
    channels = Channels()
    visitors = [Listener(channels, name, None).subscribe("desk") for name in ("one", "two")]

    visitors[0].says("desk", "hello")

    assert visitors[1].heard() == []


def test_a_visitor_subscribes_to_nothing() -> None:
    talk = Conversation()
    talk.say("anonymous_login", {"target_type": "ai_assistant", "target_id": "a"})
    talk.session.accept_login(SessionId("visit-1"), now=0.0)
    talk.heard()

    result = talk.ask("telnyx_rtc.subscribe", {"eventChannel": ["a"]})["result"]

    assert (result["subscribedChannels"], result["unauthorizedChannels"]) == ([], ["a"])


def test_a_client_that_goes_leaves_nothing_behind() -> None:
    channels = Channels()
    alice, bob = (Listener(channels, name).subscribe("desk", "hall") for name in ("alice", "bob"))

    channels.forget(alice.client)
    bob.says("desk", 1)
    assert alice.heard() == []
    channels.forget(bob.client)

    assert len(channels) == 0
