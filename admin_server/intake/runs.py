"""Record what each run of an import did, so that no row is applied twice and a run can be undone.

The row of `import_run` is locked while rows of the run are written, so two streams of one run wait for each other.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from peewee import EXCLUDED

from admin_server.intake.rows import Row
from admin_server.store.models import ImportBook, ImportRow, ImportRun
from library.admin.v1 import catalog_service_pb2 as messages
from library.admin.v1.catalog_service_pb2 import ImportOptions, ImportOutcome, ListImportRunsRequest
from library_domain.errors import ImportRunUndone
from service_kit.clock import rfc3339, timestamp
from service_kit.errors import FieldInvalid
from service_kit.paging import page, page_size, row_position
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, read_rows

SAVE_ROW = Statement(ImportRow.insert(**{name: param(name) for name in ("run", "line", "digest", "result", "book_id")}))
SAVE_BOOK = Statement(
    ImportBook.insert(
        is_undone=0, **{name: param(name) for name in ("run", "book_id", "is_added", "before", "etag")}
    ).on_conflict(
        conflict_target=[ImportBook.run, ImportBook.book_id],
        update={ImportBook.before: EXCLUDED.before, ImportBook.etag: EXCLUDED.etag},
    )
)
COUNTED = {
    messages.IMPORT_RESULT_ADDED: ImportRun.added,
    messages.IMPORT_RESULT_UPDATED: ImportRun.updated,
    messages.IMPORT_RESULT_COPIES_ADDED: ImportRun.copies_added,
    messages.IMPORT_RESULT_ALREADY_THERE: ImportRun.already_there,
}


class Effect(NamedTuple):
    """The change of a book by a batch."""

    book_id: str
    etag_before: str
    """Empty for a book that the batch added."""
    etag: str
    before: dict[str, object]
    """The earlier values of all columns that the batch changed."""


def open_run(store: Store, options: ImportOptions, now: int) -> ImportRun | None:
    """Return the run, new or known, its row locked until the transaction ends; None where the options have no run id.

    Raises `FieldInvalid` where the options are not those of the run so far, and `ImportRunUndone`.
    """
    if not options.run_id:
        return None
    ImportRun.insert(
        id=options.run_id,
        source=options.source,
        on_duplicate=options.on_duplicate,
        match_title=int(options.match_title),
        create_time=now,
        update_time=now,
    ).on_conflict_ignore().execute()
    run: ImportRun = store.locking(ImportRun.select().where(ImportRun.id == options.run_id)).get()
    return _checked(run, options)


def find_run(options: ImportOptions) -> ImportRun | None:
    """Return the run for a batch that changes nothing; None for an unknown run. Raises the errors of `open_run`."""
    run = ImportRun.get_or_none(ImportRun.id == options.run_id) if options.run_id else None
    return _checked(run, options) if run is not None else None


def _checked(run: ImportRun, options: ImportOptions) -> ImportRun:
    if run.undo_time is not None:
        raise ImportRunUndone(run_id=run.id, undo_time=rfc3339(run.undo_time))
    wrong = []
    if run.on_duplicate != options.on_duplicate:
        name = messages.OnDuplicate.Name(messages.OnDuplicate.ValueType(run.on_duplicate))
        wrong.append(("options.on_duplicate", f"must be {name}, as in the earlier rows of this run"))
    if bool(run.match_title) != options.match_title:
        value = str(bool(run.match_title)).lower()
        wrong.append(("options.match_title", f"must be {value}, as in the earlier rows of this run"))
    if wrong:
        raise FieldInvalid(*wrong)
    return run


def rows_done(run: ImportRun | None, lines: Iterable[int]) -> dict[int, tuple[int, int, str]]:
    """Return digest, result and book id of each of these lines that is done in this run."""
    if run is None:
        return {}
    query = ImportRow.select(ImportRow.line, ImportRow.digest, ImportRow.result, ImportRow.book_id).where(
        ImportRow.run == run.key, ImportRow.line.in_(set(lines))
    )
    return {line: (digest, result, book_id) for line, digest, result, book_id in tuples(query)}


def remember(run: ImportRun, pairs: Iterable[tuple[Row, ImportOutcome]], effects: Sequence[Effect], now: int) -> None:
    """Record the outcomes of a batch and its changes of books, within its transaction."""
    done = [
        (row, outcome)
        for row, outcome in pairs
        if outcome.result != messages.IMPORT_RESULT_REFUSED and not outcome.already_done
    ]
    SAVE_ROW.many(
        {"run": run.key, "line": row.line, "digest": row.digest, "result": out.result, "book_id": out.book_id}
        for row, out in done
    )
    earlier = _earlier_effects(run, [effect.book_id for effect in effects if effect.etag_before])
    SAVE_BOOK.many(_merged(run, effect, earlier.get(effect.book_id)) for effect in effects)
    counts = Counter(outcome.result for _, outcome in done)
    changes: dict[Any, Any] = {column: column + counts[result] for result, column in COUNTED.items() if counts[result]}
    ImportRun.update({**changes, ImportRun.update_time: now}).where(ImportRun.key == run.key).execute()


def _earlier_effects(run: ImportRun, book_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the changes of these books by earlier batches: the values before the run, and the etag after the batch."""
    if not book_ids:
        return {}
    query = ImportBook.select(ImportBook.book_id, ImportBook.before, ImportBook.etag).where(
        ImportBook.run == run.key, ImportBook.book_id.in_(book_ids)
    )
    return {book_id: (before, etag) for book_id, before, etag in tuples(query)}


def _merged(run: ImportRun, effect: Effect, earlier: tuple[str, str] | None) -> dict[str, object]:
    before, etag = effect.before, effect.etag
    if earlier is not None:
        try:
            before = {**before, **json.loads(earlier[0])}
        except DAMAGE:
            etag = ""
        if earlier[1] != effect.etag_before:  # others changed the book during the run
            etag = ""
    is_added = int(not effect.etag_before)
    return {"run": run.key, "book_id": effect.book_id, "is_added": is_added, "before": json.dumps(before), "etag": etag}


def list_import_runs(store: Store, request: ListImportRunsRequest) -> tuple[list[messages.ImportRun], str]:
    """Return a page of the runs, the newest first, and the token of the next."""
    query = ImportRun.select().order_by(ImportRun.key.desc()).limit(page_size(request) + 1)
    if before := row_position(request):
        query = query.where(ImportRun.key < before)
    with store.reading():
        return page(request, read_rows(query, ImportRun), run_message, lambda row: row.key)


def run_message(row: ImportRun) -> messages.ImportRun:
    """Convert a row to the message."""
    return messages.ImportRun(
        id=row.id,
        source=row.source,
        on_duplicate=messages.OnDuplicate.ValueType(row.on_duplicate),
        match_title=bool(row.match_title),
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
        undo_time=None if row.undo_time is None else timestamp(row.undo_time),
        added_count=row.added,
        updated_count=row.updated,
        copies_added_count=row.copies_added,
        already_there_count=row.already_there,
    )
