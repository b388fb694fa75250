"""A target that is followed ends when it is stopped, also when it changes or fails in the same moment."""

from __future__ import annotations

import asyncio

from rest_server.contracts.targets import Target
from rest_server.settings import Learning

TURNS = 6
"""Of the event loop, between the sign and the cancellation."""


async def cancelled_after(turns: int) -> bool:
    """Follow a target that is not there, see a sign of change, cancel some turns later; return whether it ended."""
    target = Target("127.0.0.1:1", Learning(interval_seconds=600))
    following = asyncio.create_task(target.follow(lambda: None))
    while not target._read_due._waiters:  # asyncio has no other way to see it
        await asyncio.sleep(0.01)
    target.read_soon()
    for _ in range(turns):
        await asyncio.sleep(0)
    following.cancel()
    await asyncio.wait({following}, timeout=5)
    ended = following.done()
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    await target.channel.close()
    return ended


def test_a_sign_of_change_does_not_keep_a_target_from_being_left() -> None:
    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*map(cancelled_after, range(TURNS)))

    assert asyncio.run(all_of_them()) == [True] * TURNS
