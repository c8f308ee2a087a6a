"""Numbers of an encrypted stream."""

from gateway.media.core.unbroken_sequence import UnbrokenSequence


def test_numbers_are_those_of_the_packets_while_all_are_sent() -> None:
    sequence = UnbrokenSequence()

    assert [sequence.number(each) for each in (65534, 65535, 0, 1)] == [65534, 65535, 0, 1]


def test_stretch_that_is_not_sent_uses_up_no_numbers_however_long() -> None:
    sequence = UnbrokenSequence()
    sequence.number(100)
    for _ in range(40_000):
        sequence.skip()

    assert [sequence.number((100 + 40_001 + each) & 0xFFFF) for each in range(3)] == [101, 102, 103]


def test_lost_and_late_packets_keep_their_places() -> None:
    sequence = UnbrokenSequence()
    sequence.number(10)
    sequence.skip()
    numbers = [sequence.number(each) for each in (20, 23, 22, 24)]

    assert numbers == [11, 14, 13, 15]


def test_second_stretch_is_left_out_as_well() -> None:
    sequence = UnbrokenSequence()
    sequence.number(1)
    sequence.skip()
    assert sequence.number(50) == 2
    sequence.skip()

    assert sequence.number(90) == 3


def test_packets_before_the_first_that_is_sent_change_nothing() -> None:
    sequence = UnbrokenSequence()
    sequence.skip()

    assert sequence.number(7) == 7
