"""Two calls at a time on one admin's store, the second of which comes upon what the first has not committed yet."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from admin_server.store.models import Frontend
from admin_server.sync import records
from admin_server.sync.epochs import decode_cursor
from library.admin.v1.catalog_service_pb2 import IMPORT_RESULT_ADDED, IMPORT_RESULT_ALREADY_THERE, AddBookRequest
from library.sync.v1.sync_service_pb2 import RecordStatesResponse
from library.v1.book_pb2 import BOOK_STATE_ACTIVE
from library_domain.errors import BookOnLoan, IsbnTaken
from tests.support.admin import Admin
from tests.support.waiting import WAIT_SECONDS, begin_beside, second_beside

ISBN = "9780141439587"


def test_of_two_calls_at_a_time_the_older_one_does_not_lower_the_newest_revision(
    admin: Admin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By that revision a frontend that was restored from a backup learns that it is an old copy."""
    admin.record(admin.user_record(1))
    older, newer = admin.user_record(5), admin.user_record(10)
    with ThreadPoolExecutor(1) as thread:
        calls: list[Future[RecordStatesResponse]] = []

        def decode_cursor_meanwhile(token: str, field: str) -> int:
            """When the first call has read the newest revision, and not recorded its rows yet, begin the second."""
            if not calls:
                monkeypatch.undo()
                calls.append(begin_beside(admin.store, thread, lambda: admin.record(newer)))
            return decode_cursor(token, field)

        monkeypatch.setattr(records, "decode_cursor", decode_cursor_meanwhile)
        admin.record(older)
        assert calls[0].result(WAIT_SECONDS).newest_revision == 10
    with admin.store.reading():
        assert Frontend.get().newest_revision == 10


def test_a_book_is_not_removed_while_a_loan_of_it_is_being_recorded(admin: Admin) -> None:
    book = admin.add("Emma")
    loan = admin.loan_record(1, book_id=book.id)

    with pytest.raises(BookOnLoan):
        second_beside(admin.store, lambda: admin.record(loan), lambda: admin.remove(book.id))

    assert (admin.get(book.id).state, admin.get(book.id).available_copies) == (BOOK_STATE_ACTIVE, 0)


def test_of_two_books_with_one_isbn_at_a_time_the_second_is_refused(admin: Admin) -> None:
    with pytest.raises(IsbnTaken):
        second_beside(admin.store, lambda: admin.add("First", isbn=ISBN), lambda: admin.add("Second", isbn=ISBN))
    assert admin.titles() == ["First"]


def test_an_import_waits_for_another_that_adds_the_same_book(admin: Admin) -> None:
    row = AddBookRequest(title="Emma", isbn=ISBN)
    other = AddBookRequest(title="Another book")

    outcomes = second_beside(admin.store, lambda: admin.import_rows(row), lambda: admin.import_rows(row, other))

    assert [outcome.result for outcome in outcomes] == [IMPORT_RESULT_ALREADY_THERE, IMPORT_RESULT_ADDED]
    assert admin.titles() == ["Emma", "Another book"]
