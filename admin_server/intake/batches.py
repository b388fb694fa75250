"""One transaction of an import: find the books of its rows, then add or change them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from admin_server.books.entries import ENTRY_COLUMNS, MOST_COPIES, derived_columns
from admin_server.books.messages import catalog_message, etag
from admin_server.books.origins import IMPORT, noted
from admin_server.books.values import shown_value
from admin_server.books.writing import insert_books, update_books
from admin_server.intake import runs
from admin_server.intake.given_barcodes import NO_BOOK, Barcodes
from admin_server.intake.rows import Row
from admin_server.inventory.copies import copies_out
from admin_server.inventory.writing import insert_items
from admin_server.store.models import HAS_ISBN, IN_CATALOGUE, Book, Frontend
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_REFUSED,
    IMPORT_RESULT_UPDATED,
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UPDATE,
    FieldChange,
    FieldProblem,
    ImportOptions,
    ImportOutcome,
    ImportResult,
)
from library_domain.book_fields import BOOK_FIELDS, INPUT_NAME_OF
from library_domain.titles import title_identity
from service_kit.change_record import record_change
from service_kit.clock import Clock
from service_kit.errors import StoreUnavailable
from service_kit.etags import etag_of
from service_kit.ids import new_id
from service_kit.revisions import lock_revisions
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import read_rows, readable, shown

CANDIDATES = 3
"""Books of one title and author that are read: a row that matches several is refused, and its problem names them."""

SHOWN_BYTES = 160
"""Bytes of a value in a `FieldChange`: 500 rows with changes of all fields fit into a message."""

TRIES = 20
"""How often a batch is tried where another writer adds or renames one of its books each time."""

FIELD_OF = {field.name: field for field in BOOK_FIELDS}

RESULTS: dict[int, ImportResult.ValueType] = {
    ON_DUPLICATE_SKIP: IMPORT_RESULT_ALREADY_THERE,
    ON_DUPLICATE_UPDATE: IMPORT_RESULT_UPDATED,
    ON_DUPLICATE_ADD_COPIES: IMPORT_RESULT_COPIES_ADDED,
}


class Planned(NamedTuple):
    """What earlier rows of an import with `validate_only` would have added."""

    isbns: set[str]
    identities: set[int]
    barcodes: set[str]


@dataclass
class Entry:
    """A book in the work of one batch."""

    id: str
    columns: dict[str, object]
    """The values as they will be stored."""
    state: int
    etag: str
    """Of the book before this batch; empty for a new one."""
    on_loan: int = 0
    """Its open loans."""
    before: dict[str, object] = field(default_factory=dict)
    """The earlier values of all columns that this batch changes."""
    new_items: list[Mapping[str, object]] = field(default_factory=list)
    """The columns of the items that rows of this batch describe."""

    def identity(self) -> str:
        """Return what identifies the entry where a row has no ISBN."""
        return title_identity(str(self.columns["title"]), json.loads(str(self.columns["authors"])))

    def change(self, values: dict[str, object]) -> None:
        """Set new values, keep the earlier ones, and compute the derived columns again."""
        self.before = {**{name: self.columns[name] for name in values}, **self.before}
        self.columns |= values
        self.columns |= derived_columns(self.columns)


class Alongside(Protocol):
    """What is committed together with a batch."""

    def begin(self) -> None:
        """Begin within the transaction, before it locks anything else. An error rolls the transaction back."""

    def finish(self, outcomes: Sequence[ImportOutcome], item_count: int) -> None:
        """Write, as the last in the transaction, what depends on its outcomes.

        `item_count` is the number of items with a barcode of their row that the batch has created, or with
        `validate_only` would have created.
        """


class _BookNotLocked(Exception):
    """A row's book was added or renamed between the look-up and the lock on the revisions."""


def import_batch(
    store: Store,
    rows: Sequence[Row],
    options: ImportOptions,
    planned: Planned,
    clock: Clock,
    alongside: Alongside | None = None,
) -> list[ImportOutcome]:
    """Import some rows in one transaction, and what is `alongside`; return an outcome for each row.

    Raises `FieldInvalid` where the options differ from those of the run until now, and `ImportRunUndone`.
    """
    for _ in range(TRIES):
        try:
            with store.writing():
                if alongside is None:
                    return _import_batch(store, rows, options, planned, clock)[0]
                alongside.begin()
                outcomes, item_count = _import_batch(store, rows, options, planned, clock)
                alongside.finish(outcomes, item_count)
                return outcomes
        except _BookNotLocked:
            continue
    raise StoreUnavailable


def _import_batch(
    store: Store, rows: Sequence[Row], options: ImportOptions, planned: Planned, clock: Clock
) -> tuple[list[ImportOutcome], int]:
    writes = not all(row.validate_only or row.problems for row in rows)
    now = clock()
    if writes and options.on_duplicate != ON_DUPLICATE_SKIP:
        store.locking(Frontend.select()).first()  # before the books: see docs/locks.md
    with readable("import run", options.run_id):
        run = runs.open_run(store, options, now) if writes else runs.find_run(options)
        done = runs.rows_done(run, [row.line for row in rows if not row.problems])
    waiting = [row for row in rows if not row.problems and row.line not in done]
    batch = _Batch(options, planned, now)
    batch.find_books(store, waiting, writes=writes)
    outcomes = [
        _done_already(row, *done[row.line]) if row.line in done and not row.problems else batch.outcome(row)
        for row in rows
    ]
    batch.note_planned()
    if writes:
        # After all other locks, because every writer waits for the lock on the revisions.
        books = batch.write(clock())
        if run is not None:
            pairs = [(row, outcome) for row, outcome in zip(rows, outcomes, strict=True) if not row.validate_only]
            runs.remember(run, pairs, books, now)
        record_change(options)
    return outcomes, batch.barcodes.given_count


def _done_already(row: Row, digest: int, result: int, book_id: str) -> ImportOutcome:
    """Return the outcome of a row whose line is done in this run."""
    if digest != row.digest:
        return _refused(row, "line", "was imported in this run with other values; import the changed file as a new run")
    return ImportOutcome(line=row.line, result=ImportResult.ValueType(result), book_id=book_id, already_done=True)


def _refused(row: Row, field_: str, problem: str) -> ImportOutcome:
    problems = [FieldProblem(field=field_, description=problem)]
    return ImportOutcome(line=row.line, result=IMPORT_RESULT_REFUSED, problems=problems)


class _Batch:
    """The books of the rows of a batch, found by ISBN or by title and first author."""

    def __init__(self, options: ImportOptions, planned: Planned, now: int) -> None:
        self._options = options
        self._now = now
        self._planned = planned
        self._new_planned = Planned(set(), set(), set())
        self.barcodes = Barcodes(planned.barcodes, self._new_planned.barcodes, match_title=self._options.match_title)
        self._entries: dict[str, Entry | None] = {}  # None for a book that is damaged in the store
        self._by_isbn: dict[str, str] = {}
        self._by_identity: dict[str, list[str]] = {}
        self._lines: dict[int, tuple[int, ImportOutcome]] = {}  # the rows of this batch that are done, by line

    def find_books(self, store: Store, rows: Sequence[Row], *, writes: bool) -> None:
        """Look up the books of the rows. With `writes`, they and the revisions are locked until the transaction ends.

        Raises `_BookNotLocked`.
        """
        locked: set[str] | None = None
        if writes:
            if store.is_postgresql and self._options.on_duplicate != ON_DUPLICATE_SKIP:
                locked = self._find_ids(rows)
                _lock_books(store, locked)
            # Without the lock, on PostgreSQL, another import could add one of these ISBNs between the look-up and the
            # insert, and the whole batch would fail.
            lock_revisions()
        ids = self._find_ids(rows)
        if locked is not None and ids - locked:
            raise _BookNotLocked
        self.barcodes.find(rows)
        self._entries = dict.fromkeys(ids)
        for row in read_rows(Book.select().where(Book.id.in_(ids)), Book) if ids else ():
            if entry := shown(row, _entry, row.key):
                self._add_entry(entry)

    def _find_ids(self, rows: Sequence[Row]) -> set[str]:
        isbns = {str(row.columns["isbn"]) for row in rows} - {""}
        by_isbn = Book.select(Book.isbn, Book.id).where(Book.isbn.in_(isbns), HAS_ISBN, IN_CATALOGUE)
        self._by_isbn = dict(tuples(by_isbn)) if isbns else {}
        keys = {row.columns["title_key"] for row in rows if self._options.match_title and not row.columns["isbn"]}
        same_key: dict[int, list[str]] = {}
        by_title = Book.select(Book.title_key, Book.id).where(Book.title_key.in_(keys), IN_CATALOGUE)
        for key, book_id in tuples(by_title) if keys else ():
            same_key.setdefault(key, []).append(book_id)
        return set(self._by_isbn.values()).union(*(found[:CANDIDATES] for found in same_key.values()))

    def _add_entry(self, entry: Entry) -> None:
        self._entries[entry.id] = entry
        if entry.columns["isbn"]:
            self._by_isbn[str(entry.columns["isbn"])] = entry.id
        if self._options.match_title:
            same = self._by_identity.setdefault(entry.identity(), [])
            same.extend([entry.id] * (entry.id not in same))

    def outcome(self, row: Row) -> ImportOutcome:
        """Return the outcome of a row, and change the entries accordingly unless the row is only validated."""
        if row.problems:
            return ImportOutcome(line=row.line, result=IMPORT_RESULT_REFUSED, problems=row.problems)
        if not self._options.run_id:
            return self._decide(row)
        if row.line in self._lines:
            digest, first = self._lines[row.line]
            return _done_already(row, digest, first.result, first.book_id)
        outcome = self._decide(row)
        if outcome.result != IMPORT_RESULT_REFUSED and not row.validate_only:
            self._lines[row.line] = row.digest, outcome
        return outcome

    def _decide(self, row: Row) -> ImportOutcome:
        found = self._found(row)
        if len(found) > 1:
            return _refused(row, "title", f"is that of several books: {', '.join(found)}; add an ISBN to the row")
        if found:
            return self._duplicate(row, found[0])
        if row.validate_only:
            return self._validated(row)
        if problem := self.barcodes.problem(row):
            return _refused(row, *problem)
        columns = {**row.columns, "total_copies": len(row.items)} if row.items else row.columns
        entry = Entry(new_id(), columns, 0, "", new_items=list(row.items))
        self._add_entry(entry)
        self.barcodes.note(row, row.items, entry.id)
        return ImportOutcome(line=row.line, result=IMPORT_RESULT_ADDED, book_id=entry.id)

    def _validated(self, row: Row) -> ImportOutcome:
        """Return the outcome of a row whose book is not in the catalogue, if the row is only validated."""
        is_planned, mode = self._is_planned(row), self._options.on_duplicate
        new_items: Sequence[Mapping[str, object]] = ()
        if not is_planned or mode != ON_DUPLICATE_SKIP:
            if problem := self.barcodes.problem(row, is_planned=is_planned):
                return _refused(row, *problem)
            new_items = self.barcodes.new_items(row, mode) if is_planned else row.items
        self._plan(row)
        self.barcodes.note(row, new_items)
        if not is_planned:
            return ImportOutcome(line=row.line, result=IMPORT_RESULT_ADDED)
        is_there = mode == ON_DUPLICATE_ADD_COPIES and row.items and not new_items
        return ImportOutcome(line=row.line, result=IMPORT_RESULT_ALREADY_THERE if is_there else RESULTS[mode])

    def _found(self, row: Row) -> list[str]:
        if isbn := str(row.columns["isbn"]):
            return [self._by_isbn[isbn]] if isbn in self._by_isbn else []
        return self._by_identity.get(_identity(row), []) if self._options.match_title else []

    def _duplicate(self, row: Row, book_id: str) -> ImportOutcome:
        entry = self._entries[book_id]
        outcome = ImportOutcome(line=row.line, result=IMPORT_RESULT_ALREADY_THERE, book_id=book_id)
        mode = self._options.on_duplicate
        if entry is None:
            damaged = "the book is damaged in the store and cannot be changed"
            return outcome if mode == ON_DUPLICATE_SKIP else _refused(row, "row", damaged)
        new_items: list[Mapping[str, object]] = []
        values = {} if mode == ON_DUPLICATE_ADD_COPIES else _new_values(row, entry)
        if mode != ON_DUPLICATE_SKIP:
            new_items = self.barcodes.new_items(row, mode)
            values |= _more_copies(row, entry, new_items, mode)
            if problem := self.barcodes.problem(row, book_id) or _copies_problem(entry, values):
                return _refused(row, *problem)
        outcome.changes.extend(_change(name, entry.columns[name], value) for name, value in values.items())
        if mode != ON_DUPLICATE_SKIP and values:
            outcome.result = RESULTS[mode]
            self._apply(row, entry, values, new_items)
        return outcome

    def _apply(
        self, row: Row, entry: Entry, values: dict[str, object], new_items: Sequence[Mapping[str, object]]
    ) -> None:
        self.barcodes.note(row, new_items, NO_BOOK if row.validate_only else entry.id)
        if not row.validate_only:
            origins = noted(str(entry.columns["origins"]), values, IMPORT, self._now)
            self._change(entry, {**values, "origins": origins})
            entry.new_items += new_items

    def _change(self, entry: Entry, values: dict[str, object]) -> None:
        if self._options.match_title:
            self._by_identity[entry.identity()].remove(entry.id)
        entry.change(values)
        self._add_entry(entry)

    def _is_planned(self, row: Row) -> bool:
        """Return whether an earlier row would have added this book."""
        both = (self._planned, self._new_planned)
        if isbn := str(row.columns["isbn"]):
            return any(isbn in planned.isbns for planned in both)
        return self._options.match_title and any(row.columns["title_key"] in planned.identities for planned in both)

    def _plan(self, row: Row) -> None:
        """Remember that a row would have added its book."""
        if isbn := str(row.columns["isbn"]):
            self._new_planned.isbns.add(isbn)
        if self._options.match_title:
            self._new_planned.identities.add(int(str(row.columns["title_key"])))

    def note_planned(self) -> None:
        """Remember for the next batches what the rows of this one would have added."""
        self._planned.isbns.update(self._new_planned.isbns)
        self._planned.identities.update(self._new_planned.identities)
        self._planned.barcodes.update(self._new_planned.barcodes)

    def write(self, now: int) -> list[runs.Effect]:
        """Write the new and the changed books; return the change of each."""
        entries = [entry for entry in self._entries.values() if entry is not None]
        new = [entry for entry in entries if not entry.etag]
        changed = [entry for entry in entries if entry.etag and entry.before]
        with_items = {entry.id for entry in new if entry.new_items}
        written = insert_books([{**entry.columns, "id": entry.id} for entry in new], now, with_items)
        insert_items([{**item, "book_id": entry.id} for entry in entries for item in entry.new_items], now)
        recounted = [entry.id for entry in changed if "total_copies" in entry.before]
        changes = [{**entry.columns, "id": entry.id, "state": entry.state} for entry in changed]
        written += update_books(changes, now, recounted)
        return [
            runs.Effect(entry.id, entry.etag, etag_of(row["revision"], row["update_time"]), entry.before)
            for entry, row in zip([*new, *changed], written, strict=True)
        ]


def _lock_books(store: Store, ids: Iterable[str]) -> None:
    """Lock these books until the transaction ends, in the order of ids (see docs/locks.md)."""
    if ids:
        list(store.locking(Book.select(Book.id).where(Book.id.in_(ids)).order_by(Book.id)))


def _entry(row: Book) -> Entry:
    catalog_message(row)  # raises for a damaged row
    return Entry(
        row.id, {name: getattr(row, name) for name in ENTRY_COLUMNS}, row.state, etag(row), on_loan=row.on_loan
    )


def _identity(row: Row) -> str:
    return title_identity(str(row.columns["title"]), json.loads(str(row.columns["authors"])))


def _new_values(row: Row, entry: Entry) -> dict[str, object]:
    """Return the values of a row that its book does not have. Its items count the copies, if it has some."""
    values = {name: row.columns[name] for name in row.given if entry.columns[name] != row.columns[name]}
    if row.items:
        values.pop("total_copies", None)
    return values


def _more_copies(row: Row, entry: Entry, new_items: Collection[object], mode: int) -> dict[str, object]:
    """Return the new number of copies if the row adds some: its items, or without items its copies."""
    more = len(new_items)
    if not row.items and mode == ON_DUPLICATE_ADD_COPIES:
        more = _copies(row.columns)
    return {"total_copies": _copies(entry.columns) + more} if more else {}


def _copies_problem(entry: Entry, values: dict[str, object]) -> tuple[str, str] | None:
    """Return what is wrong with the new number of copies of a book."""
    there = _copies(entry.columns)
    if _copies({**entry.columns, **values}) > MOST_COPIES:
        return "copies", f"the book has {there} already, and can have {MOST_COPIES} at most"
    if out := _too_many_out(entry, values):
        return "copies", f"must be at least {out}, as {out} copies of the book are on loan"
    return None


def _too_many_out(entry: Entry, values: dict[str, object]) -> int:
    """Return the number of copies on loan if it is greater than the new number of copies; 0 if not."""
    total = _copies({**entry.columns, **values})
    if total >= min(_copies(entry.columns), entry.on_loan):
        return 0
    out = copies_out(entry.id, entry.on_loan)
    return out if out > total else 0


def _copies(columns: dict[str, object]) -> int:
    return int(str(columns["total_copies"]))


def _change(name: str, old: object, new: object) -> FieldChange:
    return FieldChange(field=INPUT_NAME_OF[name], old_value=_shown(name, old), new_value=_shown(name, new))


def _shown(name: str, value: object) -> str:
    """Return a value as a text of at most `SHOWN_BYTES`."""
    text = shown_value(FIELD_OF[name], value)
    encoded = text.encode()
    return text if len(encoded) <= SHOWN_BYTES else encoded[: SHOWN_BYTES - 3].decode(errors="ignore") + "…"
