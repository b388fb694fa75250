"""The reports on lending, on both engines, with loans of several months, branches, zones and users."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from admin_server.reports.book_ranks import list_most_lent_books, list_never_lent_books, rank_position
from admin_server.reports.loan_counts import list_loan_counts
from admin_server.reports.open_loans import list_open_loans, open_loans_position
from library.admin.v1 import report_service_pb2
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.report_service_pb2 import (
    LOAN_GROUPING_BRANCH,
    LOAN_GROUPING_CATEGORY,
    LOAN_GROUPING_ITEM_TYPE,
    LOAN_GROUPING_MONTH,
    LOAN_GROUPING_USER_CATEGORY,
    LOAN_GROUPING_USER_GROUP,
    ListLoanCountsRequest,
    ListMostLentBooksRequest,
    ListNeverLentBooksRequest,
    ListOpenLoansRequest,
    LoanGrouping,
)
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from service_kit.clock import DAY
from service_kit.errors import FieldInvalid
from service_kit.paging import MAX_PAGE_BYTES, next_page_token
from tests.support.admin import Admin, every_page


def at(text: str) -> Timestamp:
    time = Timestamp()
    time.FromJsonString(text)
    return time


class Town:
    """An admin with some books, users and loans."""

    def __init__(self, admin: Admin) -> None:
        self.admin, self._revision = admin, 0
        self.emma = admin.add(title="Emma", category="Novels")
        self.atlas = admin.add(title="Atlas", category="Maps")
        self.unread = admin.add(title="Unread")
        self.pupil = self._record_user("Pupil", user_category="Student", group="4b")
        self.other_pupil = self._record_user("Other", user_category="student", group="4B")
        self.adult = self._record_user("Adult")

    def _next(self) -> int:
        self._revision += 1
        return self._revision

    def _record_user(self, last_name: str, **fields: str) -> User:
        state = self.admin.user_record(self._next(), last_name=last_name, email=f"{last_name}@example.org", **fields)
        self.admin.record(state)
        return state.user

    def lend(self, book: Book, user: User, borrowed: str, due: str, returned: str = "", **fields: str) -> Loan:
        terms: dict[str, Any] = {"branch": "main", "time_zone": "Europe/Berlin", **fields}
        state = self.admin.loan_record(self._next(), book_id=book.id, user_id=user.id, book_title=book.title, **terms)
        state.loan.borrow_time.CopyFrom(at(borrowed))
        state.loan.due_time.CopyFrom(at(due))
        if returned:
            state.loan.return_time.CopyFrom(at(returned))
        self.admin.record(state)
        return state.loan

    def open_loans(self, **fields: Any) -> list[Any]:
        request = ListOpenLoansRequest(page_size=1, **fields)
        return every_page(lambda: list_open_loans(self.admin.store, request, self.admin.clock), request)

    def counts(self, group_by: LoanGrouping.ValueType, **fields: Any) -> list[tuple[str, int, int]]:
        request = ListLoanCountsRequest(page_size=1, group_by=group_by, **fields)
        found = every_page(lambda: list_loan_counts(self.admin.store, request), request)
        return [(each.name, each.loan_count, each.open_count) for each in found]


@pytest.fixture
def town(admin: Admin) -> Town:
    town = Town(admin)
    admin.clock.now = at("2026-11-27T12:00:00Z").ToMicroseconds()
    # 23:30 UTC on the last of the month is the next month in Berlin, and the same in Santiago.
    town.lend(town.emma, town.pupil, "2026-09-30T22:30:00Z", "2026-10-14T21:59:59Z", "2026-10-10T10:00:00Z")
    town.lend(
        *(town.emma, town.adult, "2026-09-30T22:30:00Z", "2026-11-26T22:59:59Z"),
        branch="south",
        time_zone="America/Santiago",
        item_type="DVD",
    )
    town.lend(town.atlas, town.other_pupil, "2026-11-20T10:00:00Z", "2026-11-25T22:59:59Z")
    town.lend(town.emma, town.pupil, "2026-11-25T10:00:00Z", "2026-12-09T22:59:59Z")
    return town


def titles(loans: Iterable[Any]) -> list[tuple[str, str, int]]:
    return [(each.loan.book_title, each.user.last_name, each.days_overdue) for each in loans]


def test_open_loans_come_by_due_time_with_their_users(town: Town) -> None:
    late, later, running = ("Atlas", "Other", 2), ("Emma", "Adult", 1), ("Emma", "Pupil", 0)
    assert titles(town.open_loans()) == [late, later, running]
    assert titles(town.open_loans(only_overdue=True)) == [late, later]
    assert titles(town.open_loans(due_before=at("2026-11-26T00:00:00Z"))) == [late]
    assert titles(town.open_loans(due_from=at("2026-11-26T00:00:00Z"))) == [later, running]
    # Both ends at a due time: the first is in, the second is not.
    soon = {"due_from": at("2026-11-25T22:59:59Z"), "due_before": at("2026-11-26T22:59:59Z")}
    assert titles(town.open_loans(**soon)) == [late]
    assert titles(town.open_loans(branch="south")) == [later]
    assert titles(town.open_loans(user_group=" ", user_category="\u00a0")) == [late, later, running]
    assert (
        titles(town.open_loans(user_group=" 4b "))
        == titles(town.open_loans(user_category="STUDENT"))
        == [late, running]
    )
    assert titles(town.open_loans(user_group="4c")) == []
    assert [each.user.active_loan_count for each in town.open_loans()] == [1, 1, 1]


def test_a_loan_of_an_unknown_user_is_listed_with_the_id_alone(town: Town, admin: Admin) -> None:
    loan = town.lend(town.atlas, User(id=str(town.emma.id)), "2026-11-01T10:00:00Z", "2026-11-02T22:59:59Z")
    first = town.open_loans()[0]
    assert (first.loan.id, first.user) == (loan.id, User(id=loan.user_id))


def test_days_overdue_are_local_dates(town: Town, admin: Admin) -> None:
    # Due on the 26th at 19:59:59 in Santiago. There the 27th begins at 03:00 UTC.
    [loan] = town.open_loans(branch="south")
    assert loan.days_overdue == 1
    admin.clock.now = at("2026-11-27T02:59:59Z").ToMicroseconds()
    assert town.open_loans(branch="south")[0].days_overdue == 0
    admin.clock.now += DAY
    assert town.open_loans(branch="south")[0].days_overdue == 1


def test_books_by_how_often_they_were_lent(town: Town, admin: Admin) -> None:
    def most(page_size: int = 1, **fields: Any) -> list[tuple[str, int]]:
        request = ListMostLentBooksRequest(page_size=page_size, **fields)
        found = every_page(lambda: list_most_lent_books(admin.store, request), request)
        return [(each.book.title, each.loan_count) for each in found]

    assert most() == most(page_size=50) == [("Emma", 3), ("Atlas", 1)]
    town.lend(town.unread, town.adult, "2027-01-01T00:00:00Z", "2027-01-02T00:00:00Z", branch="north")
    assert most() == most(page_size=50) == [("Emma", 3), ("Atlas", 1), ("Unread", 1)]
    assert most(branch="north") == [("Unread", 1)]
    assert most(start_time=at("2026-10-01T00:00:00Z"), branch="main") == [("Emma", 1), ("Atlas", 1)]
    assert most(end_time=at("2026-10-01T00:00:00Z"), branch="south") == [("Emma", 1)]


def test_a_lent_book_that_is_not_known_has_its_title(town: Town, admin: Admin) -> None:
    loan = town.lend(Book(id=town.adult.id, title="Gone"), town.adult, "2026-11-01T10:00:00Z", "2026-11-02T22:59:59Z")
    found, _ = list_most_lent_books(admin.store, ListMostLentBooksRequest())
    assert [each.book for each in found if each.book.title == "Gone"] == [Book(id=loan.book_id, title="Gone")]


def test_pages_of_long_books_stay_below_what_a_message_may_have(town: Town, admin: Admin) -> None:
    rows = [AddBookRequest(title=f"Long {number}", description="d" * 10_000) for number in range(250)]
    ids = [outcome.book_id for outcome in admin.import_rows(*rows)]
    admin.record(*(admin.loan_record(100 + number, book_id=each) for number, each in enumerate(ids)))
    request = ListMostLentBooksRequest(page_size=1_000)
    first, request.page_token = list_most_lent_books(admin.store, request)
    assert sum(each.ByteSize() for each in first) <= MAX_PAGE_BYTES
    assert len(first) + len(every_page(lambda: list_most_lent_books(admin.store, request), request)) == 252


def test_books_that_were_never_lent(town: Town, admin: Admin) -> None:
    admin.remove(admin.add(title="Removed").id)
    request = ListNeverLentBooksRequest(page_size=1)
    never = every_page(lambda: list_never_lent_books(admin.store, request), request)
    assert [book.title for book in never] == ["Unread"]


@pytest.mark.parametrize(
    ("group_by", "counts"),
    [
        (LOAN_GROUPING_MONTH, [("2026-09", 1, 1), ("2026-10", 1, 0), ("2026-11", 2, 2)]),
        (LOAN_GROUPING_CATEGORY, [("Maps", 1, 1), ("Novels", 3, 2)]),
        (LOAN_GROUPING_BRANCH, [("main", 3, 2), ("south", 1, 1)]),
        (LOAN_GROUPING_ITEM_TYPE, [("", 3, 2), ("DVD", 1, 1)]),
        (LOAN_GROUPING_USER_CATEGORY, [("", 1, 1), ("Student", 3, 2)]),
        (LOAN_GROUPING_USER_GROUP, [("", 1, 1), ("4B", 3, 2)]),
    ],
)
def test_loans_are_counted_by(town: Town, group_by: LoanGrouping.ValueType, counts: list[tuple[str, int, int]]) -> None:
    assert town.counts(group_by) == counts


def test_months_of_any_time_and_zone(town: Town) -> None:
    due = "2026-12-09T22:59:59Z"
    # One microsecond before 1970 is 1969, and in Honolulu the first ten hours of 1970 are, too.
    town.lend(town.emma, town.adult, "1969-12-31T23:59:59.999999Z", due, branch="old", time_zone="")
    town.lend(town.emma, town.adult, "1970-01-01T00:00:00Z", due, branch="old", time_zone="No/Zone")
    town.lend(town.emma, town.adult, "1970-01-01T09:59:59Z", due, branch="old", time_zone="Pacific/Honolulu")
    town.lend(town.emma, town.adult, "1970-01-01T10:00:00Z", due, branch="old", time_zone="Pacific/Honolulu")
    # 45 minutes past the hour: midnight in Kathmandu is 18:15 UTC.
    town.lend(town.emma, town.adult, "2026-10-31T18:14:59Z", due, branch="old", time_zone="Asia/Kathmandu")
    town.lend(town.emma, town.adult, "2026-10-31T18:15:00Z", due, branch="old", time_zone="Asia/Kathmandu")
    town.lend(town.emma, town.adult, "0999-06-01T00:00:00Z", due, branch="old")
    assert town.counts(LOAN_GROUPING_MONTH, branch="old") == [
        *(("0999-06", 1, 1), ("1969-12", 2, 2), ("1970-01", 2, 2), ("2026-10", 1, 1), ("2026-11", 1, 1)),
    ]


def test_spellings_are_counted_as_one(town: Town) -> None:
    for item_type in ("dvd", " DVD", "Book", ""):
        town.lend(
            *(town.emma, town.adult, "2026-11-01T00:00:00Z", "2026-12-09T22:59:59Z"), branch="west", item_type=item_type
        )
    assert town.counts(LOAN_GROUPING_ITEM_TYPE, branch="west") == [("", 1, 1), (" DVD", 2, 2), ("Book", 1, 1)]


def test_an_open_loan_from_before_1970_is_listed(town: Town) -> None:
    for due in ("1969-12-31T00:00:00Z", "1969-12-30T00:00:00Z"):
        town.lend(town.atlas, town.adult, "1969-12-01T00:00:00Z", due, branch="old")
    assert [each.loan.due_time for each in town.open_loans()[:2]] == [
        at("1969-12-30T00:00:00Z"),
        at("1969-12-31T00:00:00Z"),
    ]


def test_counts_of_a_period(town: Town) -> None:
    period = {"start_time": at("2026-11-01T00:00:00Z"), "end_time": at("2026-11-25T00:00:00Z")}
    assert town.counts(LOAN_GROUPING_MONTH, **period) == [("2026-11", 1, 1)]
    assert town.counts(LOAN_GROUPING_MONTH, branch="south") == [("2026-09", 1, 1)]


@pytest.mark.parametrize(
    "ask",
    [
        lambda admin: list_open_loans(admin.store, ListOpenLoansRequest(page_token="x"), admin.clock),
        lambda admin: list_most_lent_books(admin.store, ListMostLentBooksRequest(page_token="x")),
        lambda admin: list_loan_counts(admin.store, ListLoanCountsRequest(page_token="x", group_by=1)),  # type: ignore[arg-type]
    ],
)
def test_a_page_token_of_another_list_is_refused(admin: Admin, ask: Callable[[Admin], object]) -> None:
    with pytest.raises(FieldInvalid):
        ask(admin)


@pytest.mark.parametrize("place", ["1", "x/5", "-1/5", "9" * 30 + "/5", "/5"])
def test_a_forged_place_in_the_ranking_is_refused(place: str) -> None:
    most = ListMostLentBooksRequest()
    most.page_token = next_page_token(most, place)
    with pytest.raises(FieldInvalid):
        rank_position(most)


@pytest.mark.parametrize("place", ["1", "1/", "1/2/3", "x/5", "1/-5", "1/a\u00e9", "9" * 30 + "/5"])
def test_a_forged_place_of_an_open_loan_is_refused(place: str) -> None:
    open_ = ListOpenLoansRequest()
    open_.page_token = next_page_token(open_, place)
    with pytest.raises(FieldInvalid):
        open_loans_position(open_)


def test_the_groupings_are_all_served() -> None:
    from admin_server.reports.loan_counts import _COUNTED_BY  # noqa: PLC0415

    assert set(_COUNTED_BY) == set(report_service_pb2.LoanGrouping.values()) - {0}
