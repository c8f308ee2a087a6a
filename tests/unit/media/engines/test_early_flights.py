"""What is kept of handshakes that come too early."""

from gateway.media.engines.early_flights import MAX_DATAGRAMS, MAX_SOURCES, EarlyFlights

BROWSER, OTHER = ("192.0.2.1", 5000), ("192.0.2.2", 5000)


def test_hello_in_two_datagrams_is_kept_in_order_and_given_out_once() -> None:
    early = EarlyFlights()
    assert early.keep(20000, BROWSER, b"one")
    assert early.keep(20000, BROWSER, b"two")
    assert early.keep(20000, BROWSER, b"one"), "sent again"

    assert early.take(20000, BROWSER) == [b"one", b"two"]
    assert early.take(20000, BROWSER) == []


def test_only_the_source_that_proved_itself_is_heard() -> None:
    early = EarlyFlights()
    early.keep(20000, OTHER, b"evil")
    early.keep(20001, BROWSER, b"another socket of ours")
    early.keep(20000, BROWSER, b"good")

    assert early.take(20000, BROWSER) == [b"good"]
    assert early.take(20000, OTHER) == []


def test_what_is_kept_is_bounded() -> None:
    early = EarlyFlights()

    assert [early.keep(20000, BROWSER, bytes([n])) for n in range(MAX_DATAGRAMS + 1)] == [True] * MAX_DATAGRAMS + [
        False
    ]
    sources = [early.keep(20000, ("192.0.2.9", port), b"x") for port in range(MAX_SOURCES)]
    assert sources == [True] * (MAX_SOURCES - 1) + [False]
    early.clear()
    assert early.take(20000, BROWSER) == []
