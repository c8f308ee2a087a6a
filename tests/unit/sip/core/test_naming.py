"""The order in which the answers of the name service are tried (RFC 2782, RFC 3263)."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from gateway.sip.core.naming import MAX_RECORDS, Naptr, Srv, order_naptr, order_srv

RECORDS = st.lists(
    st.builds(Srv, st.integers(0, 3), st.integers(0, 65535), st.integers(1, 65535), st.sampled_from(["a", "b", "c.d"])),
    max_size=MAX_RECORDS,
)


@given(RECORDS, st.randoms(use_true_random=False))
def test_each_server_comes_once_and_never_before_one_of_higher_priority(records: list[Srv], random: Random) -> None:
    ordered = order_srv(records, random.random)

    assert Counter(ordered) == Counter(records)
    assert [record.priority for record in ordered] == sorted(record.priority for record in records)


def test_first_server_is_drawn_as_the_weights_say() -> None:
    random = Random(7)
    records = [Srv(0, 10, 5060, "a"), Srv(0, 30, 5060, "b"), Srv(0, 60, 5060, "c"), Srv(0, 0, 5060, "never")]

    first = Counter(order_srv(records, random.random)[0].target for _ in range(10_000))

    assert first["never"] == 0
    assert {name: round(count / 10_000, 1) for name, count in first.items()} == {"a": 0.1, "b": 0.3, "c": 0.6}


def test_target_of_a_dot_is_no_server() -> None:
    assert order_srv([Srv(0, 0, 0, "."), Srv(0, 0, 0, "")], lambda: 0.0) == []


def test_more_records_than_a_domain_needs_are_left_out() -> None:
    many = [Srv(0, 0, port, "a") for port in range(1, 100)]

    assert len(order_srv(many, lambda: 0.5)) == MAX_RECORDS


def test_naptr_records_are_taken_by_order_then_preference_and_only_for_transports_of_both_sides() -> None:
    records = [
        Naptr(20, 10, "s", "SIP+D2U", "_sip._udp.example."),
        Naptr(10, 20, "S", "SIP+D2T", "_sip._tcp.example."),
        Naptr(10, 10, "s", "SIPS+D2T", "_sips._tcp.example."),
        Naptr(1, 1, "s", "SIP+D2S", "_sip._sctp.example."),
        Naptr(1, 1, "u", "SIP+D2U", "."),
        Naptr(1, 1, "s", "SIP+D2U", "."),
    ]

    assert order_naptr(records, ["udp", "tcp"]) == [("tcp", "_sip._tcp.example"), ("udp", "_sip._udp.example")]
    assert order_naptr(records, ["tls"]) == [("tls", "_sips._tcp.example")]
