"""One request at several addresses: which attempt counts, and what becomes of the others (RFC 3263 section 4.3)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import cast

import pytest

from gateway.sip.core.message import Request, Response, response_to
from gateway.sip.failover import Attempts
from gateway.sip.transactions import ClientTransaction
from gateway.sip.transport.flow import Destination
from tests.fakes.autojump import AutojumpLoop
from tests.unit.sip.core.messages import request

A, B, C = (Destination("udp", f"192.0.2.{number}", 5060) for number in (1, 2, 3))
A_BY_TCP = Destination("tcp", A.host, A.port)
SILENCE = 5.0


@dataclass
class Attempt:
    """Stands for a client transaction."""

    request: Request
    destination: Destination
    respond: Callable[[Response], None]
    fail: Callable[[str], None]
    ends: list[str] = field(default_factory=list)

    def cancel(self, headers: Iterable[tuple[str, str]] = ()) -> None:
        self.ends.append("cancel" + "".join(name for name, _ in headers))

    def abandon(self) -> None:
        self.ends.append("abandon")

    def says(self, status: int, **headers: str) -> None:
        more = tuple((name.replace("_", "-"), value) for name, value in headers.items())
        self.respond(response_to(self.request, status, to_tag="t", headers=more))


class Trial:
    """Attempts at some addresses, and everything that is told of them."""

    def __init__(self, loop: AutojumpLoop, *destinations: Destination, method: str = "INVITE") -> None:
        self.loop, self.request = loop, request(method)
        self.made: list[Attempt] = []
        self.told: list[int | str] = []
        self.proved: list[Destination] = []
        self.failed: list[tuple[Destination, float | None]] = []

        def send(
            destination: Destination, on_response: Callable[[Response], None], on_failure: Callable[[str], None]
        ) -> ClientTransaction:
            self.made.append(Attempt(self.request, destination, on_response, on_failure))
            return cast(ClientTransaction, self.made[-1])  # what Attempts uses of it

        async def start() -> Attempts:
            return Attempts(
                destinations,
                send=send,
                silence=SILENCE,
                on_response=lambda response: self.told.append(response.status),
                on_failure=self.told.append,
                on_proved=self.proved.append,
                on_address_failed=lambda destination, retry_after: self.failed.append((destination, retry_after)),
            )

        self.attempts = loop.run_until_complete(start())

    def later(self, seconds: float) -> None:
        self.loop.advance(seconds)

    @property
    def places(self) -> list[Destination]:
        return [attempt.destination for attempt in self.made]


@pytest.fixture
def loop() -> Iterator[AutojumpLoop]:
    loop = AutojumpLoop()
    yield loop
    loop.close()


def within(trial: Trial, act: Callable[[], None]) -> None:
    """Do it as the loop would: in one of its callbacks."""
    trial.loop.call_soon(act)
    trial.later(0.001)


def test_next_address_is_tried_exactly_after_the_silence(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)

    trial.later(SILENCE - 0.1)
    assert trial.places == [A]
    trial.later(0.2)

    assert trial.places == [A, B]
    assert trial.failed == [(A, None)]
    assert trial.made[0].ends == []


def test_trying_is_heard_and_ends_the_search(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)

    within(trial, lambda: trial.made[0].says(100))
    trial.later(10 * SILENCE)

    assert (trial.places, trial.proved, trial.told) == ([A], [A], [100])


def test_each_address_is_tried_once_and_the_last_failure_is_told(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, C)

    for reason in ("transport", "timeout", "transport"):
        within(trial, partial(trial.made[-1].fail, reason))

    assert (trial.places, trial.told) == ([A, B, C], ["transport"])
    assert trial.failed == [(A, None), (B, None), (C, None)]


def test_503_tells_for_how_long_and_is_not_asked_again_by_another_transport(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A_BY_TCP, A, B)

    within(trial, lambda: trial.made[0].says(503, Retry_After="120"))

    assert trial.places == [A_BY_TCP, B]
    assert trial.failed == [(A_BY_TCP, 120.0)]


def test_connection_that_is_refused_leaves_the_same_server_by_another_transport(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A_BY_TCP, A, B)

    within(trial, lambda: trial.made[0].fail("transport"))

    assert trial.places == [A_BY_TCP, A]


def test_503_after_ringing_is_told(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)

    within(trial, lambda: trial.made[0].says(180))
    within(trial, lambda: trial.made[0].says(503))

    assert (trial.places, trial.told, trial.failed) == ([A], [180, 503], [])


def test_failure_after_an_answer_is_no_news(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)

    within(trial, lambda: trial.made[0].says(200))
    within(trial, lambda: trial.made[0].fail("timeout"))

    assert (trial.places, trial.told) == ([A], [200])


def test_late_refusal_and_failure_of_an_earlier_address_are_no_news(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[0].says(486))
    within(trial, lambda: trial.made[0].fail("timeout"))
    within(trial, lambda: trial.made[1].says(180))

    assert (trial.places, trial.told) == ([A, B], [180])


def test_late_ringing_is_cancelled_and_not_told(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[0].says(180))

    assert (trial.made[0].ends, trial.told) == (["cancel"], [])


def test_late_answer_is_told_and_the_newer_attempt_cancelled(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, C)
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[0].says(200))
    trial.later(10 * SILENCE)
    within(trial, lambda: trial.made[1].says(487))

    assert (trial.places, trial.told, trial.made[1].ends) == ([A, B], [200], ["cancel"])


def test_second_answer_of_an_invite_is_told_like_a_fork(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[1].says(200))
    within(trial, lambda: trial.made[0].says(200))
    within(trial, lambda: trial.made[1].says(200))

    assert trial.told == [200, 200, 200]


def test_other_requests_have_one_answer_and_are_never_cancelled(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, method="BYE")
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[0].says(100))
    within(trial, lambda: trial.made[0].says(200))
    within(trial, lambda: trial.made[1].says(200))

    assert trial.told == [200]
    assert [attempt.ends for attempt in trial.made] == [[], []]


def test_answer_to_the_newer_attempt_counts_when_it_is_first(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, method="BYE")
    trial.later(SILENCE + 0.1)

    within(trial, lambda: trial.made[1].says(200))
    within(trial, lambda: trial.made[0].says(200))

    assert trial.told == [200]


def test_cancel_goes_wherever_the_invite_went_and_ends_the_search(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, C)
    trial.later(SILENCE + 0.1)

    trial.attempts.cancel([("Reason", "Q.850;cause=16")])
    trial.later(10 * SILENCE)

    assert trial.places == [A, B]
    assert [attempt.ends for attempt in trial.made] == [["cancelReason"], ["cancelReason"]]


def test_abandoned_attempts_tell_nothing_any_more(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B, C)
    trial.later(SILENCE + 0.1)

    trial.attempts.abandon()
    trial.later(10 * SILENCE)
    within(trial, lambda: trial.made[1].fail("timeout"))

    assert (trial.places, trial.told) == ([A, B], [])
    assert [attempt.ends for attempt in trial.made] == [["abandon"], ["abandon"]]


def test_one_that_stays_waits_for_the_outcome_where_it_is(loop: AutojumpLoop) -> None:
    trial = Trial(loop, A, B)

    trial.attempts.stay()
    trial.later(10 * SILENCE)
    within(trial, lambda: trial.made[0].fail("timeout"))

    assert (trial.places, trial.told) == ([A], ["timeout"])
