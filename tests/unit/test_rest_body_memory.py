"""The memory for bodies: what is too much is refused, small bodies never, and what is given back is free."""

from __future__ import annotations

import pytest

from rest_server.errors import TooManyCalls
from rest_server.guards.body_memory import SMALL_BYTES, BodyMemory

LARGE = 10 * SMALL_BYTES


def test_a_body_that_does_not_fit_is_refused_until_another_has_gone() -> None:
    memory = BodyMemory(LARGE)
    with memory.share() as second:
        with memory.share() as first:
            first.resize(LARGE)
            with pytest.raises(TooManyCalls):
                second.resize(SMALL_BYTES + 1)
            first.resize(LARGE - 1)
            assert memory.used_bytes == LARGE - 1
        second.resize(LARGE)
    assert memory.used_bytes == 0


def test_a_small_body_is_always_taken_and_a_share_may_always_shrink() -> None:
    memory = BodyMemory(LARGE)
    with memory.share() as large, memory.share() as small:
        large.resize(LARGE)
        small.resize(SMALL_BYTES)
        large.resize(LARGE - 1)
        assert memory.used_bytes == LARGE - 1 + SMALL_BYTES
        with pytest.raises(TooManyCalls):
            small.resize(SMALL_BYTES + 1)
        assert small.used_bytes == SMALL_BYTES
    assert memory.used_bytes == 0


def fail_with(memory: BodyMemory) -> None:
    with memory.share() as share:
        share.resize(LARGE)
        raise ZeroDivisionError


def test_what_a_call_that_fails_has_is_free_again() -> None:
    memory = BodyMemory(LARGE)
    with pytest.raises(ZeroDivisionError):
        fail_with(memory)
    assert memory.used_bytes == 0
