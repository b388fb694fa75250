"""Reports of what was recorded: users, borrowers, loans and counts, on both engines."""

from __future__ import annotations

from itertools import product

import pytest

from admin_server.reports.loans import list_loans
from admin_server.reports.status import get_status
from admin_server.reports.users import get_user
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.sync.v1.sync_service_pb2 import (
    State,
)
from library.v1.loan_pb2 import LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.errors import UserNotFound
from service_kit.clock import DAY, timestamp
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from tests.support.admin import FRONTEND, Admin

# --- reports ---


def test_users_are_listed_page_by_page_with_what_they_have_out(admin: Admin) -> None:
    people = [admin.user_record(number, email=f"p{number}@example.org") for number in range(1, 8)]
    admin.record(*people)
    first, second = people[0].user.id, people[1].user.id
    admin.record(
        admin.loan_record(8, user_id=first),
        admin.loan_record(9, user_id=first),
        admin.loan_record(10, user_id=first, returned=True),
        admin.loan_record(11, user_id=second),
    )
    for page_size in (1, 3, 7, 8):
        users = admin.users(page_size)
        assert [user.email for user in users] == [f"p{number}@example.org" for number in range(1, 8)]
        assert [user.active_loan_count for user in users] == [2, 1, 0, 0, 0, 0, 0]


def test_an_unknown_user_is_not_found(admin: Admin) -> None:
    record = admin.user_record(1)
    admin.record(record)
    assert get_user(admin.store, record.user.id) == record.user
    with pytest.raises(UserNotFound):
        get_user(admin.store, new_id())


def test_borrowers_are_those_with_books_out_each_with_those_loans(admin: Admin) -> None:
    people = [admin.user_record(number) for number in range(1, 6)]
    admin.record(*people)
    ids = [person.user.id for person in people]
    admin.record(
        *[admin.loan_record(number, user_id=ids[number % 3], book_title=f"T{number}") for number in range(10, 16)],
        admin.loan_record(20, user_id=ids[3], returned=True),
        stranger := admin.loan_record(21, book_title="Stranger"),
    )
    expected = {
        ids[1]: ["T10", "T13"],
        ids[2]: ["T11", "T14"],
        ids[0]: ["T12", "T15"],
        stranger.loan.user_id: ["Stranger"],
    }
    for page_size in (1, 2, 3, 4, 5):
        borrowers = admin.borrowers(page_size)
        assert {who.user.id: [loan.book_title for loan in who.loans] for who in borrowers} == expected
        assert len(borrowers) == 4
        assert [who.user.active_loan_count for who in borrowers if who.user.email] == [2, 2, 2]


def test_loans_are_listed_by_every_filter_by_the_clock(admin: Admin) -> None:
    books, users = [new_id() for _ in range(2)], [new_id() for _ in range(2)]
    records = [
        admin.loan_record(number, days, returned=returned, book_id=books[book], user_id=users[user])
        for number, (book, user, days, returned) in enumerate(
            [(b, u, d, r) for b in range(2) for u in range(2) for d in (1, 10) for r in (False, True)], 1
        )
    ]
    admin.record(*records)
    borrowed = admin.clock()
    for days, overdue_days in ((0, []), (1, []), (1.1, [1]), (11, [1, 10])):
        admin.clock.now = borrowed + round(days * DAY)

        def state_of(record: State, overdue_days: list[int] = overdue_days) -> int:
            if record.loan.HasField("return_time"):
                return LOAN_STATE_RETURNED
            return LOAN_STATE_OVERDUE if record.loan.days in overdue_days else LOAN_STATE_ACTIVE

        states = (0, LOAN_STATE_ACTIVE, LOAN_STATE_OVERDUE, LOAN_STATE_RETURNED)
        for book_id, user_id, state, only_open in product(("", *books), ("", *users), states, (False, True)):
            expected = [
                (record.loan.id, state_of(record))
                for record in records
                if book_id in ("", record.loan.book_id)
                and user_id in ("", record.loan.user_id)
                and state in (0, state_of(record))
                and not (only_open and record.loan.HasField("return_time"))
            ]
            filters = {"book_id": book_id, "user_id": user_id, "state": state, "only_open": only_open}
            found = admin.loans(page_size=3, **filters)
            assert [(loan.id, loan.state) for loan in found] == expected


def test_a_page_token_of_the_loans_that_are_out_is_good_for_those_only(admin: Admin) -> None:
    admin.record(*(admin.loan_record(number) for number in (1, 2)))
    request = ListLoansRequest(page_size=1, only_open=True)
    _, request.page_token = list_loans(admin.store, request, admin.clock)
    for other in (ListLoansRequest(), ListLoansRequest(only_open=True, state=LOAN_STATE_ACTIVE)):
        other.page_token = request.page_token
        with pytest.raises(FieldInvalid, match="page_token"):
            list_loans(admin.store, other, admin.clock)
    [second], end = list_loans(admin.store, request, admin.clock)
    assert (second.id, end) == (admin.loans()[1].id, "")


def test_the_status_counts_what_there_is(admin: Admin) -> None:
    empty = get_status(admin.store)
    assert (empty.book_count, empty.user_count, empty.loan_count, empty.frontend_id) == (0, 0, 0, "")
    admin.remove(admin.add("Gone").id)
    admin.add("Here", copies=3)
    admin.record(admin.user_record(1))
    admin.record(admin.loan_record(2), admin.loan_record(3, returned=True))
    status = get_status(admin.store)
    assert (status.book_count, status.user_count, status.loan_count, status.open_loan_count) == (2, 1, 2, 1)
    assert (status.title_count, status.copy_count, status.current_user_count) == (1, 3, 1), "as they are now"
    closed = admin.user_record(2)
    closed.user.state = USER_STATE_CLOSED
    admin.record(closed)
    status = get_status(admin.store)
    assert (status.user_count, status.current_user_count) == (2, 1)
    assert status.frontend_id == FRONTEND
    assert status.revision > empty.revision
    assert status.epoch == empty.epoch
    assert status.store_size_bytes > 4_096
    assert status.epoch_time == timestamp(admin.clock())
    admin.restart()
    assert get_status(admin.store).epoch != status.epoch
