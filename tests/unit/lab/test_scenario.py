"""Every scenario, played on virtual time."""

import pytest

from gateway.lab.scenario import (
    DIGIT_TONES,
    ECHO,
    MAX_RINGING_S,
    MAX_TALK_S,
    MILLIWATT,
    MUSIC,
    RINGBACK,
    SCENARIOS,
    Action,
    Answer,
    ChangeCodec,
    Hangup,
    Hold,
    MoveRtp,
    PlaySound,
    Progress,
    Refer,
    Reject,
    Resume,
    Ring,
    ScenarioRun,
    Silence,
    State,
    StopRtp,
    rejecting,
)

START = 1000.0


def play(run: ScenarioRun, *, until: float) -> list[tuple[float, Action]]:
    """The actions of a run up to a time, each with the seconds since START at which it came."""
    actions: list[tuple[float, Action]] = []
    while (deadline := run.next_deadline()) is not None and deadline <= until:
        actions += [(round(deadline - START, 6), action) for action in run.handle_timeout(deadline)]
    return actions


EXPECTED: list[tuple[str, list[tuple[float, Action]]]] = [
    ("echo", [(0.0, Ring()), (1.0, Answer(ECHO))]),
    ("tone", [(0.0, Ring()), (1.0, Answer(MILLIWATT))]),
    ("busy", [(0.0, Reject(486, "Busy Here", 17))]),
    ("decline", [(0.0, Reject(603, "Decline", 21))]),
    ("no_answer", [(0.0, Ring()), (600.0, Reject(480, "Temporarily Unavailable", 19))]),
    ("unallocated", [(0.0, Reject(404, "Not Found", 1))]),
    ("early_media", [(0.0, Progress(RINGBACK)), (3.0, Answer(ECHO))]),
    ("early_busy", [(0.0, Progress(RINGBACK)), (3.0, Reject(486, "Busy Here", 17))]),
    ("hangup", [(0.0, Ring()), (0.0, Answer(ECHO))]),
    ("dtmf", [(0.0, Ring()), (0.0, Answer(DIGIT_TONES))]),
    ("hold", [(0.0, Ring()), (0.0, Answer(ECHO))]),
    ("refer", [(0.0, Ring()), (0.0, Answer(ECHO))]),
    ("reinvite", [(0.0, Ring()), (0.0, Answer(MILLIWATT))]),
    ("retry_after", [(0.0, Reject(503, "Service Unavailable", 41, retry_after=5))]),
    ("not_acceptable", [(0.0, Reject(488, "Media Encryption Required B3"))]),
    ("session_timer", [(0.0, Ring()), (0.0, Answer(ECHO, session_expires=90.0))]),
    ("rtp_stops", [(0.0, Ring()), (0.0, Answer(MILLIWATT))]),
    ("rtp_moves", [(0.0, Ring()), (0.0, Answer(ECHO))]),
    ("unavailable", [(0.0, Reject(480, "Temporarily Unavailable"))]),
    ("late_answer", [(10.0, Answer(ECHO))]),
    ("silence", [(0.0, Ring()), (0.0, Answer(Silence()))]),
]


@pytest.mark.parametrize(("name", "expected"), EXPECTED)
def test_far_end_acts_at_the_times_of_its_scenario(name: str, expected: list[tuple[float, Action]]) -> None:
    run = ScenarioRun(SCENARIOS[name], now=START)

    actions = play(run, until=START + 2 * MAX_TALK_S)

    assert actions == expected


def test_every_scenario_is_in_the_table_above() -> None:
    assert {name for name, _ in EXPECTED} == set(SCENARIOS)


TALKS: list[tuple[str, list[tuple[float, Action]]]] = [
    ("refer", [(3.0, Refer("+12025550100"))]),
    ("reinvite", [(3.0, ChangeCodec())]),
    ("rtp_stops", [(3.0, StopRtp())]),
    ("rtp_moves", [(3.0, MoveRtp())]),
    ("hold", [(at, action) for n in (0, 6, 12) for at, action in ((3.0 + n, Hold(MUSIC)), (6.0 + n, Resume(ECHO)))]),
    ("dtmf", []),
    ("session_timer", []),
]


@pytest.mark.parametrize("is_outgoing", [False, True])
@pytest.mark.parametrize(("name", "expected"), TALKS)
def test_far_end_acts_at_the_times_of_its_talk(
    name: str, expected: list[tuple[float, Action]], is_outgoing: bool
) -> None:
    run = ScenarioRun(SCENARIOS[name], now=START, is_outgoing=is_outgoing)
    run.handle_timeout(START)
    run.confirmed(START)

    assert play(run, until=START + 18.5) == expected


def test_repeated_steps_scale_and_end_with_the_call() -> None:
    run = ScenarioRun(SCENARIOS["hold"], now=START, time_scale=0.1, is_outgoing=True, duration=1.5)
    run.confirmed(START)

    talk = play(run, until=START + 60)

    assert [at for at, _ in talk] == [0.3, 0.6, 0.9, 1.2, 1.5]
    assert talk[-1][1] in (Hangup(), Hold(MUSIC))
    assert run.state is State.ENDED


def test_far_end_hangs_up_three_seconds_after_the_ack() -> None:
    run = ScenarioRun(SCENARIOS["hangup"], now=START)
    run.handle_timeout(START)

    assert run.next_deadline() is None
    assert run.confirmed(START + 0.5) == []
    assert play(run, until=START + MAX_TALK_S) == [(3.5, Hangup())]
    assert run.state is State.ENDED


def test_answered_call_is_hung_up_after_four_hours() -> None:
    run = ScenarioRun(SCENARIOS["echo"], now=START)
    play(run, until=START + 1)
    run.confirmed(START + 1)

    assert play(run, until=START + 2 * MAX_TALK_S) == [(1.0 + MAX_TALK_S, Hangup())]


def test_time_scale_shortens_the_steps_and_not_the_limits() -> None:
    run = ScenarioRun(SCENARIOS["no_answer"], now=START, time_scale=0.1)
    late = ScenarioRun(SCENARIOS["late_answer"], now=START, time_scale=0.1)

    assert play(run, until=START + 10_000)[-1][0] == MAX_RINGING_S
    assert play(late, until=START + 10_000) == [(1.0, Answer(ECHO))]


def test_nothing_is_due_once_the_call_is_over() -> None:
    run = ScenarioRun(SCENARIOS["echo"], now=START)
    run.handle_timeout(START)

    run.ended()

    assert run.next_deadline() is None
    assert run.handle_timeout(START + 60) == []


def test_ack_that_crosses_our_own_end_is_ignored() -> None:
    run = ScenarioRun(SCENARIOS["echo"], now=START)
    play(run, until=START + 1)
    run.ended()

    assert run.confirmed(START + 1) == []
    assert run.state is State.ENDED


def test_second_confirmation_does_not_begin_the_talk_again() -> None:
    run = ScenarioRun(SCENARIOS["hangup"], now=START)
    run.handle_timeout(START)
    run.confirmed(START)

    assert run.confirmed(START + 2) == []
    assert play(run, until=START + 60) == [(3.0, Hangup())]


def test_calling_lab_plays_when_it_is_answered() -> None:
    run = ScenarioRun(SCENARIOS["tone"], now=START, is_outgoing=True, duration=5.0)

    assert run.handle_timeout(START + 4) == []
    assert run.confirmed(START + 4) == [PlaySound(MILLIWATT)]
    assert play(run, until=START + 60) == [(9.0, Hangup())]


def test_calling_lab_gives_up_when_nobody_answers() -> None:
    run = ScenarioRun(SCENARIOS["tone"], now=START, is_outgoing=True)

    assert play(run, until=START + 10_000) == [(MAX_RINGING_S, Hangup())]


def test_duration_never_exceeds_the_limit() -> None:
    run = ScenarioRun(SCENARIOS["echo"], now=START, is_outgoing=True, duration=10 * MAX_TALK_S)
    run.confirmed(START)

    assert run.next_deadline() == START + MAX_TALK_S


def test_only_scenarios_that_answer_can_call_somebody() -> None:
    assert {name for name, scenario in SCENARIOS.items() if scenario.may_call} == {
        *("echo", "tone", "early_media", "hangup", "late_answer", "silence"),
        *("dtmf", "hold", "refer", "reinvite", "session_timer", "rtp_stops", "rtp_moves"),
    }


def test_only_a_pure_echo_takes_codecs_that_the_lab_cannot_encode() -> None:
    assert {name for name, scenario in SCENARIOS.items() if scenario.has_media and not scenario.needs_g711} == {
        *("echo", "hangup", "late_answer", "refer", "session_timer", "rtp_moves"),
    }


def test_number_without_a_scenario_is_refused_at_once() -> None:
    run = ScenarioRun(rejecting("dtmf", 501, "Not Built Yet"), now=START)

    assert play(run, until=START) == [(0.0, Reject(501, "Not Built Yet"))]
