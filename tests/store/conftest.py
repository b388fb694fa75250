"""Fixtures for the tests of the stores."""

from __future__ import annotations

import pytest

from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend


@pytest.fixture
def admin(admin_store: Store, clock: SettableClock) -> Admin:
    """An admin on a fresh store of each engine, its server just started."""
    return Admin(admin_store, clock)


@pytest.fixture
def frontend(frontend_store: Store, clock: SettableClock) -> LocalFrontend:
    """A frontend on a fresh store of each engine."""
    return LocalFrontend(frontend_store, clock)
