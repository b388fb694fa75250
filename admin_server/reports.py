"""Reports for librarians: users, who has what out, and all loans, as far as the frontend has told."""

from __future__ import annotations

from collections.abc import Iterable

import peewee

from admin_server.borrower_pages import MOST_LOANS, borrower_page, borrower_position
from admin_server.epochs import current_epoch
from admin_server.store.models import Book, Frontend, Loan, User
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.admin.v1.status_service_pb2 import Status
from library.admin.v1.user_service_pb2 import Borrower, ListBorrowersRequest, ListUsersRequest
from library.v1 import loan_pb2, user_pb2
from library_domain import loans
from library_domain.errors import UserNotFound
from library_domain.loans import loan_message
from library_domain.users import list_user_rows, user_message
from service_kit.clock import Clock, timestamp
from service_kit.paging import page, page_size
from service_kit.revisions import head_revision
from service_kit.statements import tuples
from service_kit.store import Store


def get_user(store: Store, user_id: str) -> user_pb2.User:
    """Get a user."""
    with store.reading():
        row = User.get_or_none(User.id == user_id)
        if row is None:
            raise UserNotFound(user_id=user_id)
        return user_message(row, _open_loan_counts([user_id]).get(user_id, 0))


def list_users(store: Store, request: ListUsersRequest) -> tuple[list[user_pb2.User], str]:
    """A page of users and the token of the next."""
    with store.reading():
        rows = list_user_rows(store.database, User, request)
        counts = _open_loan_counts([row.id for row in rows])
    return page(request, rows, lambda row: user_message(row, counts.get(row.id, 0)), lambda row: row.key)


def list_borrowers(store: Store, request: ListBorrowersRequest, clock: Clock) -> tuple[list[Borrower], str]:
    """A page of the users who have books out, each with those loans, and the token of the next; four queries."""
    now = clock()
    is_open = Loan.return_time.is_null()
    is_behind = borrower_position(request).is_behind()
    with store.reading():
        who = Loan.select(Loan.user_id).where(is_open, is_behind).distinct().order_by(Loan.user_id)
        user_ids = [user_id for (user_id,) in tuples(who.limit(page_size(request) + 1))]
        shown = user_ids[: page_size(request)]
        users = {row.id: row for row in User.select().where(User.id.in_(shown))}
        counts = _open_loan_counts(shown)
        own = Loan.select().where(is_open, is_behind, Loan.user_id.in_(shown)).order_by(Loan.user_id, Loan.key)
        open_loans = [(row, loan_message(row, now)) for row in own.limit(MOST_LOANS + 1)]

    def user(user_id: str) -> user_pb2.User:
        return user_message(users[user_id], counts[user_id]) if user_id in users else user_pb2.User(id=user_id)

    return borrower_page(request, user_ids, open_loans, user)


def list_loans(store: Store, request: ListLoansRequest, clock: Clock) -> tuple[list[loan_pb2.Loan], str]:
    """A page of loans and the token of the next."""
    with store.reading():
        return loans.list_loans(Loan, request, clock())


def get_status(store: Store) -> Status:
    """What the store holds. It counts rows, so it is for people, not for polling."""
    with store.reading():
        epoch = current_epoch()
        frontend = Frontend.get_or_none()
        return Status(
            book_count=Book.select().count(),
            user_count=User.select().count(),
            loan_count=Loan.select().count(),
            open_loan_count=Loan.select().where(Loan.return_time.is_null()).count(),
            revision=head_revision(),
            epoch=epoch.id,
            epoch_time=timestamp(epoch.start_time),
            frontend_id=frontend.id if frontend else "",
            store_size_bytes=store.size_bytes(),
        )


def _open_loan_counts(user_ids: Iterable[str]) -> dict[str, int]:
    """How many loans each of these users has out."""
    query = (
        Loan.select(Loan.user_id, peewee.fn.COUNT(Loan.key))
        .where(Loan.user_id.in_(list(user_ids)), Loan.return_time.is_null())
        .group_by(Loan.user_id)
    )
    return dict(tuples(query))
