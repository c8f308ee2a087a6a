"""Addresses that failed are tried last, for a while, and never forgotten too late."""

from gateway.sip.core.failed import LONGEST, MAX_REMEMBERED, FailedAddresses


def test_failed_address_goes_behind_the_others_until_its_time_is_over() -> None:
    failed: FailedAddresses[str] = FailedAddresses()
    failed.note("a", now=0.0, seconds=30.0)

    assert failed.in_order(("a", "b", "c"), now=29.9) == ("b", "c", "a")
    assert failed.in_order(("a", "b", "c"), now=30.0) == ("a", "b", "c")
    assert len(failed) == 0


def test_address_that_answers_is_as_good_as_before() -> None:
    failed: FailedAddresses[str] = FailedAddresses()
    failed.note("a", now=0.0, seconds=30.0)

    failed.works("a")
    failed.works("never failed")

    assert failed.in_order(("a", "b"), now=1.0) == ("a", "b")


def test_when_all_have_failed_all_are_tried() -> None:
    failed: FailedAddresses[str] = FailedAddresses()
    for address in ("b", "a"):
        failed.note(address, now=0.0, seconds=30.0)

    assert failed.in_order(("a", "b"), now=1.0) == ("a", "b")


def test_far_end_does_not_decide_for_how_long_it_is_avoided() -> None:
    failed: FailedAddresses[str] = FailedAddresses()
    failed.note("a", now=0.0, seconds=1e9)

    assert failed.in_order(("a", "b"), now=LONGEST) == ("a", "b")


def test_memory_is_bounded_and_what_ends_first_goes() -> None:
    failed: FailedAddresses[int] = FailedAddresses()
    for number in range(MAX_REMEMBERED + 10):
        failed.note(number, now=0.0, seconds=10.0 + number)

    assert len(failed) == MAX_REMEMBERED
    assert failed.in_order((9, 10), now=1.0) == (9, 10)
    assert failed.in_order((10, 9), now=1.0) == (9, 10)
    failed.note(MAX_REMEMBERED + 20, now=1000.0, seconds=1.0)
    assert len(failed) < MAX_REMEMBERED
