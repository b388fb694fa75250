"""Options of imports, and what came of their rows."""

from __future__ import annotations

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ADDED,
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_REFUSED,
    IMPORT_RESULT_UPDATED,
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UPDATE,
    UNDO_RESULT_CHANGED_SINCE,
    UNDO_RESULT_LENT_SINCE,
    UNDO_RESULT_REMOVED,
    UNDO_RESULT_RESTORED,
    ImportOptions,
    ImportOutcome,
)
from library.v1.book_pb2 import Book
from service_kit.ids import new_id

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
