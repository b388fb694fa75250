"""Nothing is lent, renewed or returned while the clock is more than a day behind the newest time in the store."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
from google.protobuf.message import Message

from frontend_server.rpc.services import services
from frontend_server.store.models import ClockMark
from frontend_server.sync.sync import Sync, SyncSettings
from frontend_server.watched_clock import (
    END_OF_TIME,
    RELEASE_TIME,
    Mark,
    WatchedClock,
    accept,
    newest_time,
    read_mark,
)
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    GetLoanRequest,
    ListLoansRequest,
    RenewLoanRequest,
    ReturnBookRequest,
)
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1.book_pb2 import Book
from service_kit.clock import DAY, SECOND, micros, rfc3339, timestamp
from service_kit.store import Store
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.servicers import ServicerRunner

HOUR, YEAR = DAY // 24, 365 * DAY

NO_ADMIN = "127.0.0.1:1"
"""A port where nothing listens: tcpmux, of 1988."""


class Process:
    """A frontend process on a store: its servicers, and its clock."""

    def __init__(self, store: Store, clock: SettableClock) -> None:
        self.clock = clock
        self.watched = WatchedClock(store, clock)
        self.reports: list[bool] = []
        self.watched.report = self.reports.append
        self.watched.refresh()
        self.frontend = LocalFrontend(store, clock)
        sync = Sync(store, SyncSettings(NO_ADMIN), self.watched)
        self._runner = ServicerRunner(services(store, self.frontend.rules, self.watched, sync))

    def call(self, service: str, method: str, request: Message) -> Any:
        reply = self._runner.call(f"library.frontend.v1.{service}/{method}", request)
        assert not isinstance(reply, Refusal), reply
        return reply

    def refusal(self, method: str, request: Message) -> Refusal:
        """Call a method of lending that is to be refused and to change nothing."""
        before = self.frontend.contents()
        refusal = self._runner.refusal(f"library.frontend.v1.LendingService/{method}", request)
        assert self.frontend.contents() == before
        return refusal

    def enroll(self, name: str = "ada") -> Any:
        request = EnrollUserRequest(email=f"{name}@example.org", first_name="Ada", last_name="King")
        return self.call("MemberService", "EnrollUser", request)

    def borrow(self, **fields: Any) -> Any:
        return self.call("LendingService", "BorrowBook", BorrowBookRequest(days=14, **fields))

    def lending_calls(self) -> dict[str, Callable[[], Message]]:
        """A call of each method of lending that would succeed."""
        user, book = self.enroll("grace"), self.frontend.book(copies=2)
        loan = self.borrow(book_id=book.id, user_id=user.id)
        return {
            "BorrowBook": functools.partial(BorrowBookRequest, book_id=book.id, user_id=user.id, days=14),
            "RenewLoan": functools.partial(RenewLoanRequest, loan_id=loan.id, days=7),
            "ReturnBook": functools.partial(ReturnBookRequest, loan_id=loan.id),
        }


@pytest.fixture
def process(frontend_store: Store, clock: SettableClock) -> Process:
    return Process(frontend_store, clock)


@pytest.mark.parametrize(
    ("behind", "expected"), [(-YEAR, 0), (0, 0), (DAY - 1, 0), (DAY, 0), (DAY + 1, DAY + 1), (25 * HOUR, 25 * HOUR)]
)
def test_a_clock_is_behind_by_more_than_a_day(behind: int, expected: int) -> None:
    assert Mark(RELEASE_TIME, 0).behind(RELEASE_TIME - behind) == expected


@pytest.mark.parametrize("hours", [25, 24 * 14, 24 * 365 * 50])
def test_nothing_is_lent_while_the_clock_is_behind(process: Process, hours: int) -> None:
    calls = process.lending_calls()
    right = process.clock.now
    process.clock.now -= hours * HOUR
    for method, request in calls.items():
        refusal = process.refusal(method, request())
        assert refusal.reason == "CLOCK_BEHIND"
        assert refusal.metadata == {"now": rfc3339(process.clock.now), "newest_time": rfc3339(right)}
        assert "library-frontend accept-clock" in refusal.message
    process.clock.now = right
    for method, request in calls.items():
        process.call("LendingService", method, request())


@pytest.mark.parametrize("hours", [1, 23])
def test_a_clock_that_is_behind_by_less_lends(process: Process, hours: int) -> None:
    calls = process.lending_calls()
    process.clock.now -= hours * HOUR
    for method, request in calls.items():
        process.call("LendingService", method, request())


def test_people_enrol_browse_and_see_their_loans_with_a_wrong_clock(process: Process) -> None:
    user, book = process.enroll(), process.frontend.book()
    loan = process.borrow(book_id=book.id, user_id=user.id)
    process.clock.now = 20 * SECOND
    assert process.enroll("grace").id
    assert process.call("CatalogService", "GetBook", GetBookRequest(id=book.id)).id == book.id
    assert process.call("CatalogService", "ListBooks", ListBooksRequest(include_unavailable=True)).books
    assert process.call("LendingService", "GetLoan", GetLoanRequest(id=loan.id)).id == loan.id
    assert process.call("LendingService", "ListLoans", ListLoansRequest(user_id=user.id)).loans


def test_each_time_that_is_written_counts(process: Process) -> None:
    """A user, a loan and a return, each the newest time in its turn."""
    user, book = process.enroll(), process.frontend.book()
    assert process.watched.newest_time == process.clock.now
    process.clock.advance(days=1)
    loan = process.borrow(book_id=book.id, user_id=user.id)
    assert process.watched.newest_time == micros(loan.borrow_time) == process.clock.now
    process.clock.advance(days=1)
    process.call("LendingService", "ReturnBook", ReturnBookRequest(loan_id=loan.id))
    assert process.watched.newest_time == process.clock.now
    process.clock.advance(days=-2)
    assert process.refusal("BorrowBook", BorrowBookRequest(book_id=book.id, user_id=user.id, days=1)).reason


def test_a_restarted_process_and_another_one_know_it_too(process: Process, frontend_store: Store) -> None:
    book = process.frontend.book(copies=9)
    behind = SettableClock(process.clock.now - 25 * HOUR)
    other = Process(frontend_store, behind)
    user = process.enroll()
    process.borrow(book_id=book.id, user_id=user.id)
    restarted = Process(frontend_store, behind)
    other.watched.refresh()  # as it does at each sync interval
    for each in (restarted, other):
        request = BorrowBookRequest(book_id=book.id, user_id=user.id, days=1)
        assert each.refusal("BorrowBook", request).reason == "CLOCK_BEHIND"
    behind.advance(seconds=2 * 3600)
    for each in (restarted, other):
        each.borrow(book_id=book.id, user_id=user.id)


def test_a_fresh_store_lends_under_no_clock_of_before_the_release(process: Process) -> None:
    calls = process.lending_calls()
    with process.frontend.store.writing():
        ClockMark.update(newest_time=0).execute()
    process.watched.refresh()
    process.clock.now = 20 * SECOND
    for method, request in calls.items():
        assert process.refusal(method, request()).metadata["newest_time"] == "2026-01-01T00:00:00Z"
    process.clock.now = RELEASE_TIME - 23 * HOUR
    for method, request in calls.items():
        process.call("LendingService", method, request())


def test_status_and_health_report_it_and_the_log_once(process: Process, caplog: pytest.LogCaptureFixture) -> None:
    process.enroll()
    right = process.clock.now

    def status() -> Any:
        return process.call("SyncService", "GetSyncStatus", GetSyncStatusRequest())

    assert not status().HasField("clock_behind")
    assert not status().HasField("newest_time")
    process.clock.now -= 25 * HOUR
    caplog.clear()
    for _ in range(3):
        process.watched.refresh()
    assert status().clock_behind.ToMicroseconds() == 25 * HOUR
    assert micros(status().newest_time) == right
    assert process.reports[-3:] == [False] * 3
    warnings = [record for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) == 1
    process.clock.now = right
    process.watched.refresh()
    assert process.reports[-1]
    assert not status().HasField("clock_behind")


def test_the_mark_is_written_once_a_minute(process: Process, frontend_store: Store) -> None:
    process.enroll("user0")
    first = process.clock.now
    for second in range(1, 61):
        process.clock.advance(seconds=1)
        process.enroll(f"user{second}")
    assert read_mark(frontend_store).newest_time == first
    process.clock.advance(seconds=1)
    process.enroll("user61")
    assert read_mark(frontend_store).newest_time == process.clock.now


def test_the_mark_is_never_lowered_by_a_process_with_an_older_copy(frontend_store: Store) -> None:
    early, late = SettableClock(), SettableClock()
    late.advance(days=3)
    first, second = WatchedClock(frontend_store, early), WatchedClock(frontend_store, late)
    second.note_time(late.now)
    first.note_time(early.now)
    first.refresh()
    assert first.newest_time == late.now


def page_of(*times: int) -> ListCatalogChangesResponse:
    books = [new_book(create_time=timestamp(times[0]), update_time=timestamp(time)) for time in times]
    return ListCatalogChangesResponse(changes=[CatalogChange(revision=1, book=book) for book in books])


def test_the_books_of_the_admin_are_a_witness(process: Process) -> None:
    """Its machine may have the right time where this one starts in 1970."""
    newest = process.clock.now + 3 * DAY
    assert newest_time(ListCatalogChangesResponse()) == 0
    assert newest_time(ListCatalogChangesResponse(changes=[CatalogChange(revision=1, book=Book())])) == 0
    assert newest_time(page_of(newest - DAY, newest, newest - 2 * DAY)) == newest
    assert newest_time(page_of(newest, 0)) == newest
    process.watched.note_remote_time(newest)
    assert process.watched.behind() == 3 * DAY


def test_the_books_of_the_admin_are_not_believed_against_the_times_of_users(process: Process) -> None:
    """A lying admin, or one whose clock is ahead, does not stop the lending."""
    user, book = process.enroll(), process.frontend.book()
    for ahead in (2 * DAY, YEAR, 7_000 * YEAR):
        process.watched.note_remote_time(process.clock.now + ahead)
        process.watched.refresh()
        assert process.watched.behind() == 0
    assert process.borrow(book_id=book.id, user_id=user.id)


def test_a_value_out_of_range_of_timestamps_is_not_a_time() -> None:
    """An admin with a broken clock, or a fault, must not stop the lending for eight thousand years."""
    page = page_of(RELEASE_TIME)
    page.changes[0].book.update_time.seconds = END_OF_TIME
    assert newest_time(page) == RELEASE_TIME
    page.changes[0].book.update_time.seconds = END_OF_TIME - 1
    assert newest_time(page) == (END_OF_TIME - 1) * SECOND


def test_a_wrong_time_in_the_store_can_be_left_behind(process: Process, frontend_store: Store) -> None:
    """The clock was 60 years ahead for a while, and the admin's, too."""
    calls = process.lending_calls()
    now, wrong = process.clock.now, process.clock.now + 60 * YEAR
    process.clock.now = wrong
    process.enroll()
    process.clock.now = now
    accept(frontend_store, now)
    process.watched.refresh()
    process.watched.note_time(wrong)  # a book of that time, which a resync brings again
    for method, request in calls.items():
        process.call("LendingService", method, request())
    process.clock.now += 30 * DAY
    process.enroll("grace2")
    process.clock.now = now
    assert process.watched.behind() == 30 * DAY, "times after that are watched as before"
    accept(frontend_store, now)
    process.watched.refresh()
    process.watched.note_time(wrong)
    assert not process.watched.behind(), "and the wrong one is not forgotten"
    process.watched.note_time(wrong + YEAR)
    assert process.watched.behind() == 61 * YEAR, "but a later one is a new witness"


def test_a_time_that_was_called_wrong_counts_when_the_clock_has_come_there(
    process: Process, frontend_store: Store
) -> None:
    now, wrong = process.clock.now, process.clock.now + YEAR
    process.watched.note_time(wrong)
    accept(frontend_store, now)
    process.watched.refresh()
    process.clock.now = wrong - HOUR
    process.enroll()
    process.clock.now = now
    assert process.watched.behind() == YEAR - HOUR


def test_times_shortly_after_a_wrong_mark_are_left_behind_with_it(process: Process, frontend_store: Store) -> None:
    """The mark is raised in steps, so the store has times that are a little later."""
    now, wrong = process.clock.now, process.clock.now + YEAR
    process.watched.note_time(wrong)
    process.watched.note_time(wrong + 30 * SECOND)
    accept(frontend_store, now)
    process.watched.refresh()
    process.watched.note_time(wrong + 30 * SECOND)
    assert not process.watched.behind()


def test_a_call_that_was_done_is_answered_when_its_time_cannot_be_kept(
    process: Process, frontend_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    process.clock.advance(days=1)
    with frontend_store.writing():
        frontend_store.database.execute_sql("DROP TABLE clock_mark")
    assert process.enroll().id
    assert "cannot keep the newest time" in caplog.text


def test_a_mark_that_is_not_ahead_is_not_changed(process: Process, frontend_store: Store) -> None:
    process.enroll()
    before = read_mark(frontend_store)
    accept(frontend_store, process.clock.now + DAY)
    assert read_mark(frontend_store) == before
