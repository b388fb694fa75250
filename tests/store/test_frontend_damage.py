"""Damaged rows of what came from the admin, places of items and the series of numbers: found and repaired."""

from __future__ import annotations

import pytest

from frontend_server.repair import find_damage, repair
from frontend_server.store.models import (
    ApiToken,
    Branch,
    Calendar,
    CirculationRule,
    Item,
    LibrarySettings,
    StaffRole,
    User,
)
from library.access.v1.access_pb2 import ROLE_MANAGER
from library.v1 import branch_pb2, calendar_pb2, library_settings_pb2, staff_pb2
from service_kit.errors import RowUnreadable
from service_kit.ids import new_id
from service_kit.revisions import Counter
from service_kit.series import SERIES_ID
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.desk import LocalDesk, rule
from tests.support.stores import Engine

MODELS = (Item, Branch, Calendar, CirculationRule, LibrarySettings, StaffRole, ApiToken)


@pytest.fixture
def desk(frontend_store: Store, clock: SettableClock) -> LocalDesk:
    return LocalDesk(frontend_store, clock)


def test_damaged_rows_wrong_places_and_a_lost_series_are_found_and_repaired(desk: LocalDesk) -> None:
    book, user = desk.book(items=2), desk.user()
    desk.receive(
        branch_pb2.Branch(code="main"),
        calendar_pb2.Calendar(branch="main"),
        rule(),
        library_settings_pb2.LibrarySettings(loan_limit=5),
        staff_pb2.StaffRole(user_id=user.id, role=ROLE_MANAGER),
        staff_pb2.ApiToken(id=new_id(), role=ROLE_MANAGER, secret_hash="0" * 64),
    )
    desk.check_out("B0001", user)
    with desk.store.writing():
        assert find_damage(desk.store) == []
        for model in MODELS:
            model.update(revision=-1, generation=-1).execute()
        Item.update(place=3 - Item.place).execute()
        Counter.delete().where(Counter.id == SERIES_ID).execute()
        found = "; ".join(find_damage(desk.store))
        for name in [each._meta.table_name for each in MODELS]:
            assert f" {name}.revision is damaged" in found
            assert f" {name}.generation is damaged" in found
        assert "item.place differs from the open loans in 2 rows" in found
        assert "the series of numbers" in found

        repair(desk.store)

        assert find_damage(desk.store) == []
    desk.check()
    assert desk.user().card_number != user.card_number
    assert desk.borrow(book.id, user.id).barcode == "B0002"


def test_the_refusal_for_a_damaged_user_names_the_user(desk: LocalDesk, engine: Engine) -> None:
    if engine == "postgresql":
        pytest.skip("its columns contain only numbers")
    book, user = desk.book(items=1), desk.user()
    with desk.store.writing():
        User.update(blocked_until="soon").execute()
    for call in (lambda: desk.check_out("B0001", user), lambda: desk.borrow(book.id, user.id)):
        before = desk.contents()
        with pytest.raises(RowUnreadable, match=f"The user {user.id}"):
            call()
        assert desk.contents() == before
