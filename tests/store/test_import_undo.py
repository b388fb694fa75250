"""A run of imports is taken back, but for what was changed or lent since, on both engines."""

from __future__ import annotations

import pytest

from admin_server.intake import undo
from admin_server.intake.imports import ImportLimits
from admin_server.store.models import Book as BookRow
from admin_server.store.models import ImportBook, ImportRun
from library.admin.v1.catalog_service_pb2 import (
    UNDO_RESULT_UNREADABLE,
    AddBookRequest,
    UndoImportRequest,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED, Book
from library_domain.errors import ImportRunNotFound, ImportRunUndone
from service_kit.errors import FieldInvalid, RowUnreadable
from service_kit.ids import new_id
from tests.support.admin import Admin
from tests.support.import_runs import (
    ADDED,
    CHANGED_SINCE,
    DUNE,
    LENT_SINCE,
    REFUSED,
    REMOVED,
    RESTORED,
    THERE,
    UPDATED,
    add_copies,
    options,
    results,
    shown,
    update,
)
from tests.support.isbns import isbn13


def test_an_undone_run_leaves_the_catalogue_as_it_was(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, authors=["Herbert"], publisher="Ace", copies=2)
    emma = admin.add("Emma", isbn=isbn13(7))
    run = update(new_id())
    rows = [
        AddBookRequest(title="Dune!", isbn=DUNE, authors=["F. Herbert"], publisher="Ace Books"),
        AddBookRequest(title="New", isbn=isbn13(1)),
        AddBookRequest(title="Newer", isbn=isbn13(1)),
        AddBookRequest(title="Dune?", isbn=DUNE, copies=5),
        AddBookRequest(title="Emma", isbn=isbn13(7)),
    ]
    outcomes = admin.import_rows(*rows, options=run, limits=ImportLimits(batch_rows=2))
    assert results(outcomes) == [UPDATED, ADDED, UPDATED, UPDATED, THERE]
    _, cursor = admin.changes()
    undone = {outcome.book_id: (outcome.title, outcome.result) for outcome in admin.undo(run.run_id, page_size=1)}
    assert undone == {dune.id: ("Dune?", RESTORED), outcomes[1].book_id: ("Newer", REMOVED)}
    assert shown(admin.get(dune.id)) == shown(dune)
    assert admin.get(outcomes[1].book_id).state == BOOK_STATE_REMOVED
    assert admin.get(emma.id) == emma
    assert admin.titles(query="ace") == []
    assert admin.titles(query="dune herbert") == ["Dune"]
    pushed, cursor = admin.changes(cursor)
    assert {(change.book.id, change.book.title) for change in pushed} == {
        (dune.id, "Dune"), (outcomes[1].book_id, "Newer"),
    }  # fmt: skip
    # Again: nothing more is done, also after others have changed the books, and the answers are the same.
    admin.update(Book(id=dune.id, publisher="Third"), "publisher")
    assert {outcome.book_id: (outcome.title, outcome.result) for outcome in admin.undo(run.run_id)} == {
        dune.id: ("Dune", RESTORED), outcomes[1].book_id: ("Newer", REMOVED),
    }  # fmt: skip
    assert admin.get(dune.id).publisher == "Third"
    for validate_only in (False, True):
        with pytest.raises(ImportRunUndone, match=run.run_id):
            admin.import_rows(*rows, options=run, validate_only=validate_only)
    assert admin.import_runs()[0].HasField("undo_time")
    assert results(admin.import_rows(rows[1])) == [ADDED]  # its ISBN is free again


def test_what_was_changed_or_lent_since_is_left_alone(admin: Admin) -> None:
    names = ["changed", "lent", "returned", "removed", "copies", "copies out", "text", "plain"]
    there = {name: admin.add(name, isbn=isbn13(50 + place), copies=2) for place, name in enumerate(names[4:7])}
    admin.record(admin.loan_record(book_id=there["copies"].id), admin.loan_record(book_id=there["copies out"].id))
    run = update(new_id())
    admin.clock.advance(seconds=10)
    rows = [AddBookRequest(title=name) for name in names]
    for place, row in enumerate(rows):
        row.isbn = isbn13(46 + place)
        if row.title.startswith("copies"):
            row.copies = 4
        elif row.title == "text":
            row.publisher = "P"
    ids = {name: outcome.book_id for name, outcome in zip(names, admin.import_rows(*rows, options=run), strict=True)}
    admin.clock.advance(seconds=10)
    admin.update(Book(id=ids["changed"], publisher="Mine"), "publisher")
    admin.record(
        admin.loan_record(revision=2, book_id=ids["lent"]),
        admin.loan_record(revision=2, book_id=ids["returned"], returned=True),
        admin.loan_record(revision=2, book_id=ids["text"]),
        admin.loan_record(revision=2, book_id=ids["copies out"], returned=True),
    )
    admin.remove(ids["removed"])
    undone = {outcome.book_id: outcome.result for outcome in admin.undo(run.run_id)}
    assert {name: undone[book_id] for name, book_id in ids.items()} == {
        "changed": CHANGED_SINCE, "lent": LENT_SINCE, "returned": LENT_SINCE, "removed": REMOVED,
        "copies": RESTORED, "copies out": LENT_SINCE, "text": RESTORED, "plain": REMOVED,
    }  # fmt: skip
    assert [admin.get(ids[name]).total_copies for name in ("copies", "copies out")] == [2, 4]
    assert [admin.get(ids[name]).state == BOOK_STATE_REMOVED for name in ("changed", "lent", "plain")] == [
        False, False, True,
    ]  # fmt: skip


def test_copies_that_are_out_are_not_taken_away_at_any_time_of_the_frontends_clock(admin: Admin) -> None:
    book = admin.add("Dune", isbn=DUNE, copies=1)
    early = [admin.loan_record(revision=2, book_id=book.id) for _ in range(2)]
    admin.clock.advance(seconds=10)
    run = add_copies()
    admin.import_rows(AddBookRequest(title="Dune", isbn=DUNE, copies=2), options=run)
    admin.record(*early)
    assert [outcome.result for outcome in admin.undo(run.run_id)] == [LENT_SINCE]
    assert admin.get(book.id).total_copies == 3


def test_what_others_changed_while_a_run_went_on_is_left_alone(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, publisher="Ace", copies=1)
    run = add_copies()
    row = AddBookRequest(title="Dune", isbn=DUNE)
    admin.import_rows(row, options=run)
    admin.update(Book(id=dune.id, total_copies=7), "total_copies")
    admin.import_rows(row, row, options=run)
    assert admin.get(dune.id).total_copies == 8
    assert [outcome.result for outcome in admin.undo(run.run_id)] == [CHANGED_SINCE]
    assert admin.get(dune.id).total_copies == 8


def test_an_unknown_run_and_another_runs_token_are_refused(admin: Admin) -> None:
    with pytest.raises(ImportRunNotFound):
        admin.undo(new_id())
    runs = [options(run_id=new_id()) for _ in range(3)]
    for run in runs:
        admin.clock.advance(seconds=1)
        admin.import_rows(AddBookRequest(title="A"), AddBookRequest(title="B"), options=run)
    assert [run.id for run in admin.import_runs(page_size=1)] == [run.run_id for run in reversed(runs)]
    first = undo.undo_import(admin.store, UndoImportRequest(run_id=runs[0].run_id, page_size=1), admin.clock)
    assert first.next_page_token
    for token in (first.next_page_token, "x"):
        request = UndoImportRequest(run_id=runs[1].run_id, page_size=1, page_token=token)
        with pytest.raises(FieldInvalid, match="page_token"):
            undo.undo_import(admin.store, request, admin.clock)
    assert len(admin.titles()) == 5


def test_damaged_rows_are_named_and_stop_no_other(admin: Admin) -> None:
    ids = [admin.add(f"T{number}", isbn=isbn13(number), publisher="P").id for number in range(3)]
    rows = [AddBookRequest(title=f"T{number}", isbn=isbn13(number), publisher="Q") for number in range(3)]
    run = update(new_id())
    admin.import_rows(rows[0], rows[1], options=run)
    with admin.store.writing():
        BookRow.update(authors="no JSON").where(BookRow.id == ids[1]).execute()
        ImportBook.update(before="no JSON").where(ImportBook.book_id == ids[0]).execute()
    for each in (update(), update(match_title=True)):
        outcomes = admin.import_rows(*rows, options=each)
        assert results(outcomes) == [THERE, REFUSED, UPDATED if each.match_title is False else THERE]
        assert "damaged" in outcomes[1].problems[0].description
    assert results(admin.import_rows(*rows)) == [THERE] * 3
    assert [outcome.result for outcome in admin.undo(run.run_id)] == [UNDO_RESULT_UNREADABLE] * 2
    with admin.store.writing():
        ImportRun.update(on_duplicate=77, undo_time=None).execute()
    with pytest.raises(RowUnreadable):
        admin.import_rows(rows[2], options=run)
