"""RFC 3261 figure 8: every arrow, every timer, with `now` as an argument."""

import pytest

from gateway.sip.core.message import Response
from gateway.sip.core.transaction.machine import Action, Input, State, TimerValues, TransactionFailed
from gateway.sip.core.transaction.non_invite_server import TABLE, NonInviteServer
from tests.unit.sip.core.messages import request, response

VALUES = TimerValues(t1=0.5, t2=4.0, t4=5.0)
OPTIONS = request("OPTIONS")


def server(*, is_reliable: bool = False) -> NonInviteServer:
    machine = NonInviteServer(OPTIONS, values=VALUES, is_reliable=is_reliable, now=100.0)
    assert sent(machine) == []
    return machine


def sent(machine: NonInviteServer) -> list[int]:
    messages = [outgoing.message for outgoing in machine.to_send()]
    return [message.status for message in messages if isinstance(message, Response)]


def test_repeated_request_is_absorbed_before_the_first_response() -> None:
    machine = server()

    machine.receive(OPTIONS, 100.5)

    assert sent(machine) == []
    assert machine.last_response is None
    assert machine.state is State.TRYING


def test_repeated_request_gets_the_provisional_response_again() -> None:
    machine = server()
    machine.respond(response(100, OPTIONS), 100.1)
    machine.respond(response(182, OPTIONS), 100.2)
    assert sent(machine) == [100, 182]

    machine.receive(OPTIONS, 100.5)

    assert [outgoing.is_repeat for outgoing in machine.to_send()] == [True]


@pytest.mark.parametrize("status", [200, 405])
@pytest.mark.parametrize("is_provisional_first", [True, False])
def test_repeated_request_gets_the_final_response_again_for_64_t1(status: int, is_provisional_first: bool) -> None:
    machine = server()
    if is_provisional_first:
        machine.respond(response(100, OPTIONS), 100.1)
    machine.respond(response(status, OPTIONS), 101.0)
    machine.to_send()

    machine.receive(OPTIONS, 102.0)

    assert sent(machine) == [status]
    assert machine.last_response is not None
    assert machine.last_response.status == status
    assert machine.next_deadline() == 133.0
    assert machine.handle_timeout(133.0) == []
    assert machine.is_terminated


def test_final_response_over_tcp_leaves_nothing_to_wait_for() -> None:
    machine = server(is_reliable=True)
    machine.respond(response(200, OPTIONS), 101.0)

    machine.handle_timeout(101.0)

    assert machine.is_terminated


@pytest.mark.parametrize("second", [100, 200, 500])
def test_second_final_response_is_absorbed(second: int) -> None:
    machine = server()
    machine.respond(response(200, OPTIONS), 101.0)
    machine.to_send()

    machine.respond(response(second, OPTIONS), 102.0)

    assert sent(machine) == []


@pytest.mark.parametrize(("status", "state"), [(100, State.PROCEEDING), (200, State.COMPLETED)])
def test_response_that_does_not_leave_is_told_and_changes_no_state(status: int, state: State) -> None:
    machine = server()
    machine.respond(response(status, OPTIONS), 101.0)

    assert machine.transport_failed(102.0) == [TransactionFailed("transport")]
    assert machine.state is state


@pytest.mark.parametrize("is_provisional_first", [True, False])
def test_request_that_nobody_answers_is_forgotten_when_its_client_has_given_up(is_provisional_first: bool) -> None:
    machine = server()
    if is_provisional_first:
        machine.respond(response(100, OPTIONS), 100.1)

    assert machine.next_deadline() == 132.0
    assert machine.handle_timeout(132.0) == [TransactionFailed("timeout")]
    assert machine.is_terminated


def test_table_is_figure_8() -> None:
    assert {key: row[0] for key, row in TABLE.items()} == {
        (State.TRYING, Input.REQUEST): State.TRYING,
        (State.TRYING, Input.R1XX): State.PROCEEDING,
        (State.TRYING, Input.R2XX): State.COMPLETED,
        (State.TRYING, Input.R3XX_6XX): State.COMPLETED,
        (State.TRYING, Input.TIMER_F): State.TERMINATED,
        (State.PROCEEDING, Input.REQUEST): State.PROCEEDING,
        (State.PROCEEDING, Input.R1XX): State.PROCEEDING,
        (State.PROCEEDING, Input.R2XX): State.COMPLETED,
        (State.PROCEEDING, Input.R3XX_6XX): State.COMPLETED,
        (State.PROCEEDING, Input.TRANSPORT_ERROR): State.PROCEEDING,
        (State.PROCEEDING, Input.TIMER_F): State.TERMINATED,
        (State.COMPLETED, Input.REQUEST): State.COMPLETED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): State.COMPLETED,
        (State.COMPLETED, Input.TIMER_J): State.TERMINATED,
    }


def test_action_of_another_machine_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        server()._perform(Action.START_K)
