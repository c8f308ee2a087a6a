"""Who may upload: one secret id a session, for a while, up to a quota."""

import itertools

import pytest

from gateway.domain.identity import Identity, Target
from gateway.domain.ids import SessionId
from gateway.reports import grants as module
from gateway.reports.grants import Grant, Grants

ALICE = Identity(connection_id="1", credential_id=None, username="alice")
MALLORY = Identity(connection_id="2", credential_id=None, username="mallory")
S = SessionId("s")


def made(*, window: float = 60.0, quota: int = 1000) -> Grants:
    numbers = itertools.count()
    return Grants(window=window, quota=quota, new_report_id=lambda: f"report-{next(numbers)}")


def issue(grants: Grants, session_id: str = S, identity: Identity = ALICE, *, now: float = 0.0) -> Grant:
    grant = grants.issue(SessionId(session_id), identity, now=now)
    assert grant is not None
    return grant


def test_a_visitor_gets_no_id() -> None:
    visitor = Identity(
        connection_id=None, credential_id=None, username="", target=Target(target_type="ai_assistant", target_id="x")
    )

    assert made().issue(S, visitor, now=0.0) is None


def test_the_id_of_a_session_stays_the_same_over_a_token_refresh_and_a_new_socket() -> None:
    grants = made()

    first = issue(grants, now=0.0)

    assert issue(grants, now=5.0) is first
    assert grants.find(first.report_id, now=10.0) is first


def test_another_session_and_another_connection_get_ids_of_their_own() -> None:
    grants = made()

    ids = {
        issue(grants, now=0.0).report_id,
        issue(grants, "t").report_id,
        issue(grants, identity=MALLORY).report_id,
    }

    assert len(ids) == 3


def test_an_id_is_good_until_the_window_behind_its_session_is_over() -> None:
    grants = made(window=60.0)
    grant = issue(grants, now=0.0)

    grants.close(S, now=100.0)
    grants.close(S, now=150.0)  # told twice: the window does not begin anew

    assert grants.find(grant.report_id, now=159.9) is grant
    assert grants.find(grant.report_id, now=160.0) is None
    assert len(grants) == 0 and grants.of_session(S) is None


def test_a_session_that_comes_back_within_the_window_lives_on() -> None:
    grants = made(window=60.0)
    grant = issue(grants, now=0.0)
    grants.close(S, now=100.0)

    assert issue(grants, now=110.0) is grant
    assert grants.find(grant.report_id, now=10_000.0) is grant


def test_ids_that_nobody_was_given_are_unknown() -> None:
    assert made().find("report-0", now=0.0) is None


def test_a_session_without_a_grant_may_end() -> None:
    made().close(S, now=0.0)


def test_the_quota_of_a_session_is_spent_byte_by_byte() -> None:
    grant = issue(made(quota=1000))

    assert [grant.take(600), grant.take(401), grant.take(400), grant.take(1)] == [True, False, True, False]


def test_ended_sessions_beyond_the_bound_are_forgotten_oldest_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CLOSED", 2)
    grants = made()
    ids = [issue(grants, name).report_id for name in "abc"]

    for name in "abc":
        grants.close(SessionId(name), now=1.0)

    assert [grants.find(report_id, now=2.0) is None for report_id in ids] == [True, False, False]


def test_a_grant_does_not_show_its_id() -> None:
    assert "report-0" not in repr(issue(made()))
