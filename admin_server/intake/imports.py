"""Import many books: each row is imported or refused with its reason, and does not stop the others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, islice

from admin_server.intake.batches import Planned, import_batch
from admin_server.intake.rows import Row, checked_options, checked_row
from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_domain.errors import ImportTooLong
from service_kit.clock import Clock
from service_kit.store import Store


@dataclass(frozen=True)
class ImportLimits:
    """Limits of one stream of rows."""

    rows: int = 20_000
    """Rows in the stream: their outcomes are returned in one message."""
    batch_rows: int = 500
    """Rows that are committed together: enough to make a commit cheap, few enough to let other writers in."""
    batch_bytes: int = 4_000_000
    """Bytes of the accepted rows that are committed together, exceeded by at most one row. All of them are in memory
    until then, and a row that is accepted can have 120 kB."""
    outcome_bytes: int = 3_000_000
    """Bytes of all outcomes: with more, the response might be too large to send when the rows are already committed."""
    changes_bytes: int = 1_500_000
    """Bytes of outcomes, after which outcomes no longer list what was changed, to leave room for the outcomes
    themselves."""


LIMITS = ImportLimits()


def import_books(
    store: Store, rows: Iterable[ImportBooksRequest], clock: Clock, limits: ImportLimits = LIMITS
) -> list[ImportOutcome]:
    """Import the rows as they arrive, in transactions of `limits.batch_rows`; return an outcome for each.

    Raises:
        FieldInvalid: The options of the first row are wrong, or not those of the run so far.
        ImportRunUndone: The run was undone.
        ImportTooLong: There are more than `limits.rows` rows, or the outcomes are too large. The rows before that are
            committed.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return []
    options = checked_options(first)
    # One at a time, so that memory does not grow with the number of large rows.
    checked = (checked_row(row, options) for row in chain([first], rows))
    del first
    outcomes: list[ImportOutcome] = []
    weight = 0
    planned = Planned(set(), set(), set())
    while batch := _next_batch(checked, min(limits.batch_rows, limits.rows - len(outcomes)), limits.batch_bytes):
        for outcome in import_batch(store, batch, options, planned, clock):
            if weight + outcome.ByteSize() > limits.changes_bytes:
                outcome.ClearField("changes")
            weight += outcome.ByteSize()
            outcomes.append(outcome)
        if (len(outcomes) == limits.rows or weight > limits.outcome_bytes) and next(checked, None) is not None:
            raise ImportTooLong(row_limit=len(outcomes))
    return outcomes


def _next_batch(rows: Iterator[Row], most_rows: int, room: int) -> list[Row]:
    batch: list[Row] = []
    for row in islice(rows, most_rows):
        batch.append(row)
        room -= row.weight
        if room < 0:
            break
    return batch
