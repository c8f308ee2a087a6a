"""What every `ObjectStore` does; one suite for the folder and for S3."""

from datetime import timedelta

import pytest

from gateway.observability.clock import utc_now
from gateway.reports.objects import NoSuchObject, ObjectStore


class ObjectStoreContract:
    """Inherit it, with a fixture `store` that gives an empty store."""

    async def test_what_was_put_can_be_read(self, store: ObjectStore) -> None:
        await store.put("call/call_report/0.json", b"{}")

        assert await store.get("call/call_report/0.json") == b"{}"

    async def test_a_second_put_replaces_the_first(self, store: ObjectStore) -> None:
        await store.put("a/0.json", b"first")
        await store.put("a/0.json", b"second")

        assert await store.get("a/0.json") == b"second"

    async def test_sixteen_megabytes_go_in_and_come_out(self, store: ObjectStore) -> None:
        content = bytes(range(256)) * (16 * 4096)

        await store.put("a/big.json", content)

        assert await store.get("a/big.json") == content

    @pytest.mark.parametrize("key", ["nobody/0.json", "a/0.json/deeper", "a"])
    async def test_what_is_not_there_is_said_so(self, store: ObjectStore, key: str) -> None:
        await store.put("a/0.json", b"x")

        with pytest.raises(NoSuchObject):
            await store.get(key)

    async def test_entries_are_those_of_the_folder_alone_in_order(self, store: ObjectStore) -> None:
        for key in ("call/b/0.json", "call/a/1.json", "call-2/0.json", "c/0.json"):
            await store.put(key, b"12345")

        assert [entry.key for entry in await store.entries("call")] == ["call/a/1.json", "call/b/0.json"]
        assert len(await store.entries()) == 4
        assert await store.entries("nobody") == []

    async def test_an_entry_has_its_size_and_its_age(self, store: ObjectStore) -> None:
        await store.put("a/0.json", b"12345")

        (entry,) = await store.entries("a")

        assert entry.size == 5
        assert abs(entry.modified_at - utc_now()) < timedelta(minutes=1)

    async def test_what_was_deleted_is_gone_and_may_be_deleted_again(self, store: ObjectStore) -> None:
        await store.put("a/0.json", b"x")
        await store.put("a/1.json", b"y")

        await store.delete("a/0.json")
        await store.delete("a/0.json")

        assert [entry.key for entry in await store.entries()] == ["a/1.json"]
