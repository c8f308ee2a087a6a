from gateway.sip.core.accepted import Accepted
from gateway.sip.core.message import response_to
from tests.unit.sip.core.script import NOW, Seat, T, request


def test_the_2xx_is_repeated_from_t1_doubling_up_to_t2_until_64_t1() -> None:
    accepted = Accepted(
        Seat(),
        response_to(request("INVITE"), 200),
        cseq=1,
        wants_answer=False,
        is_first=True,
        timers=T,
        now=NOW,
    )

    sendings = []
    while accepted.deadline < accepted.give_up_at:
        sendings.append(accepted.deadline - NOW)
        assert len(accepted.resend(accepted.deadline)) == 1

    assert sendings == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert accepted.give_up_at == NOW + 32.0


def test_a_call_too_early_repeats_nothing() -> None:
    accepted = Accepted(
        Seat(), response_to(request("INVITE"), 200), cseq=1, wants_answer=False, is_first=True, timers=T, now=NOW
    )

    assert accepted.resend(NOW + 0.4) == []
