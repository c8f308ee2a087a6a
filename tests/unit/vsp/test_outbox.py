"""What waits for one client is bounded."""

import asyncio

from gateway.vsp.outbox import Close, Outbox, Pong


async def test_items_come_out_in_order_and_the_end_is_none() -> None:
    outbox = Outbox(max_frames=10, max_bytes=1000)
    for item in ("a", Pong(b""), "b"):
        assert outbox.put(item)

    assert [await outbox.get() for _ in range(3)] == ["a", Pong(b""), "b"]
    outbox.end()
    assert await outbox.get() is None


async def test_a_full_outbox_says_so_by_frames_and_by_bytes() -> None:
    by_frames, by_bytes = Outbox(max_frames=2, max_bytes=1000), Outbox(max_frames=100, max_bytes=10)

    assert [by_frames.put("x") for _ in range(3)] == [True, True, False]
    assert [by_bytes.put("12345") for _ in range(3)] == [True, True, False]


async def test_room_comes_back_when_items_are_taken() -> None:
    outbox = Outbox(max_frames=100, max_bytes=10)
    for _ in range(50):
        assert outbox.put("1234567890")
        await outbox.get()


async def test_nothing_is_taken_after_a_close() -> None:
    outbox = Outbox(max_frames=10, max_bytes=1000)
    outbox.put(Close(1001, "shutdown"))

    assert outbox.put("late")

    assert await outbox.get() == Close(1001, "shutdown")
    assert await outbox.get() is None


async def test_a_reader_that_waits_is_woken_by_an_item_and_by_the_end() -> None:
    outbox = Outbox(max_frames=10, max_bytes=1000)
    async with asyncio.TaskGroup() as group:
        item = group.create_task(outbox.get())
        outbox.put("x")
    assert item.result() == "x"

    async with asyncio.TaskGroup() as group:
        end = group.create_task(outbox.get())
        outbox.end()
    assert end.result() is None
