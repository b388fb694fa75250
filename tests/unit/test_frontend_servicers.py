"""The frontend's servicers on a real store: what a client sees of answers and refusals, field by field."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import grpc
import pytest
from google.protobuf.message import Message

from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.rpc.services import services
from frontend_server.sync.sync import Sync, SyncSettings
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1.catalog_service_pb2 import (
    GetBookRequest,
    ListBooksRequest,
    ListBooksResponse,
    ListCategoriesRequest,
    ListPublishersRequest,
)
from library.frontend.v1.lending_service_pb2 import (
    BorrowBookRequest,
    GetLoanRequest,
    ListLoansRequest,
    ReturnBookRequest,
)
from library.frontend.v1.member_service_pb2 import (
    CloseUserRequest,
    GetUserRequest,
    ListUsersRequest,
)
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest, SyncNowRequest, SyncStatus
from library.v1 import loan_pb2, user_pb2
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE
from library.v1.user_pb2 import USER_STATE_ACTIVE, USER_STATE_CLOSED
from service_kit.clock import rfc3339
from service_kit.ids import new_id
from tests.support.bad_requests import (
    BAD,
    CATALOG,
    LENDING,
    MEMBERS,
    SYNC,
    borrow,
    enroll,
    renew,
    update,
)
from tests.support.clients import Refusal
from tests.support.clocks import SettableClock, end_of_day
from tests.support.frontend import LocalFrontend
from tests.support.servicers import ServicerRunner
from tests.support.stores import FreshDatabases, bound_store

NO_ADMIN = "127.0.0.1:1"
"""A port where nothing listens: tcpmux, of 1988."""


class Desk:
    """A frontend, and its servicers."""

    def __init__(self, frontend: LocalFrontend, clock: SettableClock) -> None:
        self.frontend, self.clock = frontend, clock
        watched = WatchedClock(frontend.store, clock)
        sync = Sync(frontend.store, SyncSettings(NO_ADMIN), watched)
        self.runner = ServicerRunner(services(frontend.store, frontend.rules, watched, sync))

    def call(self, method: str, request: Message) -> Any:
        """Call a method that is to answer."""
        reply = self.runner.call(method, request)
        assert not isinstance(reply, Refusal), reply
        return reply

    def refusal(self, method: str, request: Message) -> Refusal:
        """Call a method that is to refuse and to change nothing."""
        before = self.frontend.contents()
        refusal = self.runner.refusal(method, request)
        assert self.frontend.contents() == before
        assert refusal.domain == "lending-library"
        assert refusal.request_id
        return refusal


@pytest.fixture(scope="module")
def desk(databases: FreshDatabases) -> Iterator[Desk]:
    """A frontend with a book, a user and a loan of long ago."""
    with bound_store("frontend", databases.migrated("frontend", "sqlite")) as store:
        clock = SettableClock()
        frontend = LocalFrontend(store, clock, LendingRules(loan_limit=3, daily_fine=DailyFine.parse("0.20 EUR")))
        frontend.borrow(frontend.book("Persuasion").id, frontend.user().id)
        yield Desk(frontend, clock)


def test_every_bad_input_is_refused_with_its_field_and_changes_nothing(desk: Desk) -> None:
    before = desk.frontend.contents()
    for method, request, field in BAD:
        refusal = desk.runner.refusal(method, request)
        assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT, (method, request)
        assert (refusal.reason, refusal.domain) == ("FIELD_INVALID", "lending-library")
        assert list(refusal.fields) == [field], (method, request)
        assert refusal.fields[field]
        assert refusal.metadata == {"fields": field}
        assert refusal.request_id
    assert desk.frontend.contents() == before


def test_all_problems_are_reported_at_once(desk: Desk) -> None:
    refusal = desk.refusal(
        f"{LENDING}/BorrowBook", BorrowBookRequest(book_id="a", user_id="b", days=-1, request_id="c")
    )
    assert set(refusal.fields) == {"book_id", "user_id", "days", "request_id"}


def test_a_page_token_of_other_arguments_is_refused(desk: Desk) -> None:
    for _ in range(2):
        desk.frontend.book("Emma", publisher="Murray", category="Novels")
    page: ListBooksResponse = desk.call(f"{CATALOG}/ListBooks", ListBooksRequest(page_size=1, publisher=["Murray"]))
    token = page.next_page_token
    assert token

    for method, request in (
        (f"{CATALOG}/ListBooks", ListBooksRequest(page_token=token)),
        (f"{CATALOG}/ListBooks", ListBooksRequest(page_token=token, publisher=["Murray"], category=["Novels"])),
        (f"{CATALOG}/ListPublishers", ListPublishersRequest(page_token=token)),
        (f"{LENDING}/ListLoans", ListLoansRequest(page_token=token)),
    ):
        assert list(desk.refusal(method, request).fields) == ["page_token"]
    assert len(desk.call(f"{CATALOG}/ListBooks", ListBooksRequest(page_token=token, publisher=["Murray"])).books) == 1


def test_what_is_not_there_is_named(desk: Desk) -> None:
    book, user = desk.frontend.book(), desk.frontend.user()
    nothing = new_id()
    for method, request, kind in (
        (f"{CATALOG}/GetBook", GetBookRequest(id=nothing), "Book"),
        (f"{LENDING}/BorrowBook", borrow(book_id=nothing, user_id=user.id), "Book"),
        (f"{LENDING}/BorrowBook", borrow(book_id=book.id, user_id=nothing), "User"),
        (f"{MEMBERS}/GetUser", GetUserRequest(id=nothing), "User"),
        (f"{MEMBERS}/UpdateUser", update(id=nothing, first_name="Ada"), "User"),
        (f"{MEMBERS}/CloseUser", CloseUserRequest(id=nothing), "User"),
        (f"{LENDING}/GetLoan", GetLoanRequest(id=nothing), "Loan"),
        (f"{LENDING}/ReturnBook", ReturnBookRequest(loan_id=nothing), "Loan"),
        (f"{LENDING}/RenewLoan", renew(loan_id=nothing), "Loan"),
    ):
        refusal = desk.refusal(method, request)
        assert refusal.code is grpc.StatusCode.NOT_FOUND
        assert refusal.reason == f"{kind.upper()}_NOT_FOUND"
        assert refusal.resource == (f"library.v1.{kind}", nothing)
        assert refusal.metadata == {f"{kind.lower()}_id": nothing}


def test_refusals_of_lending_have_their_reason_and_metadata(desk: Desk) -> None:
    frontend, clock = desk.frontend, desk.clock
    user, out = frontend.user(), frontend.book()
    loan = frontend.borrow(out.id, user.id, 14)
    due = rfc3339(end_of_day(clock.now, 14))
    removed, unavailable = frontend.book(state=BOOK_STATE_REMOVED), frontend.book(state=BOOK_STATE_UNAVAILABLE)
    busy, many = frontend.user(), frontend.book(copies=10)
    for _ in range(3):
        frontend.borrow(many.id, busy.id)
    old, worn = frontend.borrow(many.id, frontend.user().id, 1), frontend.borrow(many.id, frontend.user().id, 30)
    for _ in range(3):
        frontend.renew(worn.id, 1)
    back = frontend.bring_back(frontend.borrow(many.id, frontend.user().id).id)
    returned = rfc3339(clock.now)
    clock.advance(days=2)

    for method, request, reason, metadata in (
        (
            "BorrowBook",
            borrow(book_id=out.id, user_id=user.id),
            "NO_COPY_AVAILABLE",
            {"book_id": out.id, "next_available_time": due},
        ),
        ("BorrowBook", borrow(book_id=removed.id, user_id=user.id), "BOOK_REMOVED", {"book_id": removed.id}),
        (
            "BorrowBook",
            borrow(book_id=unavailable.id, user_id=user.id),
            "BOOK_UNAVAILABLE",
            {"book_id": unavailable.id},
        ),
        (
            "BorrowBook",
            borrow(book_id=many.id, user_id=busy.id),
            "LOAN_LIMIT_REACHED",
            {"user_id": busy.id, "loan_limit": "3"},
        ),
        (
            "ReturnBook",
            ReturnBookRequest(loan_id=back.id),
            "LOAN_RETURNED",
            {"loan_id": back.id, "return_time": returned},
        ),
        ("RenewLoan", renew(loan_id=back.id), "LOAN_RETURNED", {"loan_id": back.id, "return_time": returned}),
        (
            "RenewLoan",
            renew(loan_id=old.id),
            "LOAN_OVERDUE",
            {"loan_id": old.id, "due_time": rfc3339(end_of_day(clock.now, -1))},
        ),
        (
            "RenewLoan",
            renew(loan_id=worn.id),
            "RENEWAL_LIMIT_REACHED",
            {"loan_id": worn.id, "renewal_limit": "3", "day_limit": "365"},
        ),
        (
            "RenewLoan",
            renew(loan_id=loan.id, days=352),
            "RENEWAL_LIMIT_REACHED",
            {"loan_id": loan.id, "renewal_limit": "3", "day_limit": "365"},
        ),
    ):
        refusal = desk.refusal(f"{LENDING}/{method}", request)
        assert refusal.code is grpc.StatusCode.FAILED_PRECONDITION
        assert (refusal.reason, refusal.metadata) == (reason, metadata)
        assert all(value in refusal.message for value in metadata.values()), (
            "the message has all values of the metadata"
        )


def test_what_is_taken_already_is_refused_without_repeating_whose_it_is(desk: Desk) -> None:
    request_id = str(uuid4())
    request = enroll(email="Emmy.Noether@example.org", request_id=request_id)
    user: user_pb2.User = desk.call(f"{MEMBERS}/EnrollUser", request)
    assert desk.call(f"{MEMBERS}/EnrollUser", request) == user
    assert desk.call(f"{MEMBERS}/GetUser", GetUserRequest(id=user.id)) == user

    taken = desk.refusal(f"{MEMBERS}/EnrollUser", enroll(email="emmy.noether@EXAMPLE.org"))
    assert (taken.code, taken.reason, taken.metadata) == (grpc.StatusCode.ALREADY_EXISTS, "EMAIL_TAKEN", {})
    assert "noether" not in taken.message.lower()
    reused = desk.refusal(f"{MEMBERS}/EnrollUser", enroll(request_id=request_id))
    assert (reused.code, reused.reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")
    assert reused.metadata == {"request_id": request_id}

    loan_request = borrow(book_id=desk.frontend.book(copies=2).id, user_id=user.id, request_id=request_id)
    assert desk.refusal(f"{LENDING}/BorrowBook", loan_request).reason == "REQUEST_ID_REUSED"
    loan_request.request_id = str(uuid4())
    loan: loan_pb2.Loan = desk.call(f"{LENDING}/BorrowBook", loan_request)
    assert desk.call(f"{LENDING}/BorrowBook", loan_request) == loan
    loan_request.days = 15
    assert desk.refusal(f"{LENDING}/BorrowBook", loan_request).reason == "REQUEST_ID_REUSED"


def test_a_loan_from_its_making_to_its_return(desk: Desk) -> None:
    user, book = desk.frontend.user(), desk.frontend.book(publisher="Loan Press")
    loan: loan_pb2.Loan = desk.call(f"{LENDING}/BorrowBook", borrow(book_id=book.id, user_id=user.id))
    assert not desk.call(f"{CATALOG}/ListBooks", ListBooksRequest(publisher=["Loan Press"])).books
    everything = ListBooksRequest(publisher=["Loan Press"], include_unavailable=True)
    assert desk.call(f"{CATALOG}/ListBooks", everything).books[0].next_available_time == loan.due_time
    assert desk.call(f"{LENDING}/ListLoans", ListLoansRequest(user_id=user.id)).loans == [loan]
    renewed: loan_pb2.Loan = desk.call(f"{LENDING}/RenewLoan", renew(loan_id=loan.id, days=1))
    assert renewed.days == 15
    returned = desk.call(f"{LENDING}/ReturnBook", ReturnBookRequest(loan_id=loan.id))
    assert desk.call(f"{LENDING}/GetLoan", GetLoanRequest(id=loan.id)) == returned
    assert desk.call(f"{CATALOG}/GetBook", GetBookRequest(id=book.id)).available_copies == 1
    values = desk.call(f"{CATALOG}/ListPublishers", ListPublishersRequest(page_size=1_000)).publishers
    assert [value.book_count for value in values if value.value == "Loan Press"] == [1]
    assert desk.call(f"{CATALOG}/ListCategories", ListCategoriesRequest()).next_page_token == ""


def test_without_the_admin_lending_goes_on_and_the_sync_reports_it(desk: Desk) -> None:
    desk.call(f"{LENDING}/BorrowBook", borrow(book_id=desk.frontend.book().id, user_id=desk.frontend.user().id))
    status: SyncStatus = desk.call(f"{SYNC}/GetSyncStatus", GetSyncStatusRequest())
    assert status.waiting_loan_count > 0
    assert status.admin_target == NO_ADMIN

    refusal = desk.refusal(f"{SYNC}/SyncNow", SyncNowRequest())

    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "ADMIN_UNAVAILABLE")
    assert desk.call(f"{SYNC}/GetSyncStatus", GetSyncStatusRequest()).last_pull_error


def test_no_name_at_all_is_refused_with_both_fields(desk: Desk) -> None:
    nobody = enroll(first_name="", last_name="")
    for first, last in (("", ""), (" ", ""), ("\u3000", "\u00a0\u2003")):
        nobody.first_name, nobody.last_name = first, last
        assert set(desk.refusal(f"{MEMBERS}/EnrollUser", nobody).fields) == {"first_name", "last_name"}
        change = update("first_name", "last_name", first_name=first, last_name=last)
        assert set(desk.refusal(f"{MEMBERS}/UpdateUser", change).fields) == {"user.first_name", "user.last_name"}


def test_refusals_of_users_have_their_reason_and_metadata(desk: Desk) -> None:
    frontend = desk.frontend
    busy, closed, odd = frontend.user(), frontend.user(), frontend.user()
    many = frontend.book(copies=5)
    frontend.borrow(many.id, busy.id)
    late = frontend.borrow(many.id, closed.id)
    frontend.set_state(closed.id, USER_STATE_CLOSED)
    frontend.set_state(odd.id, 77)

    for method, request, code, reason, metadata in (
        ("Member/CloseUser", CloseUserRequest(id=busy.id), 9, "USER_HAS_LOANS", {"active_loan_count": "1"}),
        ("Member/UpdateUser", update(id=closed.id, first_name="X"), 9, "USER_CLOSED", {}),
        ("Member/UpdateUser", update(id=busy.id, first_name="X", etag="old"), 10, "ETAG_MISMATCH", {}),
        ("Member/CloseUser", CloseUserRequest(id=busy.id, etag="old"), 10, "ETAG_MISMATCH", {}),
        ("Lending/BorrowBook", borrow(book_id=many.id, user_id=closed.id), 9, "USER_CLOSED", {}),
        ("Lending/BorrowBook", borrow(book_id=many.id, user_id=odd.id), 9, "USER_NOT_ACTIVE", {"state": "77"}),
        ("Lending/RenewLoan", renew(loan_id=late.id), 9, "USER_CLOSED", {}),
    ):
        refusal = desk.refusal(f"library.frontend.v1.{method.replace('/', 'Service/')}", request)
        assert (refusal.code.value[0], refusal.reason) == (code, reason)
        user_id = next(user.id for user in (busy, closed, odd) if user.id == refusal.metadata["user_id"])
        assert refusal.metadata == {"user_id": user_id, **metadata}
        assert all(value in refusal.message for value in refusal.metadata.values())
    assert desk.call(f"{LENDING}/ReturnBook", ReturnBookRequest(loan_id=late.id)).HasField("return_time")


def test_a_call_is_refused_for_all_its_reasons_at_once(desk: Desk) -> None:
    frontend, clock = desk.frontend, desk.clock
    user, many = frontend.user(), frontend.book(copies=3)
    [loan, *_] = [frontend.borrow(many.id, user.id, 1) for _ in range(3)]
    unavailable = frontend.book(state=BOOK_STATE_UNAVAILABLE, copies=0)
    frontend.set_state(user.id, USER_STATE_CLOSED)
    clock.advance(days=2)
    nothing = new_id()
    for method, request, code, reasons in (
        (
            "BorrowBook",
            borrow(book_id=unavailable.id, user_id=user.id),
            grpc.StatusCode.FAILED_PRECONDITION,
            ["BOOK_UNAVAILABLE", "NO_COPY_AVAILABLE", "USER_CLOSED", "LOAN_LIMIT_REACHED"],
        ),
        (
            "BorrowBook",
            borrow(book_id=nothing, user_id=nothing),
            grpc.StatusCode.NOT_FOUND,
            ["BOOK_NOT_FOUND", "USER_NOT_FOUND"],
        ),
        (
            "RenewLoan",
            renew(loan_id=loan.id, days=365),
            grpc.StatusCode.FAILED_PRECONDITION,
            ["LOAN_OVERDUE", "RENEWAL_LIMIT_REACHED", "USER_CLOSED"],
        ),
    ):
        refusal = desk.refusal(f"{LENDING}/{method}", request)
        assert (refusal.code, [refusal.reason, *refusal.further_reasons]) == (code, reasons)
    frontend.set_state(user.id, USER_STATE_ACTIVE)
    stale = desk.refusal(f"{MEMBERS}/CloseUser", CloseUserRequest(id=user.id, etag="old"))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    assert stale.further_reasons == ["USER_HAS_LOANS"]


def test_a_user_from_enrolment_to_closing(desk: Desk) -> None:
    user: user_pb2.User = desk.call(f"{MEMBERS}/EnrollUser", enroll(first_name="Augusta", last_name="Byronsdottir"))
    assert list(desk.call(f"{MEMBERS}/ListUsers", ListUsersRequest(query="ronsdot")).users) == [user]
    changed = desk.call(f"{MEMBERS}/UpdateUser", update("last_name", id=user.id.upper(), last_name="K", etag=user.etag))
    assert (changed.first_name, changed.last_name, changed.email) == ("Augusta", "K", user.email)
    assert changed.etag != user.etag
    closed = desk.call(f"{MEMBERS}/CloseUser", CloseUserRequest(id=user.id, etag=changed.etag))
    assert closed.state == USER_STATE_CLOSED
    assert desk.call(f"{MEMBERS}/CloseUser", CloseUserRequest(id=user.id)) == closed
    assert not desk.call(f"{MEMBERS}/ListUsers", ListUsersRequest(query=user.email)).users
    with_closed = ListUsersRequest(query=user.email, include_closed=True)
    assert list(desk.call(f"{MEMBERS}/ListUsers", with_closed).users) == [closed]
