"""Calls to the frontend service, as commands at the desk make them."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import grpc

from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.frontend.v1.lending_service_pb2 import GetLoanRequest, ListLoansRequest
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceStub
from library.frontend.v1.member_service_pb2 import GetUserRequest, ListUsersRequest
from library.frontend.v1.member_service_pb2_grpc import MemberServiceStub
from library.v1.book_pb2 import Book
from library.v1.loan_pb2 import Loan
from library.v1.user_pb2 import User
from library_cli.channel import ANSWER_SECONDS, pages
from library_cli.desk.columns import ListedLoan
from library_cli.grpc_errors import is_surely_not_done, reason_of, rich_status

PAGE_SIZE = 500

USERS_AT_ONCE = 50
"""How many users are asked for at the same time: few enough for the bounds of the service."""

NOT_STARTED = {"NOT_SERVING", "SERVER_BUSY"}
"""Reasons of the service for calls that it did not begin with."""

TEMPORARY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL}
"""Statuses of answers that say nothing of what the attempt before has done."""

NOT_KNOWN = "Whether the first attempt was done is not known: look before you try again."

Request = TypeVar("Request", bound="ChangingRequest")
Answer = TypeVar("Answer")


class ChangingRequest(Protocol):
    """A request of a method that changes something."""

    request_id: str


class Desk:
    """The frontend service, seen from the desk. All methods raise grpc.RpcError."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.members = MemberServiceStub(channel)
        self.catalog = CatalogServiceStub(channel)
        self.lending = LendingServiceStub(channel)

    def first_page(self, request: ListBooksRequest) -> ListBooksResponse:
        """Return the first page of a list of books."""
        request.page_size = PAGE_SIZE
        return self.catalog.ListBooks(request, timeout=ANSWER_SECONDS)

    def books(self, request: ListBooksRequest, first: ListBooksResponse | None = None) -> Iterator[Book]:
        """Yield the books of a list, page after page."""
        page = first or self.first_page(request)
        yield from page.books
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = self.first_page(request)
            yield from page.books

    def users(self, **filters: Any) -> Iterator[User]:
        """Yield the users of a list, page after page."""
        request = ListUsersRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self.members.ListUsers, request):
            yield from page.users

    def loans(self, **filters: Any) -> Iterator[Loan]:
        """Yield the loans of a list, page after page."""
        request = ListLoansRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self.lending.ListLoans, request):
            yield from page.loans

    def book(self, book_id: str) -> Book:
        """Return the book with this id."""
        return self.catalog.GetBook(GetBookRequest(id=book_id), timeout=ANSWER_SECONDS)

    def user(self, user_id: str) -> User:
        """Return the user with this id."""
        return self.members.GetUser(GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)

    def loan(self, loan_id: str) -> Loan:
        """Return the loan with this id."""
        return self.lending.GetLoan(GetLoanRequest(id=loan_id), timeout=ANSWER_SECONDS)

    def with_users(self, loans: Iterable[Loan]) -> Iterator[ListedLoan]:
        """Yield each loan with its user. Each user is asked for once, some at the same time."""
        known: dict[str, User | None] = {}
        for batch in _batches(loans, USERS_AT_ONCE):
            wanted = {loan.user_id for loan in batch} - known.keys()
            calls = {
                user_id: self.members.GetUser.future(GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)
                for user_id in wanted
            }
            for user_id, call in calls.items():
                known[user_id] = _user_or_none(call)
            yield from (ListedLoan(loan, known[loan.user_id]) for loan in batch)

    def change(self, call: Callable[..., Answer], request: Request) -> Answer:
        """Make a call that changes something, under a new request id.

        When the connection breaks or the service is unavailable, the call is sent a second time with the same id, so
        that it is done once. It is not sent again when no service was reached at all. An error of the second attempt
        has the note `NOT_KNOWN` if the first one may have been done.
        """
        request.request_id = str(uuid.uuid4())
        try:
            return call(request, timeout=ANSWER_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            if rich_status(error) is None and is_surely_not_done(error):
                raise
            may_be_done = reason_of(error) not in NOT_STARTED
        try:
            return call(request, timeout=ANSWER_SECONDS, wait_for_ready=True)
        except grpc.RpcError as error:
            # What was done once is answered with the first answer, so a refusal says that it was not.
            if may_be_done and (rich_status(error) is None or error.code() in TEMPORARY):
                error.add_note(NOT_KNOWN)
            raise


def _batches(items: Iterable[Answer], size: int) -> Iterator[list[Answer]]:
    batch: list[Answer] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def _user_or_none(call: Any) -> User | None:
    """Return the user that a call asked for; None for one that cannot be shown."""
    try:
        user: User = call.result()
    except grpc.RpcError as error:
        if rich_status(error) is None or error.code() is grpc.StatusCode.UNAVAILABLE:
            raise
        return None
    return user
