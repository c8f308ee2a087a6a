"""The phone of the tests, before anything else is tested with it."""

from pathlib import Path

import pytest

from tests.interop.baresip_runner import Phone, baresip

pytestmark = pytest.mark.interop


async def test_phones_call_each_other_and_each_hears_what_the_other_says(tmp_path: Path) -> None:
    async with (
        baresip(tmp_path / "alice", Phone(user="alice", tone=440.0)) as alice,
        baresip(tmp_path / "bob", Phone(user="bob", tone=700.0)) as bob,
    ):
        await alice.dial(bob.uri)
        await alice.event("CALL_ESTABLISHED")
        await alice.talk(2.0)
        await alice.hang_up()
        await bob.event("CALL_CLOSED")

    assert alice.heard().frequency == pytest.approx(700, abs=1)
    assert bob.heard().frequency == pytest.approx(440, abs=1)
