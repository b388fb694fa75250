"""Fixtures for the tests of the stores."""

from __future__ import annotations

import pytest

from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock


@pytest.fixture
def admin(admin_store: Store, clock: SettableClock) -> Admin:
    """An admin on a fresh store of each engine, its server just started."""
    return Admin(admin_store, clock)
