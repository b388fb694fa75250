"""Desks at the same time, on both engines: an item goes to one user, a limit applies, a return is one return."""

from __future__ import annotations

from functools import partial

import pytest
from google.type.money_pb2 import Money

from frontend_server.store.models import Loan
from library.frontend.v1.circulation_service_pb2 import CheckInResponse, CheckOutResponse
from library.v1.library_settings_pb2 import LibrarySettings
from library_domain.errors import ItemOnLoan, LoanLimitReached
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.desk import LocalDesk, overrides
from tests.support.frontend import at_once


@pytest.fixture
def desk(frontend_store: Store, clock: SettableClock) -> LocalDesk:
    return LocalDesk(frontend_store, clock)


def test_an_item_that_is_lent_at_two_desks_at_once_goes_to_one_user(desk: LocalDesk) -> None:
    desk.book(items=2)
    users = [desk.user() for _ in range(4)]
    outcomes = at_once(desk.store, [partial(desk.check_out, "B0001", user) for user in users])
    assert sum(isinstance(each, CheckOutResponse) for each in outcomes) == 1
    assert sum(isinstance(each, ItemOnLoan) for each in outcomes) == 3
    desk.check()


def test_two_desks_lend_different_items_of_a_book_at_once(desk: LocalDesk) -> None:
    desk.book(items=4)
    user = desk.user()
    barcodes = [f"B000{number}" for number in range(1, 5)]
    outcomes = at_once(desk.store, [partial(desk.check_out, barcode, user) for barcode in barcodes])
    assert all(isinstance(each, CheckOutResponse) for each in outcomes), outcomes
    desk.check()


def test_twelve_check_outs_at_once_with_a_limit_of_five_lend_five(desk: LocalDesk) -> None:
    desk.set_loan_limit(5)
    desk.book(items=6)
    desk.book(items=6)
    user = desk.user()
    barcodes = [f"B{number:04}" for number in range(1, 13)]
    outcomes = at_once(desk.store, [partial(desk.check_out, barcode, user) for barcode in barcodes])
    assert sum(isinstance(each, CheckOutResponse) for each in outcomes) == 5
    assert sum(isinstance(each, LoanLimitReached) for each in outcomes) == 7
    desk.check()


def test_an_item_that_is_scanned_twice_at_once_comes_back_once(desk: LocalDesk) -> None:
    desk.book(items=1)
    desk.check_out("B0001", desk.user())
    outcomes = at_once(desk.store, [partial(desk.check_in, "B0001") for _ in range(4)])
    assert [each.was_out for each in outcomes if isinstance(each, CheckInResponse)].count(True) == 1
    assert all(isinstance(each, CheckInResponse) for each in outcomes), outcomes
    desk.check()


def test_loans_that_come_back_late_at_once_cost_no_more_than_the_limit_of_the_user(
    desk: LocalDesk, clock: SettableClock
) -> None:
    cap = Money(currency_code="EUR", nanos=500_000_000)
    desk.receive(LibrarySettings(user_fine_cap=cap))
    desk.book(items=4)
    user = desk.user()
    barcodes = [f"B000{number}" for number in range(1, 5)]
    for barcode in barcodes:
        desk.check_out(barcode, user, days=1)
    clock.advance(days=3)  # each alone costs 0.40
    outcomes = at_once(desk.store, [partial(desk.check_in, barcode) for barcode in barcodes])
    assert sum(each.fine.nanos for each in outcomes if isinstance(each, CheckInResponse)) == cap.nanos
    desk.check()


def test_an_item_that_two_desks_take_over_at_once_has_one_open_loan(desk: LocalDesk) -> None:
    desk.book(items=2)
    users = [desk.user() for _ in range(4)]
    desk.check_out("B0001", users[0])
    desk.check_out("B0002", users[1])
    taking = overrides("ITEM_ON_LOAN")
    calls = [partial(desk.check_out, code, user, overrides=taking) for user in users for code in ("B0001", "B0002")]
    outcomes = at_once(desk.store, calls)
    assert all(isinstance(each, CheckOutResponse) for each in outcomes), outcomes
    assert Loan.select().where(Loan.return_time.is_null()).count() == 2
    desk.check()
