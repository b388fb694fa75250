"""The desk on both engines: check out, check in and renew by card and barcode, with refusals and overrides."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from google.type.money_pb2 import Money

from frontend_server.circulation.checkin import return_book
from frontend_server.circulation.loans import list_loans
from frontend_server.store.models import Book, HistoryEntry, Loan, User
from library.frontend.v1.circulation_service_pb2 import CHECK_IN_OUTCOME_ASIDE, CHECK_IN_OUTCOME_SHELVE
from library.frontend.v1.lending_service_pb2 import ListLoansRequest, ReturnBookRequest
from library.v1 import user_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.branch_pb2 import Branch
from library.v1.calendar_pb2 import Calendar
from library.v1.item_pb2 import ITEM_STATE_SET_ASIDE, ITEM_STATE_WITHDRAWN
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.errors import BarcodeNotFound, CannotCancel, NoOpenLoan, RuleNotLendable
from service_kit.clock import DAY, SECOND, timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.clocks import SettableClock, end_of_day
from tests.support.desk import TWENTY_CENTS, LocalDesk, due, overrides, rule
from tests.support.frontend import refused


@pytest.fixture
def desk(frontend_store: Store, clock: SettableClock) -> LocalDesk:
    return LocalDesk(frontend_store, clock)


def book_row(book_id: str) -> tuple[int, int]:
    row = Book.get(Book.id == book_id)
    return row.on_loan, row.free_copies


def events() -> list[int]:
    return [entry.event for entry in entries()]


def entries() -> list[HistoryEntry]:
    """The history of the items."""
    return list(HistoryEntry.select().where(HistoryEntry.item_id != "").order_by(HistoryEntry.key))


def test_an_item_is_lent_by_its_barcode_and_comes_back(desk: LocalDesk, clock: SettableClock) -> None:
    book, user = desk.book(items=2), desk.user()

    answer = desk.check_out(" b0001 ", user, staff="Ada")

    loan = answer.loan
    assert (loan.barcode, loan.book_id, loan.user_id, loan.branch) == ("B0001", book.id, user.id, "main")
    assert (due(loan), loan.days) == (end_of_day(clock.now, 14), 14)
    assert (answer.renewed, [*answer.refusals, *answer.shifts]) == (False, [])
    assert book_row(book.id) == (1, 1)
    desk.check()

    back = desk.check_in("B0001")

    assert (back.was_out, back.outcome, back.loan.id) == (True, CHECK_IN_OUTCOME_SHELVE, loan.id)
    assert not back.HasField("fine")
    assert book_row(book.id) == (0, 2)
    desk.check()
    history = [(entry.event, entry.loan_id, entry.staff) for entry in entries()]
    assert history == [(1, loan.id, "Ada"), (2, loan.id, "")]


def test_borrowing_a_book_takes_the_first_item_that_the_rules_lend(desk: LocalDesk) -> None:
    book, user = desk.book(), desk.user()
    desk.receive(rule(), rule(id=new_id(), item_type="Reference", lendable=False))
    desk.item(book.id, item_type="reference")
    desk.item(book.id)
    assert desk.borrow(book.id, user.id).barcode == "B0002"
    refused(desk, RuleNotLendable, desk.borrow, book.id, user.id)


def test_all_gates_are_evaluated_and_each_has_its_override(desk: LocalDesk, clock: SettableClock) -> None:
    book, user, other = desk.book(items=1), desk.user(), desk.user()
    dvd = {"item_type": "DVD", "lendable": False, "item_type_limit": 0, "max_loan_days": 7}
    desk.receive(rule(), rule(id=new_id(), **dvd))
    desk.receive(desk.new_item(book.id, item_type="dvd", state=ITEM_STATE_SET_ASIDE))
    with desk.store.writing():
        User.update(expire_time=clock.now - DAY, blocked_until=clock.now + DAY).where(User.id == user.id).execute()
    desk.check_out(
        "B0002", other, overrides=overrides("ITEM_NOT_LENDABLE", "RULE_NOT_LENDABLE", "ITEM_TYPE_LIMIT_REACHED")
    )
    book.state = BOOK_STATE_UNAVAILABLE
    desk.receive(book)
    desk.set_loan_limit(0)
    reasons = [
        *("BOOK_UNAVAILABLE", "ITEM_NOT_LENDABLE", "ITEM_ON_LOAN", "RULE_NOT_LENDABLE", "MEMBERSHIP_EXPIRED"),
        *("USER_BLOCKED", "LOAN_LIMIT_REACHED", "ITEM_TYPE_LIMIT_REACHED", "LOAN_TOO_LONG"),
    ]
    assert desk.reasons(desk.check_out, "B0002", user, days=8) == reasons
    before = desk.contents()
    tried = desk.check_out("B0002", user, days=8, validate_only=True)
    assert ([each.reason for each in tried.refusals], tried.HasField("loan")) == (reasons, False)
    assert [each.reason for each in desk.explain("B0002", user, days=8).refusals] == reasons
    assert desk.contents() == before
    for reason in reasons:
        rest = [each for each in reasons if each != reason]
        assert desk.reasons(desk.check_out, "B0002", user, days=8, overrides=overrides(reason)) == rest

    answer = desk.check_out("B0002", user, days=8, overrides=overrides(*reasons))

    assert [each.reason for each in answer.refusals] == reasons
    assert answer.loan.user_id == user.id
    assert [loan.user_id for loan in Loan.select().where(Loan.return_time.is_null())] == [user.id]
    entry = HistoryEntry.select().order_by(HistoryEntry.key.desc()).get()
    assert all(f'"{reason}": "for {reason}"' in entry.overridden for reason in reasons)
    assert book_row(book.id) == (1, 1)
    desk.check_in("B0002")
    assert book_row(book.id) == (0, 1), "an item that is set aside is not free"


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (lambda desk, book, user: desk.receive(_in_state(book, BOOK_STATE_REMOVED)), ["BOOK_REMOVED"]),
        (lambda desk, book, user: desk.set_state(user.id, USER_STATE_CLOSED), ["USER_CLOSED"]),
        (lambda desk, book, user: desk.set_state(user.id, 77), ["USER_NOT_ACTIVE"]),
        (lambda desk, book, user: user.MergeFrom(user_pb2.User(card_number="X")), ["USER_NOT_FOUND"]),
    ],
)
def test_what_is_gone_cannot_be_overridden(desk: LocalDesk, change: Callable[..., Any], reasons: list[str]) -> None:
    book, user = desk.book(items=1), desk.user()
    change(desk, book, user)
    assert desk.reasons(desk.check_out, "B0001", user, overrides=overrides(*reasons)) == reasons
    of_user = [each for each in reasons if each.startswith("USER")]
    assert desk.reasons(desk.check_out, "NONE", user) == ["ITEM_NOT_FOUND", *of_user]


def _in_state(book: Any, state: int) -> Any:
    book.state = state
    return book


def test_an_override_of_a_loan_of_another_user_ends_that_one_with_its_fine(
    desk: LocalDesk, clock: SettableClock
) -> None:
    desk.book(items=1)
    first, second = desk.user(), desk.user()
    old = desk.lent("B0001", first)
    clock.now = end_of_day(clock.now, 14) + SECOND
    assert desk.reasons(desk.check_out, "B0001", second) == ["ITEM_ON_LOAN"]
    new = desk.lent("B0001", second, overrides=overrides("ITEM_ON_LOAN"))
    assert desk.loan(old.id).fine == TWENTY_CENTS
    assert new.user_id == second.id
    desk.check()
    assert events() == [1, 2, 1]


def test_a_check_out_to_the_user_who_has_the_item_renews_it(desk: LocalDesk, clock: SettableClock) -> None:
    desk.book(items=1)
    user = desk.user()
    loan = desk.lent("B0001", user)
    explained = desk.explain("B0001", user)
    tried = desk.check_out("B0001", user, validate_only=True)
    answer = desk.check_out("B0001", user)
    assert (answer.renewed, answer.loan.id, answer.loan.renewal_count) == (True, loan.id, 1)
    assert due(answer.loan) == end_of_day(clock.now, 28)
    assert tried == answer
    assert explained.due_time == answer.loan.due_time
    assert desk.renew_item("B0001").loan.days == 42


def test_a_due_time_that_the_staff_chose_is_kept_or_refused(desk: LocalDesk, clock: SettableClock) -> None:
    desk.book(items=1)
    user, wanted = desk.user(), clock.now + 3 * DAY + 5
    assert desk.reasons(desk.check_out, "B0001", user, due_time=timestamp(clock.now)) == ["DUE_TIME_PASSED"]
    passed = {"due_time": timestamp(clock.now), "overrides": overrides("DUE_TIME_PASSED")}
    assert desk.reasons(desk.check_out, "B0001", user, **passed) == ["DUE_TIME_PASSED"]
    assert due(desk.lent("B0001", user, due_time=timestamp(wanted))) == wanted
    assert desk.reasons(desk.renew_item, "B0001", due_time=timestamp(wanted)) == ["DUE_TIME_UNCHANGED"]
    assert due(desk.renew_item("B0001", due_time=timestamp(wanted + 1)).loan) == wanted + 1


def test_a_late_renewal_is_charged_once(desk: LocalDesk, clock: SettableClock) -> None:
    """R4 of the rules: 4 days late; and nothing is added when it comes back in time."""
    desk.receive(rule(renew_overdue=True))
    desk.book(items=1)
    desk.lent("B0001", desk.user())
    clock.now = end_of_day(clock.now, 17) + SECOND
    eighty_cents = Money(currency_code="EUR", nanos=800_000_000)
    shown = list_loans(desk.store, ListLoansRequest(), desk.rules, clock)[0][0]
    assert (shown.fine_so_far, shown.HasField("fine")) == (eighty_cents, False)
    renewed = desk.renew_item("B0001").loan
    assert (renewed.fine, due(renewed)) == (eighty_cents, end_of_day(clock.now, 14))
    clock.advance(days=5)
    assert desk.check_in("B0001").fine == eighty_cents
    assert desk.cancel_check_in(renewed.id).fine == eighty_cents
    clock.now = due(renewed) + SECOND
    assert desk.check_in("B0001").fine == Money(currency_code="EUR", units=1)


def test_a_loan_keeps_its_rule_until_it_is_renewed(desk: LocalDesk, clock: SettableClock) -> None:
    desk.book(items=2)
    user = desk.user()
    kept, renewed = desk.lent("B0001", user), desk.lent("B0002", user)
    one = Money(currency_code="EUR", units=1)
    desk.receive(rule(loan_days=7, fine_rate=one))
    assert due(desk.renew_item("B0002").loan) == due(renewed) + 7 * DAY
    clock.now = due(kept) + 8 * DAY
    assert desk.check_in("B0001").fine == Money(currency_code="EUR", units=1, nanos=600_000_000)
    assert desk.check_in("B0002").fine == one


def test_a_fine_has_the_calendar_of_the_branch_that_lent(desk: LocalDesk, clock: SettableClock) -> None:
    desk.receive(Branch(code="west", time_zone="UTC"), rule(skip_closed_days=True))
    desk.book(items=2)
    user = desk.user()
    desk.lent("B0001", user, branch="west")
    desk.lent("B0002", user)
    desk.receive(Calendar(branch="west", weekly_closed_days=[6, 7]))  # closed later; due on Friday 2027-01-29
    clock.now = end_of_day(clock.now, 17)
    west = desk.check_in("B0001", branch="west")
    assert (west.fine, west.outcome) == (TWENTY_CENTS, CHECK_IN_OUTCOME_ASIDE)
    assert desk.check_in("B0002").fine == Money(currency_code="EUR", nanos=600_000_000)


def test_a_return_is_dated_back_within_the_loan(desk: LocalDesk, clock: SettableClock) -> None:
    """F25 of the rules: a book drop."""
    desk.book(items=1)
    user = desk.user()
    loan = desk.lent("B0001", user)
    clock.now = due(loan) + 3 * DAY
    for wrong in (clock.now + 1, loan.borrow_time.seconds * SECOND - 1):
        refused(desk, FieldInvalid, desk.check_in, "B0001", wrong)
    back = desk.check_in("B0001", due(loan))
    assert (back.HasField("fine"), back.loan.return_time) == (False, timestamp(due(loan)))


def test_what_was_not_out_is_no_error(desk: LocalDesk) -> None:
    desk.book(items=1)
    assert not desk.check_in("B0001").was_out
    desk.lent("B0001", desk.user())
    assert [desk.check_in("B0001").was_out for _ in range(2)] == [True, False]
    refused(desk, BarcodeNotFound, desk.check_in, "NONE")
    assert events() == [7, 1, 2, 7]


def test_a_withdrawn_item_comes_back_and_is_put_aside(desk: LocalDesk) -> None:
    book = desk.book()
    item = desk.item(book.id)
    desk.lent("B0001", desk.user())
    item.state = ITEM_STATE_WITHDRAWN
    desk.receive(item)
    back = desk.check_in("B0001")
    assert (back.was_out, back.outcome, book_row(book.id)) == (True, CHECK_IN_OUTCOME_ASIDE, (0, 0))
    desk.check()


def test_the_oldest_loan_of_a_book_by_a_user_comes_back(desk: LocalDesk) -> None:
    book, user = desk.book(items=2), desk.user()
    loans = [desk.borrow(book.id, user.id).id for _ in range(2)]

    def bring_back() -> str:
        request = ReturnBookRequest(book_id=book.id, user_id=user.id)
        return return_book(desk.store, request, desk.rules, desk.clock).id

    assert [bring_back(), bring_back()] == loans
    refused(desk, NoOpenLoan, bring_back)


def test_slips_are_cancelled_for_half_an_hour(desk: LocalDesk, clock: SettableClock) -> None:
    book, user = desk.book(items=1), desk.user()
    slip = desk.lent("B0001", user)
    clock.advance(seconds=1800)
    assert desk.cancel_check_out(slip.id).HasField("return_time")
    assert book_row(book.id) == (0, 1)
    refused(desk, CannotCancel, desk.cancel_check_out, slip.id)
    refused(desk, CannotCancel, desk.cancel_check_in, slip.id)

    loan = desk.lent("B0001", user)
    clock.now = due(loan) + SECOND
    refused(desk, CannotCancel, desk.cancel_check_out, loan.id)
    refused(desk, CannotCancel, desk.cancel_check_in, loan.id)
    assert desk.check_in("B0001").HasField("fine")
    opened = desk.cancel_check_in(loan.id)
    assert (opened.HasField("return_time"), opened.HasField("fine"), book_row(book.id)) == (False, False, (1, 0))
    desk.check()
    desk.check_in("B0001")
    clock.advance(seconds=1800.000001)
    refused(desk, CannotCancel, desk.cancel_check_in, loan.id)
    desk.lent("B0001", desk.user())
    clock.advance(seconds=-1800)
    refused(desk, CannotCancel, desk.cancel_check_in, loan.id)


def test_a_check_in_is_not_cancelled_after_the_item_was_lent_again_though_it_is_back(
    desk: LocalDesk, clock: SettableClock
) -> None:
    desk.book(items=1)
    loan = desk.lent("B0001", desk.user())
    clock.advance(seconds=60)
    desk.check_in("B0001")
    slip = desk.lent("B0001", desk.user())
    desk.cancel_check_out(slip.id)  # as if it had not been
    assert not desk.cancel_check_in(loan.id).HasField("return_time")

    desk.check_in("B0001")
    desk.lent("B0001", desk.user())
    clock.advance(seconds=60)
    desk.check_in("B0001")
    refused(desk, CannotCancel, desk.cancel_check_in, loan.id)


def test_due_dates_are_moved_in_bulk(desk: LocalDesk, clock: SettableClock) -> None:
    desk.book(items=3)
    user = desk.user()
    loans = [desk.lent(f"B000{number}", user, days=days) for number, days in ((1, 7), (2, 8), (3, 9))]
    first, last = date(2027, 1, 22), date(2027, 1, 23)  # those of the first two
    tried = desk.move_due_dates(first, last, date(2027, 2, 1), validate_only=True)
    assert desk.loan(loans[0].id) == loans[0]
    moved = desk.move_due_dates(first, last, date(2027, 2, 1))
    assert moved == tried
    assert ([due(loan) for loan in moved.loans], moved.moved_count) == ([end_of_day(clock.now, 17)] * 2, 2)
    assert desk.loan(loans[2].id) == loans[2]
    assert desk.move_due_dates(first, last, date(2027, 2, 1)).moved_count == 0
    desk.receive(Calendar(branch="main", weekly_closed_days=[7]))  # the third is due on Sunday 2027-01-24
    moved = desk.move_due_dates(date(2027, 1, 24), date(2027, 2, 1))
    assert [(loan.id, due(loan)) for loan in moved.loans] == [(loans[2].id, end_of_day(clock.now, 10))]
    for dates in ((last, first), (first, last, last), (date(2027, 1, 12), date(2027, 1, 13), date(2027, 1, 14))):
        refused(desk, FieldInvalid, desk.move_due_dates, *dates)


def test_loans_that_fell_due_on_a_day_that_turned_out_to_be_closed_are_moved(
    desk: LocalDesk, clock: SettableClock
) -> None:
    desk.book(items=2)
    user = desk.user()
    sunday, monday = (desk.lent(f"B000{number}", user, days=days) for number, days in ((1, 9), (2, 10)))
    clock.advance(days=11)  # it is Tuesday
    desk.receive(Calendar(branch="main", weekly_closed_days=[7]))
    yesterday = date(2027, 1, 25)
    assert desk.move_due_dates(date(2027, 1, 24), yesterday).loans == []  # the day after that Sunday has passed, too
    assert desk.loan(sunday.id).fine_so_far.nanos == 400_000_000
    desk.receive(Calendar(branch="main", weekly_closed_days=[1, 7]))
    moved = desk.move_due_dates(yesterday, yesterday)
    assert [(loan.id, due(loan)) for loan in moved.loans] == [(monday.id, end_of_day(clock.now, 0))]
    assert desk.loan(monday.id).state == LOAN_STATE_ACTIVE
    [moved_by_hand] = desk.move_due_dates(date(2027, 1, 24), yesterday, date(2027, 1, 27)).loans
    assert (moved_by_hand.id, due(moved_by_hand)) == (sunday.id, end_of_day(clock.now, 1))
    assert not moved_by_hand.HasField("fine_so_far")


def test_a_call_that_is_sent_again_changes_nothing(desk: LocalDesk, clock: SettableClock) -> None:
    desk.book(items=1)
    user = desk.user()
    for call in (
        lambda request_id: desk.check_out("B0001", user, request_id=request_id),
        lambda request_id: desk.renew_item("B0001", request_id=request_id),
        lambda request_id: desk.check_in("B0001", request_id=request_id),
        lambda request_id: desk.move_due_dates(date(2027, 1, 16), date(2027, 1, 17), request_id=request_id),
    ):
        request_id = new_id()
        answer, after = call(request_id), desk.contents()
        clock.advance(seconds=1)
        assert call(request_id) == answer
        assert desk.contents() == after
