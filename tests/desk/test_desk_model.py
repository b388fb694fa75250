"""The whole desk against a plain model: users, items, rules, calendars and settings change, and the clock moves.

`LIBRARY_DESK_SEED` replays a walk, `LIBRARY_DESK_STEPS` sets the length: `make desk-walk`.
"""

from __future__ import annotations

import os
import random

import pytest

from service_kit.store import Store
from tests.desk.walk import Walk
from tests.support.stores import Engine, FreshDatabases, bound_store

QUICK: dict[Engine, int] = {"sqlite": 150, "postgresql": 40}
THOROUGH: dict[Engine, int] = {"sqlite": 4_000, "postgresql": 4_000}
STEPS = int(os.environ.get("LIBRARY_DESK_STEPS", "0"))
SEED = int(os.environ.get("LIBRARY_DESK_SEED", "0")) or random.SystemRandom().randrange(1, 10**9)
STEPS_OF_A_WALK = 1_000
"""A walk is not longer, so that a failure is replayed soon, and each begins at another time of the year."""


@pytest.mark.parametrize(
    "length", [pytest.param(QUICK, id="quick"), pytest.param(THOROUGH, id="thorough", marks=pytest.mark.slow)]
)
def test_the_desk_does_what_the_model_does(
    databases: FreshDatabases, engine: Engine, length: dict[Engine, int]
) -> None:
    steps = STEPS or length[engine]
    for number, done in enumerate(range(0, steps, STEPS_OF_A_WALK)):
        url = databases.migrated("frontend", engine)
        with bound_store("frontend", url) as store:
            walk(store, SEED + number, min(STEPS_OF_A_WALK, steps - done))
        databases.leave("frontend", url)


def walk(store: Store, seed: int, steps: int) -> None:
    walk = Walk(store, seed)
    for number in range(steps):
        try:
            walk.step()
            if number % 10 == 9 or number == steps - 1:
                walk.check()
        except Exception as error:
            error.add_note(f"replay with LIBRARY_DESK_SEED={seed} LIBRARY_DESK_STEPS={number + 1}: {dict(walk.done)}")
            raise
    print(f"seed {seed}: {dict(walk.done)}")
