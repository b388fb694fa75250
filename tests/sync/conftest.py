"""Chance that can be replayed."""

from __future__ import annotations

import os
import random

import pytest


@pytest.fixture
def chance() -> random.Random:
    """Chance; a failing test prints the seed that replays it."""
    seed = int(os.environ.get("LIBRARY_TEST_SEED") or random.randrange(1 << 32))
    print(f"replay with LIBRARY_TEST_SEED={seed}")
    return random.Random(seed)
