"""Servers that start at once, and chance that can be replayed."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator

import pytest

from tests.sync.forked_servers import ForkedServers, Forkery


@pytest.fixture(scope="session")
def forkery() -> Iterator[Forkery]:
    """The process from which servers are forked."""
    forkery = Forkery()
    yield forkery
    forkery.close()


@pytest.fixture
def servers(forkery: Forkery, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ForkedServers]:
    """Starts server processes that end with the test."""
    started = ForkedServers(forkery, tmp_path_factory.mktemp("servers"))
    yield started
    started.close()


@pytest.fixture
def chance() -> random.Random:
    """Chance; a failing test prints the seed that replays it."""
    seed = int(os.environ.get("LIBRARY_TEST_SEED") or random.randrange(1 << 32))
    print(f"replay with LIBRARY_TEST_SEED={seed}")
    return random.Random(seed)
