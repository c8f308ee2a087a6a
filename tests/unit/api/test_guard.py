"""Which path needs which key."""

import pytest

from gateway.api.guard import Guard
from gateway.auth.core.throttle import Throttle
from gateway.auth.errors import KeyRevoked, ShutOut
from gateway.auth.keys import KeyGrant


class OneKey:
    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_revoked = False

    async def check(self, key: str) -> KeyGrant | None:
        self.asked.append(key)
        if self.is_revoked:
            raise KeyRevoked("key 1 was revoked")
        return KeyGrant(key_id="1", scope=frozenset({"read"})) if key == "KEYgood" else None


@pytest.mark.parametrize("header", ["Bearer KEYgood", "bearer KEYgood", "  Bearer   KEYgood "])
async def test_bearer_key_is_taken_in_any_case_and_spacing(header: str) -> None:
    grant = await Guard(OneKey()).grant(header, "192.0.2.1")

    assert grant is not None and grant.scope == {"read"}


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer ", "Basic KEYgood", "KEYgood", "Bearer KEYbad"])
async def test_anything_else_is_nobody(header: str | None) -> None:
    assert await Guard(OneKey()).grant(header, "192.0.2.1") is None


@pytest.mark.parametrize("key", ["K" * 513, "KEYgöod"])
async def test_key_that_cannot_be_ours_is_not_even_looked_up(key: str) -> None:
    keys = OneKey()

    assert await Guard(keys).grant(f"Bearer {key}", "192.0.2.1") is None
    assert keys.asked == []


async def test_address_with_too_many_wrong_keys_is_not_looked_up_any_more() -> None:
    keys = OneKey()
    guard = Guard(keys, throttle=Throttle(2, 60.0), now=lambda: 0.0)
    for _ in range(2):
        await guard.grant("Bearer KEYbad", "192.0.2.1")

    with pytest.raises(ShutOut) as refused:
        await guard.grant("Bearer KEYbad", "192.0.2.1")

    assert refused.value.wait == pytest.approx(30.0)
    assert len(keys.asked) == 2
    assert await guard.grant("Bearer KEYbad", "192.0.2.2") is None


async def test_key_that_was_good_is_heard_from_an_address_that_is_shut_out() -> None:
    guard = Guard(OneKey(), throttle=Throttle(2, 60.0), now=lambda: 0.0)
    await guard.grant("Bearer KEYgood", "192.0.2.1")
    for _ in range(2):
        await guard.grant("Bearer KEYbad", "192.0.2.1")

    assert await guard.grant("Bearer KEYgood", "192.0.2.1") is not None


async def test_no_key_is_no_wrong_key() -> None:
    guard = Guard(OneKey(), throttle=Throttle(1, 60.0), now=lambda: 0.0)
    for header in (None, "", "Basic KEYgood", "Bearer " + "K" * 513):
        assert await guard.grant(header, "192.0.2.1") is None

    assert await guard.grant("Bearer KEYgood", "192.0.2.1") is not None


async def test_key_that_was_good_is_forgotten_when_it_is_revoked() -> None:
    keys = OneKey()
    guard = Guard(keys, throttle=Throttle(1, 60.0), now=lambda: 0.0)
    await guard.grant("Bearer KEYgood", "192.0.2.1")
    keys.is_revoked = True
    with pytest.raises(KeyRevoked):
        await guard.grant("Bearer KEYgood", "192.0.2.1")

    with pytest.raises(ShutOut):
        await guard.grant("Bearer KEYgood", "192.0.2.1")

    assert len(keys.asked) == 2


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("GET", "/v2/gateway/calls", "read"),
        ("HEAD", "/v2/gateway/calls", "read"),
        ("POST", "/v2/gateway/calls/1/actions/hangup", "write"),
        ("DELETE", "/v2/telephony_credentials/1", "write"),
        ("GET", "/_lab/numbers", "lab"),
        ("POST", "/_lab/calls", "lab"),
    ],
)
def test_scope_follows_method_and_path(method: str, path: str, scope: str) -> None:
    guard = Guard(OneKey())

    assert guard.protects(path)
    assert guard.needed_scope(method, path) == scope


@pytest.mark.parametrize("path", ["/", "/console/latest/app.js", "/call_report", "/v2", "/healthz"])
def test_other_paths_need_no_key(path: str) -> None:
    assert not Guard(OneKey()).protects(path)
