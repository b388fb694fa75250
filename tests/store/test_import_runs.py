"""Runs of imports on both engines: books that are there already, no row twice, and how a run is taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from admin_server.intake import imports, undo
from admin_server.intake.imports import ImportLimits
from admin_server.store.models import Book as BookRow
from admin_server.store.models import ImportBook, ImportRow, ImportRun
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_REFUSED,
    IMPORT_RESULT_UPDATED,
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UNSPECIFIED,
    ON_DUPLICATE_UPDATE,
    UNDO_RESULT_CHANGED_SINCE,
    UNDO_RESULT_LENT_SINCE,
    UNDO_RESULT_REMOVED,
    UNDO_RESULT_RESTORED,
    UNDO_RESULT_UNREADABLE,
    AddBookRequest,
    ImportBooksRequest,
    ImportOptions,
    ImportOutcome,
    UndoImportRequest,
)
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library_domain.errors import ImportRunNotFound, ImportRunUndone
from service_kit.errors import FieldInvalid, RowUnreadable
from service_kit.ids import new_id
from service_kit.revisions import lock_revisions
from service_kit.statements import tuples
from tests.store.test_admin_imports import isbn13
from tests.support.admin import Admin

ADDED, THERE, REFUSED = IMPORT_RESULT_ADDED, IMPORT_RESULT_ALREADY_THERE, IMPORT_RESULT_REFUSED
UPDATED, COPIES_ADDED = IMPORT_RESULT_UPDATED, IMPORT_RESULT_COPIES_ADDED
REMOVED, RESTORED = UNDO_RESULT_REMOVED, UNDO_RESULT_RESTORED
CHANGED_SINCE, LENT_SINCE = UNDO_RESULT_CHANGED_SINCE, UNDO_RESULT_LENT_SINCE

DUNE = "9780441013593"


def options(mode: int = ON_DUPLICATE_SKIP, *, run_id: str = "", match_title: bool = False) -> ImportOptions:
    return ImportOptions(on_duplicate=mode, run_id=run_id, match_title=match_title)  # type: ignore[arg-type]


def update(run_id: str = "", *, match_title: bool = False) -> ImportOptions:
    return options(ON_DUPLICATE_UPDATE, run_id=run_id, match_title=match_title)


def add_copies(run_id: str = "", *, match_title: bool = False) -> ImportOptions:
    return options(ON_DUPLICATE_ADD_COPIES, run_id=run_id or new_id(), match_title=match_title)


def results(outcomes: list[ImportOutcome]) -> list[int]:
    return [outcome.result for outcome in outcomes]


def changes(outcome: ImportOutcome) -> dict[str, tuple[str, str]]:
    return {change.field: (change.old_value, change.new_value) for change in outcome.changes}


def shown(book: Book) -> tuple[object, ...]:
    return (book.title, list(book.authors), book.publisher, book.published_year, book.total_copies, book.state)


def test_a_duplicate_is_skipped_and_what_would_change_is_shown(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, publisher="Ace", authors=["F. Herbert"], copies=2)
    row = AddBookRequest(title="Dune", isbn=DUNE, publisher="Ace Books", authors=["F. Herbert", "B. Herbert"], copies=3)
    for each in (None, options(ON_DUPLICATE_UNSPECIFIED), options(run_id=new_id())):
        [outcome] = admin.import_rows(row, options=each)
        assert (outcome.result, outcome.book_id) == (THERE, dune.id)
        assert changes(outcome) == {
            "publisher": ("Ace", "Ace Books"),
            "authors": ("F. Herbert", "F. Herbert; B. Herbert"),
            "copies": ("2", "3"),
        }
    assert admin.get(dune.id) == dune


def test_an_update_changes_only_what_the_row_has(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, publisher="Ace", authors=["F. Herbert"], copies=2, description="Sand")
    _, cursor = admin.changes()
    row = AddBookRequest(title="DUNE ", isbn="0441013597", publisher="Ace Books", published_year=-44)
    [dry] = admin.import_rows(row, options=update(), validate_only=True)
    assert admin.get(dune.id) == dune
    [outcome] = admin.import_rows(row, options=update())
    assert dry == outcome
    assert outcome.result == UPDATED
    assert changes(outcome) == {
        "title": ("Dune", "DUNE"),
        "publisher": ("Ace", "Ace Books"),
        "published_year": ("", "-44"),
    }
    now = admin.get(dune.id)
    assert shown(now) == ("DUNE", ["F. Herbert"], "Ace Books", -44, 2, dune.state)
    assert (now.description, now.etag != dune.etag) == ("Sand", True)
    assert admin.titles(publisher=["ace books"]) == ["DUNE"]
    [change], cursor = admin.changes(cursor)  # the frontend learns of it, once
    assert change.book.publisher == "Ace Books"
    [again] = admin.import_rows(row, options=update())
    assert (again.result, list(again.changes)) == (THERE, [])
    assert admin.changes(cursor) == ([], cursor)
    unavailable = admin.update(Book(id=dune.id, state=BOOK_STATE_UNAVAILABLE), "state")
    admin.import_rows(AddBookRequest(title="Dune", isbn=DUNE), options=update())
    assert admin.get(dune.id).state == unavailable.state


def test_copies_are_added_up_to_what_a_book_may_have(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, publisher="Ace", copies=2)
    rows = [
        AddBookRequest(title="Dune", isbn=DUNE, publisher="Other", copies=3),
        AddBookRequest(title="Dune", isbn=DUNE),
        AddBookRequest(title="Dune", isbn=DUNE, copies=9_995),
        AddBookRequest(title="New", isbn=isbn13(1), copies=2),
        AddBookRequest(title="New", isbn=isbn13(1), copies=5),
    ]
    outcomes = admin.import_rows(*rows, options=add_copies())
    assert results(outcomes) == [COPIES_ADDED, COPIES_ADDED, REFUSED, ADDED, COPIES_ADDED]
    assert [changes(outcomes[line]) for line in (0, 1)] == [{"copies": ("2", "5")}, {"copies": ("5", "6")}]
    assert [problem.field for problem in outcomes[2].problems] == ["copies"]
    assert shown(admin.get(dune.id)) == ("Dune", [], "Ace", 0, 6, dune.state)
    assert admin.get(outcomes[3].book_id).total_copies == 7
    assert len(admin.changes()[0]) == 2


def test_options_that_are_wrong_or_change_are_refused(admin: Admin) -> None:
    row = AddBookRequest(title="Dune")
    for wrong, field in (
        (options(ON_DUPLICATE_ADD_COPIES), "options.run_id"),
        (options(run_id="7"), "options.run_id"),
        (options(9), "options.on_duplicate"),
        (ImportOptions(source="x" * 201), "options.source"),
    ):
        with pytest.raises(FieldInvalid) as refusal:
            admin.import_rows(row, options=wrong)
        assert [name for name, _ in refusal.value.problems] == [field]
    run_id = new_id()
    stream = [
        ImportBooksRequest(line=1, book=row, options=update(run_id.upper())),
        ImportBooksRequest(line=2, book=row),
        ImportBooksRequest(line=3, book=row, options=add_copies(run_id)),
        ImportBooksRequest(line=0, book=row, options=update(run_id)),
        ImportBooksRequest(line=5, book=row, options=update(run_id)),
    ]
    outcomes = imports.import_books(admin.store, stream, admin.clock)
    assert results(outcomes) == [ADDED, ADDED, REFUSED, REFUSED, ADDED]
    assert [outcomes[place].problems[0].field for place in (2, 3)] == ["options", "line"]
    for other in (add_copies(run_id), options(run_id=run_id), update(run_id, match_title=True)):
        for validate_only in (False, True):
            with pytest.raises(FieldInvalid, match="as in the earlier rows of this run"):
                admin.import_rows(row, options=other, validate_only=validate_only)
    assert admin.titles() == ["Dune"] * 3


def test_a_row_of_a_run_is_applied_once_however_often_it_is_sent(admin: Admin) -> None:
    limits = ImportLimits(batch_rows=3)
    admin.add("Dune", isbn=DUNE, copies=2)
    rows = [
        AddBookRequest(title="No ISBN"),
        AddBookRequest(title="No ISBN"),
        AddBookRequest(title="Dune", isbn=DUNE, copies=3),
        AddBookRequest(title="Wrong", copies=0),
        AddBookRequest(title="Dune", isbn=DUNE, copies=3),
    ]
    run = add_copies()
    first = admin.import_rows(*rows[:4], options=run, limits=limits)
    before = admin.changes()
    assert results(first) == [ADDED, ADDED, COPIES_ADDED, REFUSED]
    rows[3].copies = 1  # a row that was refused can be sent again in another form
    again = admin.import_rows(*rows, options=run, limits=limits)
    assert results(again) == [ADDED, ADDED, COPIES_ADDED, ADDED, COPIES_ADDED]
    assert [outcome.already_done for outcome in again] == [True, True, True, False, False]
    assert [outcome.book_id for outcome in again[:3]] == [outcome.book_id for outcome in first[:3]]
    assert admin.titles() == ["Dune", "No ISBN", "No ISBN", "Wrong"]
    assert admin.books()[0].total_copies == 8
    assert len(admin.changes()[0]) == len(before[0]) + 1
    rows[0].publisher = "Other"
    changed = admin.import_rows(*rows, options=run, limits=limits)
    assert results(changed)[0] == REFUSED
    assert [(problem.field, "other values" in problem.description) for problem in changed[0].problems] == [
        ("line", True)
    ]
    assert all(outcome.already_done for outcome in changed[1:])
    [entry] = admin.import_runs()
    assert (entry.added_count, entry.copies_added_count, entry.already_there_count) == (3, 2, 0)
    # The same line twice in one batch.
    twice = [ImportBooksRequest(line=9, book=AddBookRequest(title="Twice"), options=run)] * 2
    outcomes = imports.import_books(admin.store, twice, admin.clock, limits)
    assert [(outcome.result, outcome.already_done) for outcome in outcomes] == [(ADDED, False), (ADDED, True)]
    assert admin.titles().count("Twice") == 1


def test_a_dry_run_remembers_nothing(admin: Admin) -> None:
    run = add_copies()
    rows = [AddBookRequest(title="A", isbn=DUNE), AddBookRequest(title="A", isbn=DUNE)]
    assert results(admin.import_rows(*rows, options=run, validate_only=True)) == [ADDED, COPIES_ADDED]
    assert admin.import_runs() == []
    assert results(admin.import_rows(*rows, options=run)) == [ADDED, COPIES_ADDED]


def test_a_row_without_an_isbn_is_recognized_by_title_and_first_author(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, authors=["Frank Herbert"])
    same = ["  dUNE", "DÚNE!", "Dune\u200b", "Ｄｕｎｅ"]
    rows = [AddBookRequest(title=title, authors=["frank  HERBERT", "Another"]) for title in same]
    others = [
        AddBookRequest(title="Dune", authors=["Another", "Frank Herbert"]),
        AddBookRequest(title="Dune"),
        AddBookRequest(title="Dune", authors=["Frank Herbert"], isbn=isbn13(1)),  # another edition
        AddBookRequest(title="C", authors=["Frank Herbert"]),
        AddBookRequest(title="C++", authors=["Frank Herbert"]),
        AddBookRequest(title="C#", authors=["Frank Herbert"]),
        AddBookRequest(title="???", authors=["Frank Herbert"]),
        AddBookRequest(title="!!!", authors=["Frank Herbert"]),
    ]
    match = options(match_title=True)
    dry = admin.import_rows(*rows, *others, others[1], options=match, validate_only=True)
    wet = admin.import_rows(*rows, *others, others[1], options=match)
    assert results(dry) == results(wet) == [THERE] * len(same) + [ADDED] * len(others) + [THERE]
    assert {outcome.book_id for outcome in wet[: len(same)]} == {dune.id}
    assert wet[-1].book_id == wet[len(same) + 1].book_id
    # There are two books of this title and author by now, and which one is meant is not known.
    [ambiguous] = admin.import_rows(rows[0], options=match)
    assert ambiguous.result == REFUSED
    assert dune.id in ambiguous.problems[0].description
    assert wet[len(same) + 2].book_id in ambiguous.problems[0].description
    assert results(admin.import_rows(rows[0])) == [ADDED]  # only where it is asked for


def test_a_title_is_recognized_after_every_way_to_write_it(admin: Admin) -> None:
    match = options(match_title=True)

    def known(title: str, author: str) -> bool:
        [outcome] = admin.import_rows(AddBookRequest(title=title, authors=[author]), options=match, validate_only=True)
        return outcome.result == THERE

    book = admin.add("Emma", authors=["Jane Austen"])
    assert known("EMMA", "jane austen")
    admin.update(Book(id=book.id, title="Emma (annotated)", authors=["J. Austen"]), "title", "authors")
    assert (known("Emma", "Jane Austen"), known("emma annotated", "J. Austen")) == (False, True)
    admin.remove(book.id)
    assert not known("emma annotated", "J. Austen")
    [row] = admin.import_rows(AddBookRequest(title="Villette", isbn=DUNE))
    admin.import_rows(AddBookRequest(title="Shirley", isbn=DUNE, authors=["Bronte"]), options=update(new_id()))
    assert known("Shirley", "Brontë")
    assert not known("Villette", "")
    assert admin.get(row.book_id).title == "Shirley"


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


def test_a_row_is_not_recognized_by_a_title_that_an_earlier_row_has_changed(admin: Admin) -> None:
    admin.add("Dune", isbn=DUNE, authors=["Herbert"])
    rows = [
        AddBookRequest(title="Dune Messiah", isbn=DUNE),
        AddBookRequest(title="Dune", authors=["Herbert"]),
        AddBookRequest(title="dune messiah", authors=["herbert"], publisher="Ace"),
    ]
    outcomes = admin.import_rows(*rows, options=update(new_id(), match_title=True))
    assert results(outcomes) == [UPDATED, ADDED, UPDATED]
    assert outcomes[2].book_id == outcomes[0].book_id


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


def test_streams_of_one_run_at_the_same_time_add_each_row_once(admin: Admin) -> None:
    dune = admin.add("Dune", isbn=DUNE, copies=1)
    run = add_copies()
    rows = [AddBookRequest(title=f"T{number}") for number in range(40)] + [AddBookRequest(title="Dune", isbn=DUNE)]
    start = Barrier(4)

    def import_all(turn: int) -> list[ImportOutcome]:
        start.wait()
        try:
            return admin.import_rows(*rows, options=run)
        finally:
            if not admin.store.is_postgresql:
                admin.store.database.close()

    with ThreadPoolExecutor(4) as threads:
        outcomes = [outcome for each in threads.map(import_all, range(4)) for outcome in each]
    assert sum(not outcome.already_done for outcome in outcomes) == len(rows)
    assert len(admin.titles()) == len(rows)
    assert admin.get(dune.id).total_copies == 2


def test_a_book_that_comes_between_is_found(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another writer adds a row's book after it was looked for, and before the revisions are locked."""
    if not admin.store.is_postgresql:
        pytest.skip("on SQLite one transaction writes at a time")
    added: list[Book] = []
    lock_calls = []

    def add_first() -> None:
        lock_calls.append(1)
        if not added:
            other = threading.Thread(target=lambda: added.append(admin.add("Dune", isbn=DUNE, copies=3)))
            other.start()
            other.join()
        lock_revisions()

    monkeypatch.setattr("admin_server.intake.batches.lock_revisions", add_first)
    [outcome] = admin.import_rows(AddBookRequest(title="Dune", isbn=DUNE, copies=2), options=add_copies())
    assert (outcome.result, outcome.book_id) == (COPIES_ADDED, added[0].id)
    assert admin.get(outcome.book_id).total_copies == 5
    assert len(lock_calls) == 2, "its row was locked before the revisions, by a second try"


def test_nothing_of_a_batch_that_fails_is_remembered(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise ConnectionError

    run = options(run_id=new_id())
    with monkeypatch.context() as patch:
        patch.setattr("admin_server.intake.runs.SAVE_BOOK.many", fail)
        with pytest.raises(ConnectionError):
            admin.import_rows(AddBookRequest(title="A"), options=run)
    assert (admin.titles(), admin.import_runs()) == ([], [])
    assert results(admin.import_rows(AddBookRequest(title="A"), options=run)) == [ADDED]


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


def test_changes_do_not_take_the_room_of_the_outcomes(admin: Admin) -> None:
    admin.add("Dune", isbn=DUNE, description="x" * 10_000, authors=["y" * 200] * 50)
    row = AddBookRequest(title="Dune", isbn=DUNE, description="ü" * 10_000, authors=["é" * 200] * 50)
    outcomes = admin.import_rows(*[row] * 10, limits=ImportLimits(changes_bytes=1_000))
    assert results(outcomes) == [THERE] * 10
    assert outcomes[0].ByteSize() < 1_000
    assert [bool(outcome.changes) for outcome in outcomes] == [True] + [False] * 9


def test_the_statements_of_a_batch_do_not_grow_with_its_rows(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    books = [AddBookRequest(title=f"T{number}", isbn=isbn13(number)) for number in range(200)]
    admin.import_rows(*books)
    for book in books:
        book.publisher = "P"
    counted: list[str] = []
    execute: Callable[..., object] = admin.store.database.execute_sql

    def count(sql: str, *args: object, **kwargs: object) -> object:
        counted.append(sql)
        return execute(sql, *args, **kwargs)

    monkeypatch.setattr(admin.store.database, "execute_sql", count)
    admin.import_rows(*books, options=update(new_id(), match_title=True))
    assert len(counted) < 40, counted
    counted.clear()
    admin.import_rows(AddBookRequest(title="T1", isbn=isbn13(1), publisher="Q"), options=update(new_id()))
    assert len(counted) > 5
    with admin.store.reading():
        assert [len(tuples(model.select())) for model in (ImportRow, ImportBook)] == [201, 201]
        assert tuples(BookRow.select(BookRow.id).where(BookRow.title_key == 0)) == []
