"""RFC 3261 figure 6: every arrow, every timer, with `now` as an argument."""

import pytest

from gateway.sip.core.transaction.machine import (
    Action,
    Event,
    Input,
    ResponsePassed,
    State,
    TimerValues,
    TransactionFailed,
)
from gateway.sip.core.transaction.non_invite_client import TABLE, NonInviteClient
from tests.unit.sip.core.messages import request, response

VALUES = TimerValues(t1=0.5, t2=4.0, t4=5.0)
BYE = request("BYE")


def client(*, is_reliable: bool = False) -> NonInviteClient:
    machine = NonInviteClient(BYE, values=VALUES, is_reliable=is_reliable, now=100.0)
    assert [outgoing.message for outgoing in machine.to_send()] == [BYE]
    return machine


def statuses(events: list[Event]) -> list[int]:
    return [event.response.status for event in events if isinstance(event, ResponsePassed)]


def test_lost_request_is_repeated_with_pauses_up_to_t2_until_timer_f() -> None:
    machine = client()
    repeats: list[float] = []
    events: list[Event] = []
    while (deadline := machine.next_deadline()) is not None:
        events = machine.handle_timeout(deadline)
        repeats += [deadline - 100.0 for outgoing in machine.to_send() if outgoing.is_repeat]

    assert repeats == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert events == [TransactionFailed("timeout")]
    assert machine.is_terminated


def test_request_over_tcp_is_not_repeated() -> None:
    machine = client(is_reliable=True)

    assert machine.next_deadline() == 132.0
    assert machine.handle_timeout(132.0) == [TransactionFailed("timeout")]
    assert machine.to_send() == []


def test_provisional_response_slows_the_repeats_to_t2_and_keeps_timer_f() -> None:
    machine = client()

    assert statuses(machine.receive(response(100, BYE), 100.1)) == [100]

    repeats: list[float] = []
    events: list[Event] = []
    while (deadline := machine.next_deadline()) is not None:
        events = machine.handle_timeout(deadline)
        repeats += [deadline - 100.0] * len(machine.to_send())
    assert repeats == [0.5, 4.5, 8.5, 12.5, 16.5, 20.5, 24.5, 28.5]
    assert events == [TransactionFailed("timeout")]


def test_each_provisional_response_is_passed_up() -> None:
    machine = client()
    machine.receive(response(100, BYE), 100.1)

    assert statuses(machine.receive(response(182, BYE), 100.2)) == [182]
    assert machine.state is State.PROCEEDING


@pytest.mark.parametrize("status", [200, 404])
@pytest.mark.parametrize("is_provisional_first", [True, False])
def test_final_response_is_passed_up_once_and_its_repeats_absorbed_for_t4(
    status: int, is_provisional_first: bool
) -> None:
    machine = client()
    if is_provisional_first:
        machine.receive(response(100, BYE), 100.1)

    assert statuses(machine.receive(response(status, BYE), 101.0)) == [status]

    assert machine.state is State.COMPLETED
    assert machine.receive(response(status, BYE), 102.0) == []
    assert machine.next_deadline() == 106.0
    assert machine.handle_timeout(106.0) == []
    assert machine.is_terminated


def test_final_response_over_tcp_leaves_nothing_to_wait_for() -> None:
    machine = client(is_reliable=True)
    machine.receive(response(200, BYE), 101.0)

    machine.handle_timeout(101.0)

    assert machine.is_terminated


@pytest.mark.parametrize("is_provisional_first", [True, False])
def test_broken_transport_ends_the_transaction(is_provisional_first: bool) -> None:
    machine = client()
    if is_provisional_first:
        machine.receive(response(100, BYE), 100.1)

    assert machine.transport_failed(101.0) == [TransactionFailed("transport")]
    assert machine.is_terminated
    assert machine.receive(response(200, BYE), 102.0) == []


def test_table_is_figure_6() -> None:
    assert {key: row[0] for key, row in TABLE.items()} == {
        (State.TRYING, Input.TIMER_E): State.TRYING,
        (State.TRYING, Input.TIMER_F): State.TERMINATED,
        (State.TRYING, Input.TRANSPORT_ERROR): State.TERMINATED,
        (State.TRYING, Input.R1XX): State.PROCEEDING,
        (State.TRYING, Input.R2XX): State.COMPLETED,
        (State.TRYING, Input.R3XX_6XX): State.COMPLETED,
        (State.PROCEEDING, Input.TIMER_E): State.PROCEEDING,
        (State.PROCEEDING, Input.TIMER_F): State.TERMINATED,
        (State.PROCEEDING, Input.TRANSPORT_ERROR): State.TERMINATED,
        (State.PROCEEDING, Input.R1XX): State.PROCEEDING,
        (State.PROCEEDING, Input.R2XX): State.COMPLETED,
        (State.PROCEEDING, Input.R3XX_6XX): State.COMPLETED,
        (State.COMPLETED, Input.TIMER_K): State.TERMINATED,
    }


def test_action_of_another_machine_is_a_defect() -> None:
    with pytest.raises(AssertionError):
        client()._perform(Action.START_J)
