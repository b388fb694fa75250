"""Borrowers whose loans do not fit on a page: nothing is lost, nothing comes twice, and every answer can be sent."""

from __future__ import annotations

import pytest

from admin_server.reports.borrower_pages import LIMITS, BorrowerPageLimits
from admin_server.reports.users import list_borrowers
from library.admin.v1.user_service_pb2 import ListBorrowersRequest, ListBorrowersResponse
from library.sync.v1.sync_service_pb2 import State
from service_kit.channel import MESSAGE_BYTES
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.paging import MAX_PAGE_BYTES, next_page_token
from tests.support.admin import Admin

LONGEST_TITLE = "\U0001f4d6" * 500
LOANS = 3_000


def borrower_pages_of(
    admin: Admin, page_size: int = 0, limits: BorrowerPageLimits = LIMITS
) -> list[ListBorrowersResponse]:
    """All pages, as they are sent."""
    request = ListBorrowersRequest(page_size=page_size)
    pages = []
    while True:
        borrowers, request.page_token = list_borrowers(admin.store, request, admin.clock, limits)
        pages.append(ListBorrowersResponse(borrowers=borrowers, next_page_token=request.page_token))
        if not request.page_token:
            return pages


def record(admin: Admin, *records: State) -> None:
    for begin in range(0, len(records), 100):
        admin.record(*records[begin : begin + 100])


def loans_in(pages: list[ListBorrowersResponse]) -> list[tuple[str, str]]:
    return [(who.user.id, loan.id) for page in pages for who in page.borrowers for loan in who.loans]


def in_order(records: list[State]) -> list[tuple[str, str]]:
    """What is to be listed: by user, and for each user in the order in which the loans were recorded."""
    return [(row.loan.user_id, row.loan.id) for row in sorted(records, key=lambda row: row.loan.user_id)]


@pytest.mark.slow
def test_a_borrower_of_thousands_of_loans_with_long_titles_is_listed(admin: Admin) -> None:
    user = admin.user_record(1)
    admin.record(user)
    records = [admin.loan_record(1, user_id=user.user.id, book_title=LONGEST_TITLE) for _ in range(LOANS)]
    others = [admin.loan_record(1), admin.loan_record(1)]
    record(admin, *records, *others)
    pages = borrower_pages_of(admin, page_size=1_000)
    assert max(page.ByteSize() for page in pages) < MAX_PAGE_BYTES + 10_000 < MESSAGE_BYTES
    assert loans_in(pages) == in_order([*records, *others])
    counts = {who.user.active_loan_count for page in pages for who in page.borrowers if who.user.email}
    assert counts == {LOANS}, "each part has the number of loans in all"


@pytest.mark.parametrize("page_size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("most_bytes", "most_loans"), [(1, 1_000), (500, 1_000), (1_200, 1_000), (10_000, 1), (10_000, 3)]
)
def test_pages_that_end_within_a_borrower_lose_nothing(
    admin: Admin, most_bytes: int, most_loans: int, page_size: int
) -> None:
    known = [admin.user_record(number) for number in range(1, 4)]
    admin.record(*known)
    user_ids = [*(row.user.id for row in known), new_id()]
    records = [admin.loan_record(1, user_id=user_ids[number % 4]) for number in range(23)]
    record(admin, *records, admin.loan_record(1, user_id=user_ids[0], returned=True))
    pages = borrower_pages_of(admin, page_size, BorrowerPageLimits(most_loans, most_bytes))
    assert loans_in(pages) == in_order(records)
    assert all(page.borrowers for page in pages)
    assert all(len(page.borrowers) <= page_size for page in pages)
    assert all(sum(len(who.loans) for who in page.borrowers) <= most_loans for page in pages)
    # A page over the limit has a single loan, which is the least that a page can have.
    assert all(page.ByteSize() < most_bytes + 200 or len(loans_in([page])) == 1 for page in pages)


def test_the_rest_of_a_borrower_may_be_returned_meanwhile(admin: Admin) -> None:
    limits = BorrowerPageLimits(loans=2)
    first, second = sorted([new_id(), new_id()])
    records = [admin.loan_record(1, user_id=first) for _ in range(3)] + [admin.loan_record(1, user_id=second)]
    record(admin, *records)
    request = ListBorrowersRequest()
    (borrower,), request.page_token = list_borrowers(admin.store, request, admin.clock, limits)
    assert [loan.id for loan in borrower.loans] == [records[0].loan.id, records[1].loan.id]
    records[2].loan.return_time.CopyFrom(records[2].loan.borrow_time)
    records[2].revision = 2
    record(admin, records[2])
    (rest,), token = list_borrowers(admin.store, request, admin.clock, limits)
    assert ([loan.id for loan in rest.loans], token) == ([records[3].loan.id], "")


@pytest.mark.parametrize("place", ["a/", "a/x", "a/-1", "a/1/2", "/", "a/1.5", "a/" + "9" * 19, "a/\u0661"])
def test_a_token_that_was_not_made_here_is_refused(admin: Admin, place: str) -> None:
    request = ListBorrowersRequest()
    request.page_token = next_page_token(request, place)
    with pytest.raises(FieldInvalid) as refused:
        list_borrowers(admin.store, request, admin.clock)
    assert [field for field, _ in refused.value.problems] == ["page_token"]
