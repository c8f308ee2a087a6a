"""Whose registration ends."""

import pytest

from gateway.domain.identity import Identity
from gateway.domain.registration import Ending

OWN = Identity(connection_id="1", credential_id=None, username="alice", login_mark="old")
DESK = Identity(connection_id="1", credential_id="c1", username="gencred1")
TOKEN = Identity(connection_id="1", credential_id="c1", username="gencred1", key_mark="old")
ELSE = Identity(connection_id="2", credential_id="c2", username="gencred2", key_mark="new")
VISITOR = Identity(connection_id=None, credential_id=None, username="")

ALL = (OWN, DESK, TOKEN, ELSE, VISITOR)


@pytest.mark.parametrize(
    ("which", "ends"),
    [
        (Ending(connection_id="1"), (OWN, DESK, TOKEN)),
        (Ending(credential_id="c1"), (DESK, TOKEN)),
        (Ending(connection_id="1", other_login_than="new"), (OWN,)),
        (Ending(connection_id="1", other_login_than="old"), ()),
        (Ending(connection_id="2", other_login_than="new"), ()),
        (Ending(other_key_than=frozenset({"new"})), (TOKEN,)),
        (Ending(other_key_than=frozenset({"new", "old"})), ()),
        (Ending(connection_id="3"), ()),
    ],
)
def test_ending_concerns_those_that_fit_all_of_it(which: Ending, ends: tuple[Identity, ...]) -> None:
    assert tuple(identity for identity in ALL if which.concerns(identity)) == ends
