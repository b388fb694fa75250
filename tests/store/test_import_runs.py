"""Runs of imports on both engines: books that are there already, no row twice, and how a run is taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest

from admin_server.intake import imports
from admin_server.intake.imports import ImportLimits
from admin_server.store.models import Book as BookRow
from admin_server.store.models import ImportBook, ImportRow
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_UNSPECIFIED,
    AddBookRequest,
    ImportBooksRequest,
    ImportOptions,
    ImportOutcome,
)
from library.v1.book_pb2 import BOOK_STATE_UNAVAILABLE, Book
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from service_kit.revisions import lock_revisions
from service_kit.statements import tuples
from tests.support.admin import Admin
from tests.support.import_runs import (
    ADDED,
    COPIES_ADDED,
    DUNE,
    REFUSED,
    THERE,
    UPDATED,
    add_copies,
    changes,
    options,
    results,
    shown,
    update,
)
from tests.support.isbns import isbn13


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
        AddBookRequest(title="Wrong", copies=-1),
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
