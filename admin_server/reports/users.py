"""Users, and who has what on loan, as far as the frontend has reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import peewee

from admin_server.reports.borrower_pages import LIMITS, BorrowerPageLimits, borrower_page, borrower_position
from admin_server.reports.text_rows import text_rows
from admin_server.store.models import NOT_CLOSED, Loan, User
from library.admin.v1.user_service_pb2 import Borrower, ListBorrowersRequest, ListUsersRequest
from library.v1 import loan_pb2, user_pb2
from library_domain.errors import UserNotFound
from library_domain.loans import loan_message
from library_domain.users import queried_card_number, queried_email_key, user_message, user_query
from service_kit.clock import Clock
from service_kit.paging import page, page_size
from service_kit.row_lists import find_rows, list_rows
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import Damaged, read_rows, readable, shown


def get_user(store: Store, user_id: str) -> user_pb2.User:
    """Return a user, also one whose account is closed. Raises `UserNotFound`."""
    with store.reading(), readable("user", user_id):
        row = User.get_or_none(User.id == user_id)
        if row is None:
            raise UserNotFound(user_id=user_id)
        return user_message(row, _open_loan_counts([user_id]).get(user_id, 0))


def list_users(store: Store, request: ListUsersRequest) -> tuple[list[user_pb2.User], str]:
    """Return a page of users, and the token of the next."""
    with store.reading():
        rows = _rows(request)
        counts = _open_loan_counts([row.id for row in rows if isinstance(row, User)])
    return page(request, rows, lambda row: user_message(row, counts.get(row.id, 0)), lambda row: row.key)


def _rows(request: ListUsersRequest) -> list[User | Damaged]:
    conditions = [] if request.include_closed else [NOT_CLOSED]
    if not request.query:
        return list_rows(User, request, conditions)
    return find_rows(User, request, conditions, user_query(request.query), _exact(request.query))


def _exact(query: str) -> Any:
    """Return the condition for the user whose whole address or card number the query is; None for another query."""
    if key := queried_email_key(query):
        return User.email_key == key
    number = queried_card_number(query)
    return User.card_number == number if number else None


def list_borrowers(
    store: Store, request: ListBorrowersRequest, clock: Clock, limits: BorrowerPageLimits = LIMITS
) -> tuple[list[Borrower], str]:
    """Return a page of the users with books on loan, each with these loans, and the token of the next; four queries."""
    now = clock()
    is_open = Loan.return_time.is_null()
    is_after = borrower_position(request).is_after()
    with store.reading():
        who = Loan.select(Loan.user_id).where(is_open, is_after).distinct().order_by(Loan.user_id)
        user_ids = [user_id for (user_id,) in text_rows(who, page_size(request) + 1)]
        on_page = user_ids[: page_size(request)]
        rows = read_rows(User.select().where(User.id.in_(on_page)), User)
        users = {row.id: row for row in rows if isinstance(row, User)}
        counts = _open_loan_counts(on_page)
        own = Loan.select().where(is_open, is_after, Loan.user_id.in_(on_page)).order_by(Loan.user_id, Loan.key)
        open_loans = read_rows(own.limit(limits.loans + 1), Loan)

    def user(user_id: str) -> user_pb2.User:
        known = users.get(user_id)
        message = known and shown(known, lambda row: user_message(row, counts[user_id]), user_id)
        return message or user_pb2.User(id=user_id)

    def loan(row: Loan | Damaged) -> loan_pb2.Loan | None:
        return shown(row, lambda readable_row: loan_message(readable_row, now), row.key)

    return borrower_page(request, user_ids, open_loans, user, loan, limits)


def users_of_rows(user_ids: Iterable[str]) -> dict[str, user_pb2.User]:
    """Return the known ones of these users by id, each with the number of open loans; within a transaction."""
    wanted = sorted(set(user_ids))
    counts = _open_loan_counts(wanted)
    rows = read_rows(User.select().where(User.id.in_(wanted)), User)
    known = {row.id: shown(row, _message_with(counts), row.id) for row in rows if isinstance(row, User)}
    return {user_id: message for user_id, message in known.items() if message}


def _message_with(counts: Mapping[str, int]) -> Callable[[User], user_pb2.User]:
    return lambda row: user_message(row, counts.get(row.id, 0))


def _open_loan_counts(user_ids: Iterable[str]) -> dict[str, int]:
    """Return the number of open loans of each of these users, by user id."""
    query = (
        Loan.select(Loan.user_id, peewee.fn.COUNT(Loan.key))
        .where(Loan.user_id.in_(list(user_ids)), Loan.return_time.is_null())
        .group_by(Loan.user_id)
    )
    return dict(tuples(query))
