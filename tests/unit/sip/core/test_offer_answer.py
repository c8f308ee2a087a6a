from itertools import product

import pytest

from gateway.sip.core.offer_answer import TRANSITIONS, Move, OfferAnswer, Turn


def test_every_turn_can_be_reached_and_left() -> None:
    assert {turn for turn, _ in TRANSITIONS} == set(Turn)
    assert set(TRANSITIONS.values()) == set(Turn)


@pytest.mark.parametrize(("turn", "move"), [pair for pair in product(Turn, Move) if pair not in TRANSITIONS])
def test_a_move_out_of_turn_is_not_allowed_and_changes_nothing(turn: Turn, move: Move) -> None:
    exchange = OfferAnswer(turn)

    assert not exchange.allows(move)
    with pytest.raises(ValueError, match=move.value):
        exchange.make(move)
    assert exchange.turn is turn


def test_offers_take_turns() -> None:
    exchange = OfferAnswer()

    for move in (Move.WE_OFFER, Move.THEY_ANSWER, Move.THEY_OFFER, Move.REFUSED, Move.THEY_OFFER, Move.WE_ANSWER):
        assert exchange.allows(move)
        exchange.make(move)

    assert exchange.turn is Turn.IDLE
