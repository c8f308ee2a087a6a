"""Who is rung, whose session it is."""

import itertools
from datetime import UTC, datetime

import pytest

from gateway.domain.identity import Identity
from gateway.domain.ids import SessionId
from gateway.vsp.client import VertoClient
from gateway.vsp.core.messages import Login
from gateway.vsp.core.push import PushOptions
from gateway.vsp.registry import SessionRegistry
from tests.unit.vsp.conversation import Conversation


def identity(username: str = "alice", connection_id: str = "1", credential_id: str | None = None) -> Identity:
    return Identity(connection_id=connection_id, credential_id=credential_id, username=username)


def client(
    session_id: str,
    username: str = "alice",
    *,
    credential_id: str | None = None,
    push: PushOptions | None = None,
    user_variables: tuple[tuple[str, str], ...] = (),
) -> VertoClient:
    return VertoClient(
        Conversation().log_in(session_id).call().session,
        session_id=SessionId(session_id),
        identity=identity(username, credential_id=credential_id),
        peer="192.0.2.1",
        user_agent="Web-2.27.10",
        logged_in_at=datetime(2026, 5, 1, tzinfo=UTC),
        push=push,
        user_variables=user_variables,
        flush=lambda: None,
        close=lambda _code, _reason: None,
    )


def login(session_id: str | None, *, wants_calls: bool = False) -> Login:
    presented = None if session_id is None else SessionId(session_id)
    return Login(
        username="alice", password="p", token=None, session_id=presented, user_agent="", wants_calls=wants_calls
    )


def test_the_last_session_of_a_user_to_log_in_is_rung() -> None:
    registry = SessionRegistry()
    first, second, other = client("s1"), client("s2"), client("s3", "bob")
    for one in (first, second, other):
        registry.add(one)

    assert registry.find_by_username("alice") is second
    assert registry.find_by_username("bob") is other
    assert registry.find_by_username("carol") is None
    registry.renew(first, identity())
    assert registry.find_by_username("alice") is first
    registry.remove(first)
    assert registry.find_by_username("alice") is second


def test_a_number_rings_whoever_logged_in_last_with_the_user_name_of_its_connection() -> None:
    registry = SessionRegistry()
    first, second, generated = client("s1"), client("s2"), client("s3", "gencred1", credential_id="c1")
    for one in (first, second, generated):
        registry.add(one)

    assert registry.find_by_connection("1") is second
    registry.disconnect(second)
    assert registry.find_by_connection("1") is first
    registry.disconnect(first)
    assert registry.find_by_connection("1") is generated
    assert registry.find_by_connection("2") is None


@pytest.mark.parametrize("order", list(itertools.permutations("abcdef")), ids="".join)
def test_the_table_of_john1234_holds_for_every_order_of_registration(order: tuple[str, ...]) -> None:
    registry = SessionRegistry()
    names = dict(zip("abcdef", ["john1234", "gencred1", "gencred1", "gencred2", "gencred2", "gencred2"], strict=True))
    clients = {
        letter: client(letter, names[letter], credential_id=None if letter == "a" else names[letter])
        for letter in order
    }
    for one in clients.values():
        registry.add(one)

    assert registry.find_by_username("john1234") is registry.find_by_connection("1") is clients["a"]
    assert registry.find_by_username("gencred1") is clients[max("bc", key=order.index)]
    assert registry.find_by_username("gencred2") is clients[max("def", key=order.index)]


def test_a_lost_session_is_kept_but_not_rung() -> None:
    registry = SessionRegistry()
    one = client("s1")
    registry.add(one)

    assert registry.disconnect(one)

    assert registry.find_by_username("alice") is None
    assert registry.find(SessionId("s1")) is None
    assert [snapshot.is_connected for snapshot in registry.sessions()] == [False]
    assert registry.reclaimed(login("s1"), identity(), "") is one
    registry.forget(SessionId("s1"))
    assert len(registry) == 0


@pytest.mark.parametrize("other", [identity("bob"), identity("alice", "2")])
def test_v43_a_session_of_somebody_else_is_not_found(other: Identity) -> None:
    registry = SessionRegistry()
    registry.add(client("s1"))

    assert registry.reclaimed(login("s1"), other, "") is None
    assert registry.reclaimed(login("s2"), identity(), "") is None
    assert registry.reclaimed(login(None), identity(), "") is None


def test_the_end_of_a_replaced_socket_does_not_touch_its_successor() -> None:
    registry = SessionRegistry()
    old, new = client("s1"), client("s1")
    registry.add(old)
    registry.add(new)

    assert not registry.remove(old)
    assert not registry.disconnect(old)

    assert registry.find(SessionId("s1")) is new
    assert len(registry) == 1


def test_a_renewed_login_may_change_the_name() -> None:
    registry = SessionRegistry()
    one = client("s1")
    registry.add(one)

    registry.renew(one, identity("gencred42"))

    assert registry.find_by_username("gencred42") is one
    assert registry.find_by_username("alice") is None


def test_a_snapshot_says_what_the_console_shows() -> None:
    registry = SessionRegistry()
    registry.add(client("s1"))

    (snapshot,) = registry.sessions()

    assert (snapshot.session_id, snapshot.username, snapshot.connection_id) == ("s1", "alice", "1")
    assert (snapshot.peer, snapshot.user_agent, snapshot.is_connected, snapshot.calls) == (
        "192.0.2.1",
        "Web-2.27.10",
        True,
        1,
    )


ASKS = PushOptions(rings_when_active=True)


def test_v54_clients_of_a_user_that_ask_for_it_ring_together() -> None:
    registry = SessionRegistry()
    first, quiet, last = client("s1", push=ASKS), client("s2"), client("s3", push=ASKS)
    for one in (first, quiet, last, client("s4", "bob", push=ASKS)):
        registry.add(one)

    assert registry.ring_group(last).others == (first,)
    assert registry.ring_group(last).is_pushed
    registry.disconnect(first)
    assert registry.ring_group(last).others == ()
    assert registry.ring_group(quiet).others == (last,)


def test_v54_without_anybody_who_asks_the_last_client_rings_alone() -> None:
    registry = SessionRegistry()
    for one in (client("s1"), client("s2")):
        registry.add(one)
    found = registry.find_by_username("alice")
    assert found is not None

    group = registry.ring_group(found)

    assert (group.others, group.is_pushed) == ((), False)


def test_m69_a_client_that_came_to_decline_is_not_rung() -> None:
    registry = SessionRegistry()
    browser, phone = client("s1"), client("s2", push=PushOptions(is_declined=True))
    for one in (browser, phone):
        registry.add(one)

    assert registry.find_by_username("alice") is browser
    assert registry.find_by_connection("1") is browser


def test_connected_sessions_are_counted_by_user_and_connection() -> None:
    registry = SessionRegistry()
    gone = client("s1")
    for one in (gone, client("s2"), client("s3", "bob")):
        registry.add(one)
    registry.disconnect(gone)

    assert registry.count(identity("alice")) == (1, 2)
    assert registry.count(identity("carol")) == (0, 2)
    assert registry.count(identity("alice", "2")) == (0, 0)


def test_v37_user_variables_are_shown_without_tokens_of_devices() -> None:
    registry = SessionRegistry()
    variables = (("shop", "berlin"), ("push_device_token", "fcm-1"), ("push_notification_token", "fcm-1"))
    registry.add(client("s1", user_variables=variables))

    (snapshot,) = registry.sessions()

    assert snapshot.user_variables == (("shop", "berlin"),)
