"""The calls to the frontend service that the desk's commands make."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, TypeVar

import grpc

from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.frontend.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library.frontend.v1.circulation_service_pb2_grpc import CirculationServiceStub
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
"""How many `GetUser` calls run at the same time; the service accepts more than this from one connection."""

NOT_STARTED = {"NOT_SERVING", "SERVER_BUSY"}
"""Reasons of calls that the service did not start."""

TEMPORARY = {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL}
"""Statuses that do not show whether an earlier attempt made the change."""

OUTCOME_UNKNOWN = "The first attempt may have made the change: look before you try again."

Request = TypeVar("Request", bound="ChangingRequest")
Answer = TypeVar("Answer")


class ChangingRequest(Protocol):
    """The request of a method that changes something."""

    request_id: str


class Desk:
    """The calls of the desk's commands. All methods raise grpc.RpcError."""

    def __init__(self, channel: grpc.Channel) -> None:
        self.members = MemberServiceStub(channel)
        self.catalog = CatalogServiceStub(channel)
        self.lending = LendingServiceStub(channel)
        self.circulation = CirculationServiceStub(channel)

    def first_page(self, request: ListBooksRequest) -> ListBooksResponse:
        request.page_size = PAGE_SIZE
        return self.catalog.ListBooks(request, timeout=ANSWER_SECONDS)

    def books(self, request: ListBooksRequest, first: ListBooksResponse | None = None) -> Iterator[Book]:
        page = first or self.first_page(request)
        yield from page.books
        while page.next_page_token:
            request.page_token = page.next_page_token
            page = self.first_page(request)
            yield from page.books

    def users(self, **filters: Any) -> Iterator[User]:
        request = ListUsersRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self.members.ListUsers, request):
            yield from page.users

    def loans(self, **filters: Any) -> Iterator[Loan]:
        request = ListLoansRequest(page_size=PAGE_SIZE, **filters)
        for page in pages(self.lending.ListLoans, request):
            yield from page.loans

    def book(self, book_id: str) -> Book:
        return self.catalog.GetBook(GetBookRequest(id=book_id), timeout=ANSWER_SECONDS)

    def user(self, user_id: str) -> User:
        return self.members.GetUser(GetUserRequest(id=user_id), timeout=ANSWER_SECONDS)

    def loan(self, loan_id: str) -> Loan:
        return self.lending.GetLoan(GetLoanRequest(id=loan_id), timeout=ANSWER_SECONDS)

    def with_users(self, loans: Iterable[Loan]) -> Iterator[ListedLoan]:
        """Yield each loan with its user. Each user is read once, up to USERS_AT_ONCE at the same time."""
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
        """Make a call that changes something, with a new request id.

        If the connection breaks or the service is unavailable, the call is retried once with the same id, so that the
        change is made once. It is not retried if no service was reached. An error of the retry has the note
        `OUTCOME_UNKNOWN` if the first attempt may have made the change.
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
            # If the first attempt had made the change, the retry would have returned its answer and not a refusal.
            if may_be_done and (rich_status(error) is None or error.code() in TEMPORARY):
                error.add_note(OUTCOME_UNKNOWN)
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
    """Return the user that a call reads; None for a user that the service cannot return."""
    try:
        user: User = call.result()
    except grpc.RpcError as error:
        if rich_status(error) is None or error.code() is grpc.StatusCode.UNAVAILABLE:
            raise
        return None
    return user
