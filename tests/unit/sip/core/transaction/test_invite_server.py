"""RFC 3261 figure 7 with RFC 6026: every arrow, every timer, with `now` as an argument."""

import pytest

from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.invite_server import TABLE, InviteServer
from gateway.sip.core.transaction.machine import (
    AckPassed,
    Action,
    Event,
    Input,
    State,
    TimerValues,
    TransactionFailed,
)
from tests.unit.sip.core.messages import request, response

VALUES = TimerValues(t1=0.5, t2=4.0, t4=5.0)
INVITE = request("INVITE")
ACK = request("ACK")


def server(*, is_reliable: bool = False) -> InviteServer:
    machine = InviteServer(INVITE, values=VALUES, is_reliable=is_reliable, now=100.0)
    assert sent(machine) == [100]
    return machine


def sent(machine: InviteServer) -> list[int]:
    messages = [outgoing.message for outgoing in machine.to_send()]
    return [message.status for message in messages if isinstance(message, Response)]


def answered(status: int, *, is_reliable: bool = False) -> InviteServer:
    machine = server(is_reliable=is_reliable)
    machine.respond(response(status, INVITE), 101.0)
    assert sent(machine) == [status]
    return machine


def test_invite_is_answered_100_at_once_and_its_repeats_too() -> None:
    machine = server()

    machine.receive(INVITE, 100.5)

    assert [outgoing.is_repeat for outgoing in machine.to_send()] == [True]
    assert machine.last_response.status == 100
    assert machine.next_deadline() is None


def test_repeated_invite_gets_the_last_provisional_response() -> None:
    machine = server()
    machine.respond(response(180, INVITE), 100.1)
    machine.respond(response(183, INVITE), 100.2)
    assert sent(machine) == [180, 183]

    machine.receive(INVITE, 100.5)

    assert sent(machine) == [183]


def test_refusal_is_repeated_with_pauses_up_to_t2_until_timer_h() -> None:
    machine = answered(486)
    repeats: list[float] = []
    events: list[Event] = []
    while (deadline := machine.next_deadline()) is not None:
        events = machine.handle_timeout(deadline)
        repeats += [deadline - 101.0] * len(sent(machine))

    assert repeats == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert events == [TransactionFailed("timeout")]
    assert machine.is_terminated


def test_refusal_over_tcp_is_not_repeated_but_waits_for_its_ack() -> None:
    machine = answered(486, is_reliable=True)

    assert machine.next_deadline() == 133.0
    assert machine.handle_timeout(133.0) == [TransactionFailed("timeout")]
    assert sent(machine) == []


def test_repeated_invite_gets_the_refusal_again() -> None:
    machine = answered(486)

    machine.receive(INVITE, 101.2)

    assert sent(machine) == [486]


def test_ack_ends_the_repeats_of_a_refusal_and_is_absorbed_for_t4() -> None:
    machine = answered(486)

    assert machine.receive(ACK, 102.0) == []

    assert machine.state is State.CONFIRMED
    assert machine.next_deadline() == 107.0
    assert machine.receive(ACK, 103.0) == []
    machine.receive(INVITE, 103.0)
    assert sent(machine) == []
    machine.handle_timeout(107.0)
    assert machine.is_terminated


def test_ack_over_tcp_leaves_nothing_to_wait_for() -> None:
    machine = answered(486, is_reliable=True)
    machine.receive(ACK, 102.0)

    machine.handle_timeout(102.0)

    assert machine.is_terminated


def test_success_keeps_the_transaction_so_that_repeated_invites_are_absorbed() -> None:
    machine = answered(200)

    machine.receive(INVITE, 101.5)

    assert sent(machine) == []
    assert machine.state is State.ACCEPTED
    assert machine.next_deadline() == 133.0
    machine.handle_timeout(133.0)
    assert machine.is_terminated


def test_success_may_be_repeated_by_the_user_agent() -> None:
    machine = answered(200)

    machine.respond(response(200, INVITE), 101.5)

    assert sent(machine) == [200]


def test_ack_with_the_branch_of_an_accepted_invite_goes_to_the_user_agent() -> None:
    machine = answered(200)

    assert machine.receive(ACK, 102.0) == [AckPassed(ACK)]
    assert machine.state is State.ACCEPTED


def test_ack_before_any_final_response_is_absorbed() -> None:
    machine = server()

    assert machine.receive(ACK, 100.1) == []
    assert machine.state is State.PROCEEDING


@pytest.mark.parametrize("first", [200, 486])
@pytest.mark.parametrize("second", [180, 200, 487])
def test_second_final_response_is_absorbed(first: int, second: int) -> None:
    machine = answered(first)
    before = machine.state

    machine.respond(response(second, INVITE), 102.0)

    assert sent(machine) == ([200] if first == second == 200 else [])
    assert machine.state is before
    assert machine.last_response.status == first


@pytest.mark.parametrize(("status", "state"), [(180, State.PROCEEDING), (200, State.ACCEPTED), (486, State.COMPLETED)])
def test_response_that_does_not_leave_is_told_and_changes_no_state(status: int, state: State) -> None:
    machine = answered(status)

    assert machine.transport_failed(102.0) == [TransactionFailed("transport")]
    assert machine.state is state


def test_table_is_figure_7_with_rfc_6026() -> None:
    assert {key: row[0] for key, row in TABLE.items()} == {
        (State.PROCEEDING, Input.REQUEST): State.PROCEEDING,
        (State.PROCEEDING, Input.R1XX): State.PROCEEDING,
        (State.PROCEEDING, Input.R2XX): State.ACCEPTED,
        (State.PROCEEDING, Input.R3XX_6XX): State.COMPLETED,
        (State.PROCEEDING, Input.TRANSPORT_ERROR): State.PROCEEDING,
        (State.ACCEPTED, Input.REQUEST): State.ACCEPTED,
        (State.ACCEPTED, Input.R2XX): State.ACCEPTED,
        (State.ACCEPTED, Input.ACK): State.ACCEPTED,
        (State.ACCEPTED, Input.TRANSPORT_ERROR): State.ACCEPTED,
        (State.ACCEPTED, Input.TIMER_L): State.TERMINATED,
        (State.COMPLETED, Input.REQUEST): State.COMPLETED,
        (State.COMPLETED, Input.TIMER_G): State.COMPLETED,
        (State.COMPLETED, Input.TIMER_H): State.TERMINATED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): State.COMPLETED,
        (State.COMPLETED, Input.ACK): State.CONFIRMED,
        (State.CONFIRMED, Input.TIMER_I): State.TERMINATED,
    }


def test_action_of_another_machine_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        server()._perform(Action.START_K)


def test_request_stays_the_one_that_began_it() -> None:
    machine = server()
    machine.receive(Request("INVITE", "sip:other@h", INVITE.headers), 100.5)

    assert machine.request is INVITE
