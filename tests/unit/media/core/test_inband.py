"""Digits as samples: the right tones, for as long as they last, apart from each other."""

import itertools
from array import array
from dataclasses import dataclass, field

import pytest

from gateway.media.core import tones
from gateway.media.core.events import MAX_DIGITS
from gateway.media.core.inband import LEVEL, MAX_BACKLOG, SHORTEST, TonePlayer

RATE = 8000
FRAME = 160


@dataclass
class Listener:
    """Takes frame after frame, one each 20 ms."""

    player: TonePlayer = field(default_factory=lambda: TonePlayer(RATE))
    now: float = 0.0
    heard: "array[int]" = field(default_factory=lambda: array("h"))

    def listen(self, frames: int) -> "Listener":
        for _ in range(frames):
            self.now += FRAME / RATE
            self.heard.extend(array("h", self.player.frame(FRAME, self.now)))
        return self

    def until_quiet(self) -> "Listener":
        while self.player.is_active:
            self.listen(1)
        return self

    def sounds(self) -> list[tuple[int, int]]:
        """First and last sample of each sound; 5 ms without one part two."""
        loud = [index for index, sample in enumerate(self.heard) if abs(sample) > 8]
        starts = [at for before, at in zip([-1000, *loud], loud, strict=False) if at - before > 40]
        ends = [at for at, after in zip(loud, [*loud[1:], loud[-1] + 1000], strict=True) if after - at > 40]
        return list(zip(starts, ends, strict=True))

    def digits(self) -> str:
        """What is heard in the middle of each sound."""
        pieces = (self.heard[(first + last) // 2 - 80 :][:160] for first, last in self.sounds())
        return "".join(tones.detect_dtmf(piece.tobytes()) or "?" for piece in pieces)

    def lengths(self) -> list[float]:
        return [(last - first) / RATE for first, last in self.sounds()]

    def gaps(self) -> list[float]:
        sounds = self.sounds()
        return [(after[0] - before[1]) / RATE for before, after in itertools.pairwise(sounds)]


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_each_digit_is_its_two_tones_at_their_level_and_nothing_else(digit: str) -> None:
    listener = Listener()
    listener.player.add(digit, duration=0.1, gap=0.05, now=0.0)

    pcm = listener.until_quiet().heard[80:720].tobytes()

    row, column = tones.DTMF_FREQUENCIES[digit]
    levels = [tones.power(pcm, frequency) for frequency in (row, column)]
    assert levels == pytest.approx([LEVEL, LEVEL], abs=0.5)
    assert tones.loudness(pcm) == pytest.approx(LEVEL + 3.0, abs=0.3)
    others = (set(tones.ROWS) | set(tones.COLUMNS)) - {row, column}
    assert max(tones.power(pcm, frequency) for frequency in others) < LEVEL - 15.0


def test_quick_digits_keep_their_order_their_lengths_and_their_distance() -> None:
    listener = Listener()
    listener.player.add("1223", duration=0.07, gap=0.06, now=0.0)

    listener.until_quiet()

    assert listener.digits() == "1223"
    assert listener.lengths() == pytest.approx([0.07] * 4, abs=0.002)
    assert listener.gaps() == pytest.approx([0.06] * 3, abs=0.002)


def test_digit_of_unknown_length_sounds_until_it_is_told_and_ends_to_the_sample() -> None:
    listener = Listener()
    listener.player.begin("5", now=0.0)
    listener.listen(10)
    listener.player.end(0.2345)

    listener.until_quiet()

    assert listener.digits() == "5"
    assert listener.lengths() == [pytest.approx(0.2345, abs=0.002)]


def test_digit_that_has_sounded_for_longer_than_it_should_ends_at_once() -> None:
    listener = Listener()
    listener.player.begin("5", now=0.0)
    listener.listen(20)
    listener.player.end(0.1)

    listener.until_quiet()

    assert listener.lengths() == [pytest.approx(0.402, abs=0.002)]


def test_digit_whose_end_never_comes_ends_after_ten_seconds() -> None:
    listener = Listener()
    listener.player.begin("5", now=0.0)

    listener.until_quiet()

    assert listener.lengths() == [pytest.approx(10.0, abs=0.01)]


def test_digit_that_begins_while_another_sounds_waits_for_it() -> None:
    listener = Listener()
    listener.player.begin("1", now=0.0)
    listener.listen(3)
    listener.player.end(0.1)
    listener.player.begin("2", now=listener.now)
    listener.player.end(0.1)

    listener.until_quiet()

    assert listener.digits() == "12"
    assert listener.gaps() == [pytest.approx(SHORTEST, abs=0.002)]


def test_digit_that_follows_at_once_is_kept_apart_and_a_late_one_is_not_delayed() -> None:
    listener = Listener()
    listener.player.add("1", duration=0.1, gap=0.05, now=0.0)
    listener.until_quiet()
    listener.player.add("1", duration=0.1, gap=0.05, now=listener.now)
    listener.until_quiet().listen(10)
    listener.player.add("1", duration=0.1, gap=0.05, now=listener.now)
    began = len(listener.heard)
    listener.until_quiet()

    assert listener.digits() == "111"
    assert listener.gaps()[0] == pytest.approx(SHORTEST, abs=0.002)
    assert listener.sounds()[2][0] == pytest.approx(began, abs=10)


def test_end_of_a_digit_is_not_taken_for_that_of_one_that_waits_behind_it() -> None:
    listener = Listener()
    listener.player.begin("1", now=0.0)
    listener.player.add("2", duration=0.1, gap=0.06, now=0.0)
    listener.listen(5)
    listener.player.end(0.2)

    listener.until_quiet()

    assert listener.digits() == "12"
    assert listener.lengths() == pytest.approx([0.2, 0.1], abs=0.002)


def test_very_short_digit_is_long_enough_to_be_recognised() -> None:
    listener = Listener()
    listener.player.begin("7", now=0.0)
    listener.player.end(0.005)

    listener.until_quiet()

    assert listener.digits() == "7"
    assert listener.lengths() == [pytest.approx(SHORTEST, abs=0.002)]


def test_tone_comes_and_goes_without_a_click() -> None:
    listener = Listener()
    listener.player.add("5", duration=0.1, gap=0.05, now=0.0)

    heard = listener.until_quiet().heard

    steepest = max(abs(after - before) for before, after in itertools.pairwise(heard[20:700]))
    edges = [*itertools.pairwise(heard[:20]), *itertools.pairwise(heard[780:830])]
    assert max(abs(after - before) for before, after in edges) <= steepest


@pytest.mark.parametrize(
    ("digits", "duration", "gap"),
    [("", 0.1, 0.1), ("5x", 0.1, 0.1), ("5", 0.0, 0.1), ("5", 10.1, 0.1), ("5", 0.1, -0.1),
     ("5" * (MAX_DIGITS + 1), 0.1, 0.1), ("5" * 100, 1.0, 0.5)],
)  # fmt: skip
def test_what_is_no_row_of_digits_or_too_long_a_one_is_refused(digits: str, duration: float, gap: float) -> None:
    player = TonePlayer(RATE)

    with pytest.raises(ValueError, match=r"digit"):
        player.add(digits, duration=duration, gap=gap, now=0.0)

    assert not player.is_active


@pytest.mark.parametrize("length", [0.01, 0.05, 8.0])
def test_source_that_sends_digits_faster_than_they_sound_fills_no_more_than_the_backlog(length: float) -> None:
    player = TonePlayer(RATE)
    for _ in range(1000):
        player.begin("5", now=0.0)
        player.end(length)

    assert MAX_BACKLOG < player.remaining < MAX_BACKLOG + length + 2 * SHORTEST
    player.add("5" * 64, duration=0.1, gap=0.06, now=0.0)
