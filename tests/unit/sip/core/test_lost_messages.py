"""Each message of a call lost, one after the other, once and for ever: every call ends as the RFCs ask for."""

import random
from collections import Counter
from typing import Final

import pytest

from tests.unit.sip.core.plots import PLOTS, outcome
from tests.unit.sip.core.two_agents import DELAY, Fate, Message, Side, World, label

Lost = tuple[str, str, int]
"""Which message: its sender, `two_agents.label`, and the how manieth of that label; a repeat is the same message."""

LOSSLESS: Final = {
    "plain": ("answered", "bye"),
    "hung_up_by_the_callee": ("bye", "confirmed"),
    "reliable": ("answered", "bye"),
    "cancelled": ("487", "cancelled"),
    "refused": ("486", "nothing"),
    "refreshed": ("answered", "bye"),
}

FOR_EVER: Final[dict[tuple[str, Lost], tuple[str, str]]] = {
    # Timer B; the callee never hears of it.
    **{(plot, ("caller", "INVITE", 1)): ("408", "nothing") for plot in PLOTS},
    # No ACK for 64*T1 (RFC 3261 section 13.3.1.4): the callee's BYE ends the early dialog of a caller that waits.
    **{
        (plot, ("callee", "200 INVITE", 1)): ("487", "no_ack")
        for plot in ("plain", "hung_up_by_the_callee", "reliable", "refreshed")
    },
    **{
        (plot, ("caller", "ACK", 1)): ("bye", "no_ack")
        for plot in ("plain", "hung_up_by_the_callee", "reliable", "refreshed")
    },
    # A re-INVITE and an UPDATE that time out end the dialog (section 12.2.1.2, RFC 5057).
    ("plain", ("caller", "INVITE", 2)): ("dialog_lost", "bye"),
    ("plain", ("callee", "200 INVITE", 2)): ("bye", "no_ack"),
    ("plain", ("caller", "ACK", 2)): ("bye", "no_ack"),
    ("refreshed", ("caller", "UPDATE", 1)): ("dialog_lost", "bye"),
    ("refreshed", ("callee", "200 UPDATE", 1)): ("dialog_lost", "bye"),
    # A lost BYE: whoever sent it is done; the session timer tells the other (RFC 4028 section 10), as expiry of the
    # one that waits for a refresh, or as 481 to the refresh of the one that refreshes.
    **{(plot, ("caller", "BYE", 1)): ("answered", "session_expired") for plot in ("plain", "reliable", "refreshed")},
    ("hung_up_by_the_callee", ("callee", "BYE", 1)): ("dialog_lost", "confirmed"),
    # No PRACK for 64*T1: 5xx (RFC 3262 section 3). The PRACK of the 180 is not waited for: the 200 comes before that.
    ("reliable", ("callee", "183 INVITE", 1)): ("504", "no_prack"),
    ("reliable", ("caller", "PRACK", 2)): ("504", "no_prack"),
    # Nothing final: the caller gives up by itself, and its CANCEL ends it (section 9.1).
    ("refused", ("callee", "486 INVITE", 1)): ("487", "nothing"),
}
"""What call control of caller and callee hears last, where it is not what it hears without a loss."""


class Loss:
    """A wire that loses one message: at its first sending only, or whenever it is repeated."""

    def __init__(self, lost: Lost, *, is_for_ever: bool) -> None:
        self.lost, self.is_for_ever, self.count = lost, is_for_ever, 0
        self._seen: list[object] = []

    def __call__(self, sender: Side, message: Message) -> list[float]:
        name, word, number = self.lost
        if (sender.name, label(message)) != (name, word):
            return [DELAY]
        # An ACK of a 2xx has a new branch each time.
        key = message.cseq.number if word == "ACK" else (message.top_via.branch, message.headers.get("RSeq"))
        is_repeat = key in self._seen
        if not is_repeat:
            self._seen.append(key)
        if self._seen.index(key) != number - 1 or (is_repeat and not self.is_for_ever):
            return [DELAY]
        self.count += 1
        return []


def played(plot: str, fate: Fate) -> World:
    world = World(fate=fate, reliability="supported" if plot == "reliable" else "off")
    PLOTS[plot](world)
    world.run()
    return world


def outcomes(world: World) -> tuple[str, str]:
    return outcome(world.caller), outcome(world.callee)


def messages_of(plot: str) -> list[Lost]:
    """Every message of the call when nothing is lost and so nothing is repeated."""
    counts: Counter[tuple[str, str]] = Counter()
    messages: list[Lost] = []
    for _, name, word in played(plot, lambda _sender, _message: [DELAY]).log:
        counts[name, word] += 1
        messages.append((name, word, counts[name, word]))
    return messages


CASES: Final = [(plot, lost) for plot in PLOTS for lost in messages_of(plot)]
each_message = pytest.mark.parametrize(
    ("plot", "lost"), [pytest.param(plot, lost, id=f"{plot} {' '.join(map(str, lost))}") for plot, lost in CASES]
)


class Weather:
    """A wire that loses a share of all messages; the same ones each time."""

    def __init__(self, share: float, seed: str) -> None:
        self._share, self._coin = share, random.Random(seed)

    def __call__(self, _sender: Side, _message: Message) -> list[float]:
        return [] if self._coin.random() < self._share else [DELAY]


def test_every_expectation_is_of_a_message_that_there_is() -> None:
    assert set(FOR_EVER) <= set(CASES)
    words = {word for _, (_, word, _) in CASES}
    assert words >= {
        "INVITE",
        "100 INVITE",
        "180 INVITE",
        "183 INVITE",
        "200 INVITE",
        "486 INVITE",
        "487 INVITE",
        "ACK",
    }
    assert words >= {"BYE", "200 BYE", "CANCEL", "200 CANCEL", "PRACK", "200 PRACK", "UPDATE", "200 UPDATE"}


@pytest.mark.parametrize("plot", PLOTS)
def test_without_a_loss_nothing_is_repeated(plot: str) -> None:
    world = played(plot, lambda _sender, _message: [DELAY])

    assert outcomes(world) == LOSSLESS[plot]
    world.assert_over()


@each_message
def test_a_message_that_is_lost_once_changes_nothing(plot: str, lost: Lost) -> None:
    loss = Loss(lost, is_for_ever=False)

    world = played(plot, loss)

    assert loss.count == 1
    assert outcomes(world) == LOSSLESS[plot]
    world.assert_over()


@each_message
def test_a_message_that_never_arrives_leaves_nothing_behind(plot: str, lost: Lost) -> None:
    loss = Loss(lost, is_for_ever=True)

    world = played(plot, loss)

    assert loss.count >= 1
    assert outcomes(world) == FOR_EVER.get((plot, lost), LOSSLESS[plot])
    world.assert_over()


@pytest.mark.parametrize("share", [0.1, 0.3])
@pytest.mark.parametrize("plot", PLOTS)
def test_on_a_lossy_link_both_sides_end_and_agree(plot: str, share: float) -> None:
    for seed in range(50):
        world = played(plot, Weather(share, f"{plot} {share} {seed}"))

        world.assert_over()
        said = outcomes(world)
        # Up to 11 sendings in 64*T1 hide almost every loss; what is left is one of the outcomes above.
        possible = {LOSSLESS[plot], *(pair for (of, _), pair in FOR_EVER.items() if of == plot)}
        assert said in possible, (seed, said)
