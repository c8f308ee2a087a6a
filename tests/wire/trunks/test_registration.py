"""Our registration at a trunk, on the wire."""

import asyncio
import dataclasses
from ipaddress import ip_network

import pytest

from gateway.sip.call import Answered, Rejected
from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.trunk_settings import TrunkSettings
from tests.wire.sip.agents import ANSWER, OFFER, settings
from tests.wire.sip.name_server import name_server
from tests.wire.sip.test_failover import zone_of
from tests.wire.sip.wire import TcpPeer, soon, tcp_listener
from tests.wire.trunks.registrar import CHALLENGE, Registrar, site


async def test_a_trunk_that_challenges_is_registered_at_and_left_at_the_end() -> None:
    async with Registrar.listening() as registrar, site(registrar.trunk(register=True)) as gateway:
        first = await registrar.expects("REGISTER")
        registrar.answers(first, 401, more=(CHALLENGE,))
        second = await registrar.expects("REGISTER")
        registrar.grants(second, 600)
        await gateway.until("is_registered", value=True)

        assert second.call_id == first.call_id
        assert second.cseq.number == first.cseq.number + 1
        assert "algorithm=SHA-256" in (second.headers.get("Authorization") or "")
        assert gateway.status().registration == "registered"
        assert gateway.status().is_usable

    assert registrar.taken_back == [first.headers.get("Contact")]


async def test_a_binding_is_renewed_before_it_runs_out() -> None:
    async with Registrar.listening() as registrar, site(registrar.trunk(register=True)) as gateway:
        registrar.grants(await registrar.expects("REGISTER"), 2)
        await gateway.until("is_registered", value=True)

        again = await registrar.expects("REGISTER")

        assert gateway.status().is_registered
        assert again.cseq.number == 2


async def test_a_wrong_password_is_asked_for_twice_and_then_not_for_long() -> None:
    async with Registrar.listening() as registrar, site(registrar.trunk(register=True)) as gateway:
        for _ in range(2):
            registrar.answers(await registrar.expects("REGISTER"), 401, more=(CHALLENGE,))

        await gateway.until("registration", "denied")

        assert registrar.requests.empty()
        assert not gateway.status().is_usable


async def test_a_registrar_that_is_silent_or_has_no_address_is_a_failure() -> None:
    async with Registrar.listening() as registrar:
        nowhere = registrar.trunk("nowhere", uri="sip:host.invalid:5060", register=True)
        async with site(registrar.trunk(register=True), nowhere, t1=0.02) as gateway:
            await gateway.until("registration", "failed")
            await gateway.until("registration", "failed", "nowhere")

            assert not gateway.status().is_registered

    assert registrar.taken_back == []


async def test_the_stop_waits_for_no_answer_and_takes_back_what_may_be_granted() -> None:
    async with Registrar.listening() as registrar:
        async with site(registrar.trunk(register=True)):
            request = await registrar.expects("REGISTER")

        assert registrar.taken_back == [request.headers.get("Contact")]


async def test_calls_from_the_registrar_are_taken_while_the_registration_holds() -> None:
    async with Registrar.listening() as registrar, site(registrar.trunk(register=True)) as gateway:
        pending = await registrar.expects("REGISTER")
        registrar.sends(registrar.request("INVITE", call_id="early", sdp=OFFER), gateway.agent)
        await registrar.expects_response(403)
        registrar.grants(pending, 600)
        await gateway.until("is_registered", value=True)

        _, inbound = await registrar.calls(gateway.agent)

        assert inbound.call.trunk == "carrier"
        inbound.call.reject(486, "Busy Here")
        await registrar.expects_response(486)


async def test_of_two_accounts_at_one_registrar_the_called_one_gets_the_call() -> None:
    async with Registrar.listening() as registrar:
        trunks = [registrar.trunk(name, username=name, register=True) for name in ("sales", "support")]
        async with site(*trunks) as gateway:
            for _ in trunks:
                registrar.grants(await registrar.expects("REGISTER"), 600)
            for trunk in trunks:
                await gateway.until("is_registered", value=True, name=trunk.name)
            invite = registrar.request("INVITE", sdp=OFFER)
            invite.uri = "sip:support@127.0.0.1"

            registrar.sends(invite, gateway.agent)
            inbound = await gateway.agent.gets_call()

            assert inbound.call.trunk == "support"
            inbound.call.reject(486, "Busy Here")
            await registrar.expects_response(486)


async def test_a_registrar_that_accept_from_does_not_name_may_not_call() -> None:
    async with Registrar.listening() as registrar:
        elsewhere = registrar.trunk(register=True, accept_from=(ip_network("192.0.2.0/24"),))
        async with site(elsewhere) as gateway:
            registrar.grants(await registrar.expects("REGISTER"), 600)
            await gateway.until("is_registered", value=True)

            registrar.sends(registrar.request("INVITE", sdp=OFFER), gateway.agent)

            await registrar.expects_response(403)


async def test_a_call_to_our_contact_is_for_the_number_in_to() -> None:
    async with Registrar.listening() as registrar, site(registrar.trunk(register=True)) as gateway:
        registrar.grants(await registrar.expects("REGISTER"), 600)
        await gateway.until("is_registered", value=True)
        invite = registrar.request("INVITE", to="<sip:+12025550190@carrier.example>", sdp=OFFER)
        invite.uri = "sip:acme@127.0.0.1"

        registrar.sends(invite, gateway.agent)
        inbound = await gateway.agent.gets_call()

        assert inbound.call.request_user == "+12025550190"
        inbound.call.reject(486, "Busy Here")
        await registrar.expects_response(486)


async def test_a_call_goes_along_the_service_route() -> None:
    async with Registrar.listening() as registrar, Registrar.listening() as proxy:
        trunk = registrar.trunk(register=True)
        host, port = proxy.address
        route = f"<sip:{host}:{port};lr>"
        async with site(trunk) as gateway:
            registrar.grants(await registrar.expects("REGISTER"), 600, ("Service-Route", route))
            await gateway.until("is_registered", value=True)

            call = gateway.dials(trunk)
            invite = await proxy.expects("INVITE")
            proxy.answers(invite, 486)

            assert invite.headers.get_all("Route") == [route]
            assert invite.uri.startswith("sip:bob@")
            assert (await call.ear.hears(Rejected)).status == 486
            ack = await proxy.expects("ACK")
            assert ack.headers.get_all("Route") == [route]


@pytest.mark.parametrize("granted", [600, 3600])
async def test_a_registered_trunk_is_called_as_any_other(granted: int) -> None:
    async with Registrar.listening() as registrar:
        trunk = registrar.trunk(register=True)
        async with site(trunk) as gateway:
            registrar.grants(await registrar.expects("REGISTER"), granted)
            await gateway.until("is_registered", value=True)

            call = gateway.dials(trunk)
            invite = await registrar.expects("INVITE")
            registrar.answers(invite, 200, sdp=ANSWER)
            await call.ear.hears(Answered)
            await registrar.expects("ACK")

            assert invite.headers.get("Route") is None
            call.call.hangup()
            registrar.answers(await registrar.expects("BYE"), 200)
            await gateway.until("calls", 0)


async def test_a_registration_whose_connection_is_gone_is_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.trunks.core.registration.SHORTEST_FLOW", 0.0)
    async with tcp_listener() as (address, taken), asyncio.TaskGroup() as group:
        trunk = TrunkSettings(
            name="carrier",
            uri=f"sip:{address.host}:{address.port};transport=tcp",
            username="acme",
            password="s3cret",
            register=True,
        )
        async with site(trunk, config=settings("tcp")) as gateway:
            first = await soon(taken)
            request = await first.request()
            first.send(granted(request))
            await gateway.until("is_registered", value=True)

            await first.close()
            second = await soon(taken)
            again = await second.request()
            second.send(granted(again))
            await gateway.until("registration", "registered")

            assert ";transport=tcp" in str(again.headers.get("Contact"))
            assert (again.call_id, again.cseq.number) == (request.call_id, request.cseq.number + 1)
            group.create_task(takes_back(second))


def granted(request: Request) -> Response:
    """200 to a REGISTER, for an hour."""
    contact = f"{request.headers.get('Contact')};expires=3600"
    return response_to(request, 200, to_tag="registrar", headers=(("Contact", contact),))


async def takes_back(peer: TcpPeer) -> None:
    """The last REGISTER of a gateway that stops."""
    request = await peer.request()
    peer.send(response_to(request, 200, to_tag="registrar"))
    assert request.headers.get("Expires") == "0"


async def test_the_next_server_of_a_registrar_is_taken_where_the_first_is_silent_and_kept() -> None:
    async with Registrar.listening() as silent, Registrar.listening() as second:
        async with name_server(zone_of(silent, second)) as names:
            config = dataclasses.replace(settings(), nameservers=(names.address,), failover_after=0.1)
            trunk = second.trunk(uri="sip:trunk.example", register=True)
            async with site(trunk, config=config) as gateway:
                second.answers(await second.expects("REGISTER"), 401, more=(CHALLENGE,))
                second.grants(await second.expects("REGISTER"), 600)
                await gateway.until("is_registered", value=True)

        await silent.expects("REGISTER")
        assert silent.requests.empty()
        assert len(second.taken_back) == 1
        assert silent.taken_back == []
