"""RFC 3261 figure 5 with RFC 6026: every arrow, every timer, with `now` as an argument."""

import pytest

from gateway.sip.core.message import Request, Response
from gateway.sip.core.transaction.invite_client import TABLE, InviteClient, ack_of_failure, cancel_of
from gateway.sip.core.transaction.machine import (
    Action,
    CancelDue,
    Event,
    Input,
    ResponsePassed,
    State,
    TimerValues,
    TransactionFailed,
)
from tests.unit.sip.core.messages import request, response

VALUES = TimerValues(t1=0.5, t2=4.0, t4=5.0)
INVITE = request("INVITE", more=(("Route", "<sip:p1;lr>, <sip:p2;lr>"), ("Contact", "<sip:a@h>")))


def client(*, is_reliable: bool = False) -> InviteClient:
    machine = InviteClient(INVITE, values=VALUES, is_reliable=is_reliable, now=100.0)
    assert sent(machine) == ["INVITE"]
    return machine


def sent(machine: InviteClient) -> list[str]:
    messages = [outgoing.message for outgoing in machine.to_send()]
    return [message.method for message in messages if isinstance(message, Request)]


def statuses(events: list[Event]) -> list[int]:
    return [event.response.status for event in events if isinstance(event, ResponsePassed)]


def in_state(state: State) -> InviteClient:
    machine = client()
    match state:
        case State.PROCEEDING:
            machine.receive(response(180, INVITE), 101.0)
        case State.COMPLETED:
            machine.receive(response(486, INVITE), 101.0)
        case State.ACCEPTED:
            machine.receive(response(200, INVITE), 101.0)
        case State.TERMINATED:
            machine.transport_failed(101.0)
        case _:
            assert state is State.CALLING
    machine.to_send()
    assert machine.state is state
    return machine


def test_lost_invite_is_repeated_with_doubled_pauses_until_timer_b() -> None:
    machine = client()
    repeats: list[float] = []
    events: list[Event] = []
    while (deadline := machine.next_deadline()) is not None:
        events = machine.handle_timeout(deadline)
        repeats += [deadline - 100.0] * len(sent(machine))

    assert repeats == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert events == [TransactionFailed("timeout")]
    assert machine.is_terminated


def test_invite_over_tcp_is_not_repeated_and_times_out_with_timer_b() -> None:
    machine = client(is_reliable=True)

    assert machine.next_deadline() == 132.0
    assert machine.handle_timeout(131.9) == []
    assert machine.handle_timeout(132.0) == [TransactionFailed("timeout")]
    assert sent(machine) == []


def test_repeat_is_marked_as_one() -> None:
    machine = client()
    machine.handle_timeout(100.5)

    assert [outgoing.is_repeat for outgoing in machine.to_send()] == [True]


def test_provisional_response_ends_repeats_and_the_timeout() -> None:
    machine = client()

    events = machine.receive(response(180, INVITE), 100.2)

    assert statuses(events) == [180]
    assert machine.state is State.PROCEEDING
    assert machine.next_deadline() is None
    assert statuses(machine.receive(response(183, INVITE), 200.0)) == [183]


@pytest.mark.parametrize("before", [State.CALLING, State.PROCEEDING])
def test_success_is_passed_up_without_an_ack_and_waits_for_other_forks(before: State) -> None:
    machine = in_state(before)

    events = machine.receive(response(200, INVITE), 102.0)

    assert statuses(events) == [200]
    assert sent(machine) == []
    assert machine.state is State.ACCEPTED
    assert statuses(machine.receive(response(200, INVITE, tag="fork"), 133.0)) == [200]
    assert machine.next_deadline() == 134.0
    assert machine.handle_timeout(134.0) == []
    assert machine.is_terminated


@pytest.mark.parametrize("before", [State.CALLING, State.PROCEEDING])
def test_refusal_is_acknowledged_and_passed_up_once(before: State) -> None:
    machine = in_state(before)

    events = machine.receive(response(486, INVITE), 102.0)

    assert statuses(events) == [486]
    assert sent(machine) == ["ACK"]
    assert machine.state is State.COMPLETED
    assert machine.receive(response(486, INVITE), 103.0) == []
    assert sent(machine) == ["ACK"]
    assert machine.next_deadline() == 134.0
    machine.handle_timeout(134.0)
    assert machine.is_terminated


def test_refusal_over_tcp_leaves_nothing_to_wait_for() -> None:
    machine = client(is_reliable=True)
    machine.receive(response(603, INVITE), 101.0)

    assert machine.next_deadline() == 101.0
    machine.handle_timeout(101.0)
    assert machine.is_terminated


def test_broken_transport_ends_a_calling_transaction() -> None:
    assert client().transport_failed(100.0) == [TransactionFailed("transport")]


def test_ack_that_does_not_leave_ends_the_transaction() -> None:
    machine = in_state(State.COMPLETED)

    assert machine.transport_failed(103.0) == [TransactionFailed("transport")]
    assert machine.is_terminated


def test_broken_transport_while_it_rings_changes_nothing() -> None:
    machine = in_state(State.PROCEEDING)

    assert machine.transport_failed(103.0) == []
    assert machine.state is State.PROCEEDING


@pytest.mark.parametrize(
    ("state", "status"),
    [
        (State.COMPLETED, 180),
        (State.COMPLETED, 200),
        (State.ACCEPTED, 180),
        (State.ACCEPTED, 486),
        (State.TERMINATED, 200),
    ],
)
def test_late_response_is_absorbed(state: State, status: int) -> None:
    machine = in_state(state)

    assert machine.receive(response(status, INVITE), 104.0) == []
    assert sent(machine) == []
    assert machine.state is state


def test_cancel_waits_for_the_first_provisional_response() -> None:
    machine = client()

    assert machine.cancel(100.1) == []
    events = machine.receive(response(100, INVITE), 101.0)

    assert events[1:] == [CancelDue()]
    assert machine.receive(response(180, INVITE), 101.5)[1:] == []


def test_cancel_goes_out_at_once_while_it_rings_and_only_once() -> None:
    machine = in_state(State.PROCEEDING)

    assert machine.cancel(102.0) == [CancelDue()]
    assert machine.cancel(102.1) == []


def test_cancelled_call_that_never_ends_is_given_up_after_64_t1() -> None:
    machine = in_state(State.PROCEEDING)
    machine.cancel(102.0)

    assert machine.next_deadline() == 134.0
    assert machine.handle_timeout(134.0) == [TransactionFailed("timeout")]


def test_cancel_that_crosses_the_200_leaves_the_call_to_the_user_agent() -> None:
    machine = in_state(State.PROCEEDING)
    machine.cancel(102.0)

    assert statuses(machine.receive(response(200, INVITE), 102.1)) == [200]
    assert machine.next_deadline() == pytest.approx(134.1)


@pytest.mark.parametrize("state", [State.COMPLETED, State.ACCEPTED, State.TERMINATED])
def test_cancel_after_the_final_response_is_ignored(state: State) -> None:
    assert in_state(state).cancel(105.0) == []


def test_wanted_cancel_is_forgotten_when_a_final_response_comes_first() -> None:
    machine = client()
    machine.cancel(100.1)

    assert CancelDue() not in machine.receive(response(486, INVITE), 101.0)


def test_ack_of_a_refusal_has_the_branch_route_and_number_of_the_invite_and_the_tag_of_the_response() -> None:
    ack = ack_of_failure(INVITE, response(486, INVITE, tag="callee"))

    assert ack.uri == INVITE.uri
    assert ack.headers.get_all("Via") == INVITE.headers.get_all("Via")[:1]
    assert ack.headers.get_all("Route") == INVITE.headers.get_all("Route")
    assert ack.cseq.number == INVITE.cseq.number
    assert ack.cseq.method == "ACK"
    assert ack.to.tag == "callee"
    assert ack.headers.get("From") == INVITE.headers.get("From")
    assert "Contact" not in ack.headers


def test_cancel_has_the_branch_route_and_number_of_the_invite() -> None:
    cancel = cancel_of(INVITE, [("Reason", "Q.850;cause=16")])

    assert cancel.method == cancel.cseq.method == "CANCEL"
    assert cancel.uri == INVITE.uri
    assert cancel.headers.get_all("Via") == INVITE.headers.get_all("Via")[:1]
    assert cancel.headers.get_all("Route") == INVITE.headers.get_all("Route")
    assert cancel.to.tag is None
    assert cancel.headers.get("Reason") == "Q.850;cause=16"


def test_table_is_figure_5_with_rfc_6026() -> None:
    assert {key: row[0] for key, row in TABLE.items()} == {
        (State.CALLING, Input.TIMER_A): State.CALLING,
        (State.CALLING, Input.TIMER_B): State.TERMINATED,
        (State.CALLING, Input.TRANSPORT_ERROR): State.TERMINATED,
        (State.CALLING, Input.R1XX): State.PROCEEDING,
        (State.CALLING, Input.R2XX): State.ACCEPTED,
        (State.CALLING, Input.R3XX_6XX): State.COMPLETED,
        (State.PROCEEDING, Input.R1XX): State.PROCEEDING,
        (State.PROCEEDING, Input.R2XX): State.ACCEPTED,
        (State.PROCEEDING, Input.R3XX_6XX): State.COMPLETED,
        (State.PROCEEDING, Input.TIMER_CANCEL): State.TERMINATED,
        (State.COMPLETED, Input.R3XX_6XX): State.COMPLETED,
        (State.COMPLETED, Input.TRANSPORT_ERROR): State.TERMINATED,
        (State.COMPLETED, Input.TIMER_D): State.TERMINATED,
        (State.ACCEPTED, Input.R2XX): State.ACCEPTED,
        (State.ACCEPTED, Input.TIMER_M): State.TERMINATED,
    }


def test_action_of_another_machine_is_a_defect() -> None:
    machine = client()

    with pytest.raises(AssertionError):
        machine._perform(Action.START_J)


def test_response_class_is_read_from_the_status() -> None:
    machine = client()
    odd = Response(699, "Odd", response(486, INVITE).headers)

    machine.receive(odd, 101.0)

    assert machine.state is State.COMPLETED
