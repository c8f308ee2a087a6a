"""The table of registrations: by examples, and against a model that is as simple as can be."""

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.sip.core.capabilities import Refusal
from gateway.sip.core.contacts import Asked, ContactChange
from gateway.sip.core.location import Location, Outcome


@dataclass(frozen=True, slots=True)
class Way:
    """A flow, as far as the table knows one."""

    remote: str


HOME, MOBILE = Way("192.0.2.1"), Way("192.0.2.2")
Table = Location[Way, str]


def table(*, max_per_user: int = 3, max_bindings: int = 5) -> Table:
    return Location(max_per_user=max_per_user, max_bindings=max_bindings)


def asks(*changes: ContactChange, call_id: str = "call", cseq: int = 1, is_all: bool = False) -> Asked:
    return Asked(call_id=call_id, cseq=cseq, changes=changes, is_all=is_all)


def at(uri: str, expires: int = 100, **more: object) -> ContactChange:
    return ContactChange(uri=uri, expires=expires, **more)  # type: ignore[arg-type]  # the test's own names


def put(where: Table, user: str, asked: Asked, *, flow: Way = HOME, now: float = 0.0) -> Outcome[Way, str] | Refusal:
    return where.apply(user, asked, flow=flow, owner=user, user_agent="ua", now=now)


def uris(where: Table, user: str = "alice", now: float = 0.0) -> list[str]:
    return [one.uri for one in where.of(user, now)]


def test_a_phone_is_found_until_its_time_is_over() -> None:
    where = table()

    put(where, "alice", asks(at("sip:a@h", 100)), now=10.0)

    assert uris(where, now=109.0) == ["sip:a@h"]
    assert uris(where, now=110.0) == []
    assert where.next_deadline() == 110.0
    assert [user for user, _ in where.expire(110.0)] == ["alice"]
    assert len(where) == 0
    assert where.next_deadline() is None


def test_a_refresh_keeps_the_time_since_and_adds_nothing() -> None:
    where = table()
    put(where, "alice", asks(at("sip:a@h")), now=0.0)

    outcome = put(where, "alice", asks(at("sip:a@H;x=1"), cseq=2), now=50.0)

    assert outcome == Outcome()
    [binding] = where.of("alice", 50.0)
    assert (binding.since, binding.refreshed_at, binding.expires_at) == (0.0, 50.0, 150.0)


def test_the_preferred_phone_comes_first_and_then_the_newest() -> None:
    where = table()
    put(where, "alice", asks(at("sip:low@h", q=0.1)), now=0.0)
    put(where, "alice", asks(at("sip:old@h"), cseq=2), now=1.0)
    put(where, "alice", asks(at("sip:new@h"), cseq=3), now=2.0)

    assert uris(where, now=3.0) == ["sip:new@h", "sip:old@h", "sip:low@h"]


@pytest.mark.parametrize("cseq", [4, 5])
def test_a_repeated_or_late_register_changes_nothing(cseq: int) -> None:
    where = table()
    put(where, "alice", asks(at("sip:a@h"), cseq=5))

    outcome = put(where, "alice", asks(at("sip:b@h"), at("sip:a@h", 0), cseq=cseq))

    assert isinstance(outcome, Refusal)
    assert outcome.status == 500
    assert uris(where) == ["sip:a@h"]


def test_another_call_id_begins_its_own_order() -> None:
    where = table()
    put(where, "alice", asks(at("sip:a@h"), cseq=5))

    put(where, "alice", asks(at("sip:a@h", 0), cseq=1, call_id="after the reboot"))

    assert uris(where) == []


def test_a_star_removes_every_contact_but_those_of_a_later_register() -> None:
    where = table()
    put(where, "alice", asks(at("sip:a@h"), at("sip:b@h")))

    late = put(where, "alice", asks(is_all=True, cseq=1))
    good = put(where, "alice", asks(is_all=True, cseq=2))

    assert isinstance(late, Refusal)
    assert isinstance(good, Outcome)
    assert len(good.removed) == 2
    assert len(where) == 0


def test_a_new_flow_replaces_the_old_one_of_the_same_phone() -> None:
    where = table()
    put(where, "alice", asks(at("sip:a@10.0.0.1", instance="i", reg_id=1)), flow=HOME)

    outcome = put(where, "alice", asks(at("sip:a@10.0.0.2", instance="i", reg_id=1), cseq=2), flow=MOBILE)

    assert outcome == Outcome()
    assert [(one.uri, one.flow) for one in where.of("alice", 0.0)] == [("sip:a@10.0.0.2", MOBILE)]
    assert (where.is_remote(HOME.remote), where.is_remote(MOBILE.remote)) == (False, True)


def test_two_flows_of_a_phone_stand_beside_each_other() -> None:
    where = table()

    put(where, "alice", asks(at("sip:a@10.0.0.1", instance="i", reg_id=1)), flow=HOME)
    put(where, "alice", asks(at("sip:a@10.0.0.1", instance="i", reg_id=2), cseq=2), flow=MOBILE)

    assert len(where.of("alice", 0.0)) == 2


def test_a_user_has_at_most_so_many_phones_and_those_can_still_be_refreshed() -> None:
    where = table(max_per_user=2)
    put(where, "alice", asks(at("sip:a@h"), at("sip:b@h")))

    third = put(where, "alice", asks(at("sip:c@h"), cseq=2))
    refresh = put(where, "alice", asks(at("sip:a@h"), cseq=2))

    assert isinstance(third, Refusal)
    assert third.status == 403
    assert isinstance(refresh, Outcome)


def test_the_table_has_at_most_so_many_phones_of_all_users() -> None:
    where = table(max_bindings=1)
    put(where, "alice", asks(at("sip:a@h")))

    refused = put(where, "robert", asks(at("sip:b@h")))

    assert isinstance(refused, Refusal)
    assert (refused.status, refused.headers) == (503, (("Retry-After", "60"),))


class Model(RuleBasedStateMachine):
    """Random REGISTERs, flows that close and time that passes; the model is a dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.now = table(max_per_user=2, max_bindings=3), 0.0
        self.model: dict[tuple[str, str], tuple[str, int, float, Way]] = {}

    @rule(
        user=st.sampled_from(["alice", "robert"]),
        names=st.lists(st.sampled_from("abc"), unique=True, max_size=3),
        expires=st.sampled_from([0, 60, 90]),
        call_id=st.sampled_from(["one", "two"]),
        cseq=st.integers(1, 4),
        flow=st.sampled_from([HOME, MOBILE]),
        is_all=st.booleans(),
    )
    def register(
        self, user: str, names: list[str], expires: int, call_id: str, cseq: int, flow: Way, is_all: bool
    ) -> None:
        asked = asks(*(at(f"sip:{name}@h", expires) for name in names), call_id=call_id, cseq=cseq, is_all=is_all)
        self.model = {key: value for key, value in self.model.items() if key[0] != user or value[2] > self.now}
        mine = [name for owner, name in self.model if owner == user]
        touched = mine if is_all else [name for name in names if name in mine]
        is_late = any(
            self.model[user, name][:2] >= (call_id, cseq) for name in touched if self.model[user, name][0] == call_id
        )
        after = set() if is_all else (set(mine) | set(names) if expires else set(mine) - set(names))
        grows = len(after) > len(mine)
        is_full = grows and (len(after) > 2 or len(self.model) - len(mine) + len(after) > 3)

        outcome = put(self.table, user, asked, flow=flow, now=self.now)

        assert isinstance(outcome, Refusal) == (is_late or is_full)
        if isinstance(outcome, Refusal):
            return
        for name in mine if is_all or not expires else []:
            if name not in after:
                del self.model[user, name]
        if expires and not is_all:
            for name in names:
                self.model[user, name] = (call_id, cseq, self.now + expires, flow)

    @rule(seconds=st.sampled_from([1.0, 30.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        self.table.expire(self.now)
        self.model = {key: value for key, value in self.model.items() if value[2] > self.now}

    @rule(flow=st.sampled_from([HOME, MOBILE]))
    def close(self, flow: Way) -> None:
        self.table.end(lambda one: one.flow == flow)
        self.model = {key: value for key, value in self.model.items() if value[3] != flow}

    @invariant()
    def table_and_model_agree(self) -> None:
        assert len(self.table) == len(self.model)
        for user in ("alice", "robert"):
            live = {
                f"sip:{name}@h" for (owner, name), value in self.model.items() if owner == user and value[2] > self.now
            }
            assert set(uris(self.table, user, self.now)) == live
        for flow in (HOME, MOBILE):
            assert self.table.is_remote(flow.remote) == any(value[3] == flow for value in self.model.values())

    @invariant()
    def the_deadline_comes_before_every_end(self) -> None:
        ends = [value[2] for value in self.model.values()]
        deadline = self.table.next_deadline()
        assert not ends or (deadline is not None and deadline <= min(ends))


TestModel = Model.TestCase
TestModel.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
