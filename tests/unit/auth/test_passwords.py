"""Password hashes."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher

from gateway.auth.errors import Busy
from gateway.auth.passwords import Passwords, Verdict
from gateway.auth.settings import AuthSettings
from tests.unit.auth.conftest import CHEAP


async def test_right_password_is_right_and_a_wrong_one_is_wrong(passwords: Passwords) -> None:
    made = await passwords.hash("s3cret")

    assert await passwords.verify("s3cret", made) == Verdict(is_right=True)
    assert await passwords.verify("s3cret ", made) == Verdict(is_right=False)


async def test_hash_is_argon2id_with_a_salt_of_its_own(passwords: Passwords) -> None:
    first, second = await passwords.hash("s3cret"), await passwords.hash("s3cret")

    assert first.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert first != second


async def test_unknown_user_is_wrong_and_costs_a_whole_hash(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked: list[str] = []
    original = PasswordHasher.verify

    def recording(self: PasswordHasher, hash: str, password: bytes) -> bool:
        checked.append(hash)
        return original(self, hash, password)

    monkeypatch.setattr(PasswordHasher, "verify", recording)

    verdict = await passwords.verify("s3cret", None)

    assert verdict == Verdict(is_right=False)
    assert checked[0].startswith("$argon2id$v=19$m=8,t=1,p=1$")


@pytest.mark.parametrize("damaged", ["", "plain text", "$argon2id$v=19$m=8,t=1,p=1$", "$argon2id$v=19$m=8,t=1,p=1$x$y"])
async def test_damaged_hash_matches_nothing(passwords: Passwords, damaged: str) -> None:
    assert await passwords.verify("", damaged) == Verdict(is_right=False)


async def test_hash_of_other_costs_is_reported_as_outdated(passwords: Passwords) -> None:
    older = PasswordHasher(time_cost=2, memory_cost=16, parallelism=1).hash("s3cret")

    assert await passwords.verify("s3cret", older) == Verdict(is_right=True, is_outdated=True)
    assert await passwords.verify("wrong", older) == Verdict(is_right=False)


@pytest.mark.parametrize("password", ["", "\ud800", "\x00", "pässwörd", "x" * 5000])
async def test_any_text_can_be_a_password(passwords: Passwords, password: str) -> None:
    assert (await passwords.verify(password, await passwords.hash(password))).is_right


async def test_hash_is_computed_on_another_thread(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    names: list[str] = []
    original = PasswordHasher.hash

    def recording(self: PasswordHasher, password: bytes, *, salt: bytes | None = None) -> str:
        names.append(threading.current_thread().name)
        return original(self, password, salt=salt)

    monkeypatch.setattr(PasswordHasher, "hash", recording)

    await passwords.hash("s3cret")

    assert names[0].startswith("argon2")


class _Gate:
    """A hash that takes until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.opened = threading.Event()
        self.started = threading.Semaphore(0)
        monkeypatch.setattr(PasswordHasher, "hash", self._hash)

    def _hash(self, password: bytes, *, salt: bytes | None = None) -> str:
        self.started.release()
        assert self.opened.wait(30)
        return "$argon2id$done"


async def test_one_more_than_may_wait_is_refused_at_once_and_the_others_are_served(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    gate = _Gate(monkeypatch)
    passwords = Passwords(AuthSettings(password_memory_kib=8, max_waiting_logins=3))

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(passwords.hash("x")) for _ in range(2 + 3)]
        await asyncio.to_thread(gate.started.acquire)
        with pytest.raises(Busy):
            await passwords.hash("x")
        gate.opened.set()

    assert [task.result() for task in tasks] == ["$argon2id$done"] * 5
    assert await passwords.hash("x") == "$argon2id$done"
    passwords.close()


async def test_loop_is_free_while_hashes_are_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, turned = _Gate(monkeypatch), asyncio.Event()
    passwords = Passwords(CHEAP)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(passwords.hash("x"))
        await asyncio.to_thread(gate.started.acquire)
        asyncio.get_running_loop().call_later(0.01, turned.set)
        await turned.wait()
        assert not task.done()
        gate.opened.set()
    passwords.close()


async def test_cancelled_check_keeps_its_place_until_its_thread_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = _Gate(monkeypatch)
    passwords = Passwords(AuthSettings(password_memory_kib=8, max_waiting_logins=1))
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(passwords.hash("x")) for _ in range(2)]
        for _ in tasks:
            await asyncio.to_thread(gate.started.acquire)
        for task in tasks:
            task.cancel()

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(passwords.hash("x"))
        await asyncio.to_thread(lambda: None)
        with pytest.raises(Busy):
            await passwords.hash("x")
        gate.opened.set()

    assert waiting.result() == "$argon2id$done"
    passwords.close()


async def test_closed_hasher_refuses_instead_of_hanging() -> None:
    passwords = Passwords(CHEAP)
    passwords.close()
    passwords.close()

    with pytest.raises(Busy, match="stopping"):
        await passwords.hash("x")
