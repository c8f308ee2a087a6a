"""Who guesses keys and passwords is not listened to for a while; keys that are revoked or rotated meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from multidict import CIMultiDictProxy

from gateway.auth.jwt import Tokens
from gateway.auth.keyring import load_ring, rotate
from gateway.auth.passwords import Verdict
from gateway.observability.clock import utc_now
from tests.harness.command import command_line
from tests.harness.gateway import PASSWORD, Running, running
from tests.harness.verto_client import RequestFailed, connected

SESSIONS = "/v2/gateway/sessions"


@dataclass
class Api:
    """Requests as somebody else would send them."""

    http: aiohttp.ClientSession
    gateway: Running

    async def get(self, key: str | None, *, peer: str | None = None) -> tuple[int, str, CIMultiDictProxy[str]]:
        """Status, Telnyx' code (empty when it is good) and header fields of the reply."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        if peer is not None:
            headers["X-Forwarded-For"] = peer
        async with self.http.get(self.gateway.http + SESSIONS, headers=headers) as response:
            body: dict[str, Any] = await response.json()  # Any: JSON of the API
            code = body["errors"][0]["code"] if "errors" in body else ""
            return response.status, code, response.headers


@asynccontextmanager
async def api(folder: Path, **settings: dict[str, object]) -> AsyncIterator[Api]:
    async with running(folder, settings) as gateway, aiohttp.ClientSession() as http:
        yield Api(http, gateway)


# ---- API keys


async def test_key_that_another_process_revokes_ends_its_event_stream_and_is_told_so(tmp_path: Path) -> None:
    async with api(tmp_path) as one:
        made = await one.gateway.gateway.provisioning.create_key(["read"], name="ci")
        headers = {"Authorization": f"Bearer {made.text}"}
        async with one.http.get(f"{one.gateway.http}/v2/gateway/events", headers=headers) as stream:
            assert (await stream.content.readline()).startswith(b"event: snapshot")
            before = await one.get(made.text)

            await command_line(tmp_path, "key", "revoke", made.key.key_id, "--yes")

            async with asyncio.timeout(30):
                await stream.read()  # to its end
        after = await one.get(made.text)

    assert before[:2] == (200, "")
    assert after[:2] == (401, "20002")


async def test_address_that_guesses_keys_gets_429_while_good_keys_and_other_addresses_are_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with api(tmp_path, http={"behind_proxy": True}, auth={"max_wrong_keys": 3}) as one:
        keys = one.gateway.gateway.provisioning.keys
        lookups, find = list[str](), keys.find_by_hash
        assert (await one.get(one.gateway.key, peer="192.0.2.1"))[0] == 200
        fresh = (await one.gateway.gateway.provisioning.create_key()).text

        async def counted(key_hash: str) -> object:
            lookups.append(key_hash)
            return await find(key_hash)

        monkeypatch.setattr(keys, "find_by_hash", counted)
        guesses = [await one.get(f"KEY{number}", peer="192.0.2.1") for number in range(5)]
        asked = len(lookups)
        good = await one.get(one.gateway.key, peer="192.0.2.1")
        unknown = await one.get(fresh, peer="192.0.2.1")
        elsewhere = await one.get(fresh, peer="192.0.2.2")
        nobody = await one.get(None, peer="192.0.2.1")

    assert [guess[:2] for guess in guesses] == [(401, "10009")] * 3 + [(429, "10011")] * 2
    assert asked == 3
    assert 1 <= int(guesses[4][2].get("Retry-After", "0")) <= 20
    assert (good[0], unknown[0], elsewhere[0], nobody[:2]) == (200, 429, 200, (401, "10009"))


async def test_requests_without_a_key_shut_nobody_out(tmp_path: Path) -> None:
    async with api(tmp_path, auth={"max_wrong_keys": 2}) as one:
        for _ in range(5):
            assert (await one.get(None))[:2] == (401, "10009")

        assert (await one.get(one.gateway.key))[0] == 200


# ---- logins


async def test_wrong_logins_from_a_forwarded_address_are_refused_unseen_and_others_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: dict[str, dict[str, object]] = {"http": {"behind_proxy": True}, "auth": {"max_wrong_logins": 2}}
    async with running(tmp_path, settings) as gateway:
        passwords = gateway.gateway.passwords
        asked, verify = list[str](), passwords.verify

        async def counted(password: str, password_hash: str | None) -> Verdict:
            asked.append(password)
            return await verify(password, password_hash)

        monkeypatch.setattr(passwords, "verify", counted)
        async with (
            connected(gateway.websocket, peer="192.0.2.66") as stranger,
            connected(gateway.websocket, peer="192.0.2.1") as alice,
        ):
            said: list[str] = []
            for password in ("a", "b", "c", PASSWORD):
                with pytest.raises(RequestFailed) as refused:
                    await stranger.login("alice", password)
                assert refused.value.code == -32001
                said.append(str(refused.value.error["message"]))
            guessed = list(asked)

            await alice.login("alice", PASSWORD)

    assert said == ["wrong user name or password"] * 2 + ["too many wrong logins, try again later"] * 2
    assert guessed == ["a", "b"]


# ---- keys of tokens


async def test_rotated_token_key_is_good_at_once_and_the_old_one_until_its_overlap_is_over(tmp_path: Path) -> None:
    async with (
        running(tmp_path) as gateway,
        connected(gateway.websocket) as early,
        connected(gateway.websocket) as between,
        connected(gateway.websocket) as late,
        connected(gateway.websocket) as new,
    ):
        provisioning = gateway.gateway.provisioning
        made = await provisioning.add_credential(gateway.connections["alice"])
        credential_id = made.credential.credential_id
        old_token = await provisioning.create_token(credential_id, ttl=3600)
        await early.login(login_token=old_token)

        await command_line(tmp_path, "token", "rotate-key", "--overlap", "3600")
        now = int(utc_now().timestamp())
        new_tokens = Tokens(load_ring(tmp_path / "jwt.key"), clock_skew=0)
        new_token = new_tokens.create(credential_id=credential_id, token_id="t", now=now, expires_at=now + 3600)
        await new.login(login_token=new_token)
        await between.login(login_token=old_token)
        rotate(tmp_path / "jwt.key", now=utc_now().timestamp(), overlap=0)

        for client in (early, between, new):
            assert (await client.wait_for("telnyx_rtc.gatewayState"))["params"] == {"state": "UNREGED"}
            async with asyncio.timeout(30):
                await client.is_closed.wait()
        with pytest.raises(RequestFailed, match="-32001"):
            await late.login(login_token=new_token)
        await late.login(login_token=await provisioning.create_token(credential_id, ttl=60))
