"""SIP phones register: who is let in, what is kept, what ends it, and what strangers cost."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.sip.core.digest import choose_challenge
from gateway.sip.core.message import Headers, Request
from tests.harness.gateway import Running, running
from tests.wire.sip.agents import PATIENCE, Peer
from tests.wire.whole.phone import phone
from tests.wire.whole.sip_phone import DOMAIN, sip_phone

OPEN = {"lab": {"enabled": False}, "calls": {"stop_grace": 0.0}, "registrar": {"enabled": True}}
"""No trunk and no lab: everybody is a stranger."""


@pytest.fixture
async def gateway(tmp_path: Path) -> AsyncIterator[Running]:
    async with running(tmp_path, OPEN) as started:
        yield started


async def phones_of(gateway: Running, user: str = "alice") -> list[dict[str, object]]:
    sessions: list[dict[str, object]] = (await gateway.get("/v2/gateway/sessions"))["data"]
    return [one for one in sessions if one["username"] == user]


def offences(metrics: str, name: str) -> float:
    """How often that offence was counted so far."""
    found = re.search(rf'gateway_sip_offences_total{{offence="{name}"}} (\S+)', metrics)
    return 0.0 if found is None else float(found.group(1))


async def until_phones_are(gateway: Running, count: int) -> None:
    async with asyncio.timeout(PATIENCE):
        while len(await phones_of(gateway)) != count:
            pass


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
async def test_a_phone_registers_with_digest_and_is_seen(gateway: Running, transport: str, algorithm: str) -> None:
    async with sip_phone(gateway, transport=transport) as desk:  # type: ignore[arg-type]  # parametrize knows no Literal
        response = await desk.register(algorithm=algorithm)

        assert response.status == 200
        assert response.headers.get("Contact") == f"<{desk.address}>;expires=300"
        [seen] = await phones_of(gateway)
        assert (seen["transport"], seen["user_agent"]) == (transport.upper(), "test phone")
        status = await gateway.post(
            f"/v2/credential_connections/{gateway.connections['alice']}/actions/check_registration_status", {}
        )
        assert (status["data"]["status"], status["data"]["transport"]) == ("Registered", transport.upper())


async def test_a_challenge_offers_the_stronger_algorithm_first(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        response = await desk.request(desk.register_request([f"<{desk.address}>"], 300))

        values = response.headers.get_all("WWW-Authenticate")
        assert response.status == 401
        assert ["SHA-256" in value for value in values] == [True, False]
        assert all(f'realm="{DOMAIN}"' in value and 'qop="auth"' in value for value in values)


async def test_a_phone_asks_what_is_registered_and_removes_everything(gateway: Running) -> None:
    async with sip_phone(gateway) as desk, sip_phone(gateway) as kitchen:
        await desk.register()
        await kitchen.register("<sip:alice@192.0.2.9>;q=0.5")

        asked = await desk.request(desk.register_request([], None))
        removed = await desk.unregister()

        assert [value.partition(";expires")[0] for value in asked.headers.get_all("Contact")] == [
            f"<{desk.address}>",
            "<sip:alice@192.0.2.9>",
        ]
        assert (removed.status, removed.headers.get("Contact")) == (200, None)
        assert await phones_of(gateway) == []


@pytest.mark.parametrize(
    ("contact", "expires", "status", "header"),
    [
        ("<sip:a@192.0.2.1>", 30, 423, ("Min-Expires", "60")),
        ("*", 60, 400, None),
        ("<tel:+1202>", 300, 400, None),
        ("<sip:a@192.0.2.1>;q=7", 300, 400, None),
    ],
)
async def test_a_registration_that_makes_no_sense_is_refused_and_changes_nothing(
    gateway: Running, contact: str, expires: int, status: int, header: tuple[str, str] | None
) -> None:
    async with sip_phone(gateway) as desk:
        response = await desk.register(contact, expires=expires)

        assert response.status == status
        assert header is None or response.headers.get(header[0]) == header[1]
        assert await phones_of(gateway) == []


async def test_a_required_extension_that_is_not_known_is_refused(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        response = await desk.register(headers=[("Require", "gruu")])

        assert (response.status, response.headers.get("Unsupported")) == (420, "gruu")


async def test_nobody_registers_for_another(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        desk.answer(
            choose_challenge((await desk.request(desk.register_request([], None))).headers.get_all("WWW-Authenticate"))
        )
        request = desk.register_request([f"<{desk.address}>"], 300)
        request.headers.set("To", f"<sip:robert@{DOMAIN}>")

        response = await desk.request(request)

        assert response.status == 403
        assert await phones_of(gateway, "robert") == []


async def test_an_unknown_user_and_a_wrong_password_are_told_the_same(gateway: Running) -> None:
    async with sip_phone(gateway, password="wrong") as wrong, sip_phone(gateway, "nobody") as unknown:
        first, second = await wrong.register(), await unknown.register()

        assert (first.status, first.reason) == (second.status, second.reason) == (401, "Unauthorized")
        assert [name for name, _ in first.headers.items()] == [name for name, _ in second.headers.items()]


async def test_wrong_tries_are_offences_and_shut_the_address_out(tmp_path: Path) -> None:
    settings = {**OPEN, "auth": {"max_wrong_logins": 2}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway) as desk, sip_phone(gateway, "nobody") as no:
        before = await gateway.metrics()
        statuses = []
        for password in ("wrong", "wrong too", "correct horse"):
            desk.client, desk.password = None, password
            statuses.append((await desk.register()).status)

        assert statuses == [401, 401, 403]
        await no.register()
        metrics = await gateway.metrics()
        assert offences(metrics, "wrong_digest") - offences(before, "wrong_digest") == 2
        assert offences(metrics, "unknown_user") - offences(before, "unknown_user") == 1


async def test_who_guesses_on_is_banned(tmp_path: Path) -> None:
    settings = {**OPEN, "sip_security": {"ban_after": 3}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway, password="wrong") as desk:
        for _ in range(3):
            desk.client = None
            await desk.register()

        [ban] = gateway.gateway.sip.endpoint.bans()

        assert ban.network == "127.0.0.1"


async def test_an_answer_is_good_once(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        await desk.register()
        assert desk.client is not None
        first = desk.register_request([f"<{desk.address}>"], 300)
        again = Request("REGISTER", first.uri, first.headers.copy())

        statuses = [(await desk.request(first)).status, (await desk.request(again)).status]

        assert statuses == [200, 401]
        assert "stale=true" in (desk.responses[-1].headers.get("WWW-Authenticate") or "")


async def test_a_challenge_that_is_too_old_is_stale_and_needs_no_password_again(tmp_path: Path) -> None:
    settings = {**OPEN, "registrar": {"enabled": True, "nonce_lifetime": 1.0}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway) as desk:
        await desk.register()

        async with asyncio.timeout(PATIENCE):
            while (await desk.request(desk.register_request([f"<{desk.address}>"], 300))).status == 200:
                pass
        stale = choose_challenge(desk.responses[-1].headers.get_all("WWW-Authenticate"))
        desk.answer(stale)
        response = await desk.request(desk.register_request([f"<{desk.address}>"], 300))

        assert stale is not None
        assert stale.is_stale
        assert response.status == 200


async def test_the_digest_must_be_for_the_uri_of_the_request(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        await desk.register()
        request = desk.register_request([f"<{desk.address}>"], 300)

        response = await desk.request(Request("REGISTER", "sip:elsewhere.example.com", request.headers))

        assert response.status == 400


async def test_a_phone_whose_connection_closes_is_gone(gateway: Running) -> None:
    async with sip_phone(gateway, transport="tcp") as desk:
        await desk.register()
        assert len(await phones_of(gateway)) == 1

    await until_phones_are(gateway, 0)


async def test_over_tcp_a_registration_is_refreshed_before_the_connection_counts_as_idle(tmp_path: Path) -> None:
    settings = {**OPEN, "sip": {"idle_timeout": 90.0}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway, transport="tcp") as desk:
        response = await desk.register(expires=3600)

        assert response.headers.get("Contact") == f"<{desk.address}>;expires=90"


async def test_a_flow_of_the_same_phone_replaces_the_old_one_and_is_answered_so(gateway: Running) -> None:
    params = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1'
    async with sip_phone(gateway) as before, sip_phone(gateway) as after:
        await before.register(f"<{before.address}>{params}")

        response = await after.register(f"<{after.address}>{params}", headers=[("Supported", "path, outbound")])

        assert (response.headers.get("Require"), response.headers.get("Supported")) == ("outbound", "path, outbound")
        assert response.headers.get_all("Contact") == [
            f'<{after.address}>;expires=300;+sip.instance="<urn:uuid:00000000-0000-1000-8000-000A95A0E128>";reg-id=1'
        ]


async def test_a_user_has_at_most_so_many_phones(tmp_path: Path) -> None:
    settings = {**OPEN, "registrar": {"enabled": True, "max_contacts": 1}}
    async with running(tmp_path, settings) as gateway, sip_phone(gateway) as desk, sip_phone(gateway) as kitchen:
        await desk.register()

        assert (await kitchen.register()).status == 403
        assert (await desk.register()).status == 200


@pytest.mark.parametrize("way", ["password", "off", "removed"])
async def test_a_revoked_user_is_not_registered_any_more_within_a_second(gateway: Running, way: str) -> None:
    path = f"/v2/credential_connections/{gateway.connections['alice']}"
    async with sip_phone(gateway) as desk:
        await desk.register()

        match way:
            case "password":
                await gateway.configure("alice", password="another one")
            case "off":
                await gateway.configure("alice", active=False)
            case _:
                await gateway.delete(path)

        async with asyncio.timeout(1.0):
            while await phones_of(gateway):
                pass
        assert (await desk.register()).status in (401, 403)


async def test_a_credential_registers_until_it_is_deleted(gateway: Running) -> None:
    made = await gateway.gateway.provisioning.add_credential(gateway.connections["alice"], name="desk")
    name, credential_id = made.credential.sip_username, made.credential.credential_id
    async with sip_phone(gateway, name, password=made.sip_password) as desk:
        registered = await desk.register()
        [seen] = await phones_of(gateway, name)

        await gateway.delete(f"/v2/telephony_credentials/{credential_id}")

        assert (registered.status, seen["credential_id"]) == (200, credential_id)
        async with asyncio.timeout(1.0):
            while await phones_of(gateway, name):
                pass
        assert (await desk.register()).status == 401


async def test_a_stranger_calls_with_a_password_only(gateway: Running) -> None:
    async with Peer.listening() as stranger, sip_phone(gateway) as desk, phone(gateway, "robert") as robert:
        await call_as_stranger(stranger, gateway)
        challenge = await stranger.expects_response(407)
        kept = gateway.gateway.sip.endpoint.transaction_count
        await desk.calls("robert")

        assert len(challenge.headers.get_all("Proxy-Authenticate")) == 2
        assert kept == 0
        await robert.until_rung()


async def call_as_stranger(stranger: Peer, gateway: Running) -> None:
    host, _, port = gateway.sip().rpartition(":")
    stranger._from = (host, int(port))
    stranger.sends(stranger.request("INVITE", sdp=None, more=(("Subject", "x" * 400),)))


async def test_what_is_no_call_and_no_registration_of_a_stranger_is_met_with_silence(gateway: Running) -> None:
    async with Peer.listening() as stranger:
        host, _, port = gateway.sip().rpartition(":")
        stranger._from = (host, int(port))
        for method in ("OPTIONS", "MESSAGE", "SUBSCRIBE", "BYE"):
            stranger.sends(stranger.request(method))
        await call_as_stranger(stranger, gateway)

        await stranger.expects_response(407)


async def test_a_challenge_over_udp_is_not_much_longer_than_its_request(gateway: Running) -> None:
    async with Peer.listening() as stranger:
        host, _, port = gateway.sip().rpartition(":")
        stranger._from = (host, int(port))
        stranger.sends(Request("REGISTER", "sip:a", Headers((
            ("Via", f"SIP/2.0/UDP {stranger.address[0]}:{stranger.address[1]};branch=z9hG4bK1;rport"),
            ("From", "<sip:a@a>;tag=1"), ("To", "<sip:a@a>"), ("Call-ID", "1"), ("CSeq", "1 REGISTER"),
        ))))  # fmt: skip
        await call_as_stranger(stranger, gateway)

        await stranger.expects_response(407)
        assert 'reason="short"} 1.0' in await gateway.metrics()


async def test_a_registered_phone_is_answered_when_it_asks_whether_we_are_there(gateway: Running) -> None:
    async with sip_phone(gateway) as desk:
        await desk.register()
        headers = [(name, value) for name, value in desk.register_request([], None).headers.items() if name != "CSeq"]

        response = await desk.request(Request("OPTIONS", f"sip:{DOMAIN}", Headers([*headers, ("CSeq", "1 OPTIONS")])))

        assert response.status == 200


async def test_without_the_registrar_nobody_registers_and_a_stranger_hears_nothing(tmp_path: Path) -> None:
    async with running(tmp_path, {"lab": {"enabled": False}}) as gateway, Peer.listening() as stranger:
        host, _, port = gateway.sip().rpartition(":")
        stranger._from = (host, int(port))
        stranger.sends(stranger.request("REGISTER"))
        stranger.sends(stranger.request("INVITE"))

        await stranger.expects_response(403)


async def test_without_the_registrar_a_trunk_that_registers_is_refused(tmp_path: Path) -> None:
    async with running(tmp_path) as gateway, sip_phone(gateway) as desk:
        assert (await desk.request(desk.register_request([], None))).status == 405
