"""The books, users and loans of both services, read through their own calls, and whether they agree."""

from __future__ import annotations

import time
from collections import Counter as Tally
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any

import grpc

from library.admin.v1 import catalog_service_pb2 as admin_catalog_pb2
from library.admin.v1 import loan_service_pb2, user_service_pb2
from library.frontend.v1 import catalog_service_pb2, lending_service_pb2, member_service_pb2, sync_service_pb2
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from tests.support.clients import AdminClient, FrontendClient

CALL_SECONDS = 60.0

HANG_SECONDS = 100.0
"""Long enough on the busiest machine: only an event that never comes takes longer."""


def all_pages(method: Callable[..., Any], request: Any, field: str) -> list[Any]:
    """All rows that a List method returns, page after page."""
    found: list[Any] = []
    while True:
        page = method(request, timeout=CALL_SECONDS)
        found += getattr(page, field)
        if not page.next_page_token:
            return found
        request.page_token = page.next_page_token


def catalogue(admin: AdminClient) -> dict[str, Book]:
    """The admin's catalogue, by id."""
    request = admin_catalog_pb2.ListBooksRequest(page_size=1_000)
    return _by_id(map(_without_own_fields, all_pages(admin.catalog.ListBooks, request, "books")))


def replica(frontend: FrontendClient) -> dict[str, Book]:
    """The frontend's replica of it, by id."""
    request = catalog_service_pb2.ListBooksRequest(page_size=1_000, include_unavailable=True)
    return _by_id(map(_without_own_fields, all_pages(frontend.catalog.ListBooks, request, "books")))


def recorded_loans(admin: AdminClient) -> dict[str, Loan]:
    """The loans that the admin recorded, by id."""
    return _by_id(all_pages(admin.loans.ListLoans, loan_service_pb2.ListLoansRequest(page_size=1_000), "loans"))


def loans(frontend: FrontendClient) -> dict[str, Loan]:
    """The frontend's loans, by id."""
    return _by_id(all_pages(frontend.lending.ListLoans, lending_service_pb2.ListLoansRequest(page_size=1_000), "loans"))


def recorded_users(admin: AdminClient) -> dict[str, User]:
    """The users that the admin recorded, by id, without the counts of their loans."""
    users = all_pages(admin.users.ListUsers, user_service_pb2.ListUsersRequest(page_size=1_000), "users")
    for user in users:
        user.ClearField("active_loan_count")
    return _by_id(users)


def status(frontend: FrontendClient) -> sync_service_pb2.SyncStatus:
    reply: sync_service_pb2.SyncStatus = frontend.sync.GetSyncStatus(
        sync_service_pb2.GetSyncStatusRequest(), timeout=CALL_SECONDS
    )
    return reply


def eventually(is_so: Callable[[], bool], what: str, seconds: float = HANG_SECONDS) -> float:
    """Wait until the condition is true; return the seconds that it took. A call that fails counts as false."""
    began = time.monotonic()
    while True:
        try:
            if is_so():
                return time.monotonic() - began
        except grpc.RpcError as error:
            last: object = error
        else:
            last = "it was not so"
        assert time.monotonic() - began < seconds, f"not within {seconds} s: {what} ({last})"
        time.sleep(0.02)


def has_books(frontend: FrontendClient, count: int) -> Callable[[], bool]:
    """Whether the frontend's replica has this number of books."""
    return lambda: len(replica(frontend)) == count


def knows(frontend: FrontendClient, book: Book) -> Callable[[], bool]:
    """Whether the frontend's replica has the book."""
    return lambda: book.id in replica(frontend)


def wait_until_they_agree(
    admin: AdminClient, frontend: FrontendClient, users: Iterable[str] = (), seconds: float = HANG_SECONDS
) -> float:
    """Wait, touching nothing, until both have the same books, loans and users; return the seconds that it took.

    The users are those of the loans, and those whose ids are passed.
    """

    def agree() -> bool:
        lent = loans(frontend)
        if recorded_loans(admin) != lent or catalogue(admin) != replica(frontend) or not _none_waits(frontend):
            return False
        recorded = recorded_users(admin)
        known = {*users, *(loan.user_id for loan in lent.values())}
        return all(recorded.get(user_id) == _user(frontend, user_id) for user_id in known)

    return eventually(agree, "both have the same books, loans and users", seconds)


def assert_no_copy_was_lent_twice(all_loans: Iterable[Loan], copies: dict[str, int]) -> None:
    """Check that no book had more copies on loan at a time than it has."""
    moments: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for loan in all_loans:
        moments[loan.book_id].append((loan.borrow_time.ToMicroseconds(), +1))
        if loan.HasField("return_time"):
            moments[loan.book_id].append((loan.return_time.ToMicroseconds(), -1))
    for book_id, changes in moments.items():
        out = 0
        for _, change in sorted(changes):  # of one moment, what came back first
            out += change
            assert out <= copies[book_id], f"{out} of {copies[book_id]} copies of {book_id} were out at a time"


def assert_copies_are_counted(admin: AdminClient, all_loans: Iterable[Loan]) -> None:
    """Check that the available copies are the copies that are not in open loans."""
    out = Tally(loan.book_id for loan in all_loans if not loan.HasField("return_time"))
    request = admin_catalog_pb2.ListBooksRequest(page_size=1_000)
    for book in all_pages(admin.catalog.ListBooks, request, "books"):
        assert book.available_copies == book.total_copies - out[book.id]


def _none_waits(frontend: FrontendClient) -> bool:
    now = status(frontend)
    return not (now.waiting_user_count or now.waiting_loan_count or now.resyncing)


def _user(frontend: FrontendClient, user_id: str) -> User:
    user: User = frontend.members.GetUser(member_service_pb2.GetUserRequest(id=user_id), timeout=CALL_SECONDS)
    user.ClearField("active_loan_count")
    user.ClearField("etag")  # which only the frontend sets
    return user


def _without_own_fields(book: Book) -> Book:
    """The book without the fields that each service sets for itself."""
    book.ClearField("available_copies")
    book.ClearField("next_available_time")
    book.ClearField("etag")
    return book


def _by_id(messages: Iterable[Any]) -> dict[str, Any]:
    messages = list(messages)
    by_id: dict[str, Any] = {message.id: message for message in messages}
    assert len(by_id) == len(messages), "an id occurs twice"
    return by_id
