"""The health, the limits and the rests of trunks, on the wire."""

from ipaddress import ip_network

from gateway.observability.metrics import REGISTRY
from gateway.sip.call import Answered, Ended, Rejected
from tests.wire.sip.agents import ANSWER
from tests.wire.trunks.registrar import Registrar, site

LOOPBACK = (ip_network("127.0.0.0/8"),)


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


async def test_a_trunk_that_answers_options_is_up_even_if_it_does_not_know_them() -> None:
    async with Registrar.listening() as peer, site(peer.trunk(name="health-1", health_interval=60.0)) as gateway:
        assert gateway.status("health-1").health == "unknown"

        options = await peer.expects("OPTIONS")
        peer.answers(options, 404)
        await gateway.until("health", "up", "health-1")

        assert options.uri == f"sip:{peer.address[0]}:{peer.address[1]}"
        assert sample("gateway_trunk_state", trunk="health-1", state="up") == 1.0
        assert sample("gateway_trunk_state", trunk="health-1", state="unknown") == 0.0
        assert sample("gateway_trunk_probes_total", trunk="health-1", result="4xx") == 1.0


async def test_a_trunk_that_refuses_three_times_is_down_and_passed_over_until_it_answers_twice() -> None:
    async with Registrar.listening() as peer, Registrar.listening() as other:
        sick, well = peer.trunk("sick", health_interval=1.0), other.trunk("well")
        async with site(sick, well) as gateway:
            for _ in range(3):
                peer.answers(await peer.expects("OPTIONS"), 503)
            await gateway.until("health", "down", "sick")
            while_down = gateway.lines.in_order(("sick", "well"))
            for _ in range(2):
                peer.answers(await peer.expects("OPTIONS"), 200)
            await gateway.until("health", "up", "sick")

            assert while_down == ("well",)
            assert gateway.lines.in_order(("sick", "well")) == ("sick", "well")


async def test_a_503_with_retry_after_lets_the_trunk_rest_for_a_bounded_time() -> None:
    async with Registrar.listening() as peer, Registrar.listening() as other:
        busy, free = peer.trunk("busy"), other.trunk("free")
        async with site(busy, free) as gateway:
            call = gateway.dials(busy)
            peer.answers(await peer.expects("INVITE"), 503, more=(("Retry-After", "86400"),))
            await call.ear.hears(Rejected)
            await peer.expects("ACK")

            assert gateway.lines.in_order(("busy", "free")) == ("free",)
            assert 290 < gateway.status("busy").rests_s <= 300
            assert gateway.lines.in_order(("busy",)) == ("busy",)  # better than none


async def test_a_503_without_retry_after_lets_nobody_rest() -> None:
    async with Registrar.listening() as peer:
        trunk = peer.trunk()
        async with site(trunk) as gateway:
            call = gateway.dials(trunk)
            peer.answers(await peer.expects("INVITE"), 503)
            await call.ear.hears(Rejected)
            await peer.expects("ACK")

            assert gateway.status().is_usable


async def test_a_full_trunk_gets_no_invite_and_the_caller_hears_of_congestion() -> None:
    async with Registrar.listening() as peer:
        trunk = peer.trunk(name="full-out", max_calls=1)
        async with site(trunk) as gateway:
            first = gateway.dials(trunk)
            invite = await peer.expects("INVITE")
            second = gateway.dials(trunk)
            refused = await second.ear.hears(Rejected)

            assert (refused.status, refused.q850) == (503, 34)
            assert sample("gateway_trunk_calls_refused_total", trunk="full-out", way="out", reason="calls") == 1.0
            peer.answers(invite, 486)
            await first.ear.hears(Rejected)
            await peer.expects("ACK")
            assert gateway.status("full-out").calls == 0
            third = gateway.dials(trunk)
            peer.answers(await peer.expects("INVITE"), 486)
            await third.ear.hears(Rejected)
            await peer.expects("ACK")


async def test_a_call_from_a_full_trunk_gets_503_with_retry_after() -> None:
    async with Registrar.listening() as peer:
        trunk = peer.trunk(max_calls=1, accept_from=LOOPBACK)
        async with site(trunk) as gateway:
            _, inbound = await peer.calls(gateway.agent)
            peer.sends(peer.request("INVITE", call_id="second"), gateway.agent)
            refused = await peer.expects_response(503)

            assert refused.headers.get("Retry-After") == "5"
            assert gateway.agent.came.empty()
            inbound.call.reject(486, "Busy Here")
            await peer.expects_response(486)


async def test_both_ways_share_the_places_and_the_end_of_a_call_frees_one() -> None:
    async with Registrar.listening() as peer:
        trunk = peer.trunk(max_calls=1, accept_from=LOOPBACK)
        async with site(trunk) as gateway:
            invite, inbound = await peer.calls(gateway.agent)
            inbound.call.answer(ANSWER)
            answered = await peer.expects_response(200)
            peer.sends(peer.request("ACK", to=answered.headers.get("To") or "", call_id=invite.call_id), gateway.agent)
            refused = await gateway.dials(trunk).ear.hears(Rejected)
            peer.sends(
                peer.request("BYE", cseq=2, to=answered.headers.get("To") or "", call_id=invite.call_id), gateway.agent
            )
            await peer.expects_response(200)
            while not isinstance(await inbound.ear.events.get(), Ended):
                pass

            assert refused.status == 503
            await gateway.until("calls", 0)
            call = gateway.dials(trunk)
            peer.answers(await peer.expects("INVITE"), 200, sdp=ANSWER)
            await call.ear.hears(Answered)
            await peer.expects("ACK")
            call.call.hangup()
            peer.answers(await peer.expects("BYE"), 200)
            await gateway.until("calls", 0)


async def test_more_calls_a_second_than_allowed_are_refused_with_the_time_to_wait() -> None:
    async with Registrar.listening() as peer:
        trunk = peer.trunk(max_calls_per_second=0.1, accept_from=LOOPBACK)
        async with site(trunk) as gateway:
            _, inbound = await peer.calls(gateway.agent)
            peer.sends(peer.request("INVITE", call_id="second"), gateway.agent)
            refused = await peer.expects_response(503)

            assert refused.headers.get("Retry-After") == "10"
            inbound.call.reject(486, "Busy Here")
            await peer.expects_response(486)
