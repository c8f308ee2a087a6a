"""Which call a message belongs to, and what is too much."""

import pytest

from gateway.domain.trace import Way
from gateway.traces.core.book import FULL, LINGER, MAX_WAIT, MAX_WAITING_BYTES, TraceBook
from tests.unit.traces.samples import CALL, OTHER, fact, sip

NAME = ("sip", "one")


@pytest.fixture
def book() -> TraceBook:
    made = TraceBook(max_call_bytes=1000)
    made.begin(CALL)
    return made


def test_message_of_a_named_call_is_its_own(book: TraceBook) -> None:
    entry = sip(0, Way.IN, "INVITE")
    book.name(CALL, NAME, 0.0)

    assert book.take(NAME, entry, 0.1) == [(CALL, entry)]


def test_what_came_before_the_name_waits_for_it_repeats_too(book: TraceBook) -> None:
    first, second = sip(0, Way.IN, "INVITE"), sip(0.5, Way.IN, "INVITE")
    taken = book.take(NAME, first, 0.0) + book.take(NAME, second, 0.5)

    assert taken == []
    assert book.name(CALL, NAME, 0.6) == [(CALL, first), (CALL, second)]
    assert book.waiting_bytes == 0


def test_what_is_never_named_is_forgotten_and_counted(book: TraceBook) -> None:
    book.take(NAME, sip(0, Way.IN, "OPTIONS"), 0.0)

    assert book.name(CALL, NAME, MAX_WAIT) == []
    assert (book.expired, book.waiting_bytes) == (1, 0)


def test_unnamed_messages_are_bounded_in_bytes(book: TraceBook) -> None:
    for number in range(40):
        book.take(("sip", str(number)), sip(0, Way.IN, "OPTIONS", body=bytes(64 * 1024)), 0.0)

    assert book.waiting_bytes <= MAX_WAITING_BYTES
    assert book.expired == 40 - MAX_WAITING_BYTES // (64 * 1024)
    assert book.name(CALL, ("sip", "0"), 0.0) == []


def test_late_repeats_of_an_ended_call_are_taken_for_a_while(book: TraceBook) -> None:
    entry = sip(0, Way.IN, "200 OK (BYE)")
    book.name(CALL, NAME, 0.0)
    book.end(CALL, 10.0)

    assert book.take(NAME, entry, 10.0 + LINGER - 0.1) == [(CALL, entry)]
    assert book.take(NAME, entry, 10.0 + LINGER) == []
    assert len(book) == 0


def test_leg_that_has_moved_counts_for_the_other_call(book: TraceBook) -> None:
    entry = sip(0, Way.IN, "BYE")
    book.name(CALL, NAME, 0.0)
    book.begin(OTHER)
    book.name(OTHER, NAME, 1.0)
    book.end(CALL, 1.0)

    assert book.take(NAME, entry, 2.0 + LINGER) == [(OTHER, entry)]


def test_call_that_says_too_much_is_cut_once_and_keeps_its_facts(book: TraceBook) -> None:
    big, end = sip(0, Way.IN, "INFO", body=bytes(600)), fact(1, "ended")

    kept = [entry.title for _ in range(3) for _, entry in book.place(CALL, big)]

    assert kept == ["INFO", FULL]
    assert book.left_out == 2
    assert book.place(CALL, end) == [(CALL, end)]


def test_nothing_is_kept_of_a_call_that_never_was(book: TraceBook) -> None:
    assert book.place(OTHER, fact(0, "ringing")) == []
