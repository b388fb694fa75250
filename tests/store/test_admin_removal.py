"""Books are removed from the catalogue and kept in the store, on both engines."""

from __future__ import annotations

import pytest

from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, Book
from library_domain.errors import BookOnLoan, BookRemoved
from service_kit.clock import timestamp
from tests.support.admin import Admin

# --- removing ---


def test_a_removed_book_is_kept_but_listed_only_when_asked_for(admin: Admin) -> None:
    kept, gone = admin.add("Kept"), admin.add("Gone")
    admin.clock.advance(days=1)
    removed = admin.remove(gone.id)
    assert (removed.state, removed.available_copies) == (BOOK_STATE_REMOVED, 0)
    assert removed.update_time == timestamp(admin.clock())
    assert admin.get(gone.id) == removed
    assert admin.titles() == admin.titles(state=BOOK_STATE_ACTIVE) == ["Kept"]
    assert admin.titles(state=BOOK_STATE_REMOVED) == ["Gone"]
    assert admin.titles(query="gone") == []
    assert admin.get(kept.id) == kept


def test_removing_again_changes_nothing(admin: Admin) -> None:
    removed = admin.remove(admin.add("Emma").id)
    admin.clock.advance(days=1)
    assert admin.remove(removed.id) == removed


def test_a_removed_book_cannot_be_changed(admin: Admin) -> None:
    removed = admin.remove(admin.add("Emma").id)
    with pytest.raises(BookRemoved):
        admin.update(Book(id=removed.id, title="Back again"))
    with pytest.raises(BookRemoved):
        admin.update(Book(id=removed.id, state=BOOK_STATE_ACTIVE))


def test_a_book_with_copies_out_is_removed_only_when_it_is_withdrawn(admin: Admin) -> None:
    book = admin.add("Emma", copies=3)
    admin.record(admin.loan_record(1, book_id=book.id), admin.loan_record(2, book_id=book.id))
    before = admin.get(book.id)
    with pytest.raises(BookOnLoan) as refused:
        admin.remove(book.id)
    assert refused.value.metadata == {"book_id": book.id, "copies_out": "2"}
    assert admin.get(book.id) == before
    assert admin.remove(book.id, withdraw=True).state == BOOK_STATE_REMOVED
    assert len(admin.loans(book_id=book.id)) == 2


def test_a_book_whose_loans_came_back_is_removed(admin: Admin) -> None:
    book = admin.add("Emma")
    admin.record(loan := admin.loan_record(1, book_id=book.id))
    loan.revision = 2
    loan.loan.return_time.CopyFrom(timestamp(admin.clock()))
    admin.record(loan)
    assert admin.remove(book.id).state == BOOK_STATE_REMOVED


def test_a_change_of_the_entry_keeps_the_count_of_what_is_out(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    admin.record(admin.loan_record(1, book_id=book.id))
    assert admin.update(Book(id=book.id, title="Emma!")).available_copies == 1
    assert admin.update(Book(id=book.id, total_copies=1)).available_copies == 0
