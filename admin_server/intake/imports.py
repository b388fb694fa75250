"""Importing many books: each row goes in or has its reason why not, and the others are not held up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, islice

from admin_server.intake.batches import Planned, import_batch
from admin_server.intake.rows import Row, checked_options, checked_row
from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_domain.errors import ImportTooLong
from service_kit.clock import Clock
from service_kit.store import Store

ROW_LIMIT = 20_000
"""The most rows in one stream: their outcomes come back in one message."""

BATCH_ROWS = 500
"""How many rows are committed together: enough to make a commit cheap, few enough to let other writers in."""

OUTCOME_BYTES = 3_000_000
"""The most that the outcomes of one stream may weigh: more might not fit into the reply, with the rows already in."""

CHANGES_BYTES = 1_500_000
"""Past this weight, outcomes are sent without what was changed: it must not take the room of the outcomes."""

BATCH_BYTES = 4_000_000
"""The rows of a batch weigh together no more than this and one row; those that are refused weigh nothing. All of them
are in memory until the batch is committed, and a row that goes in may have 120 kB."""


def import_books(store: Store, rows: Iterable[ImportBooksRequest], clock: Clock) -> list[ImportOutcome]:
    """Import the rows as they come, some hundreds to a transaction; return an outcome for each.

    Raises:
        FieldInvalid: The options of the first row are wrong, or not those of the run so far.
        ImportRunUndone: The run was taken back.
        ImportTooLong: There are more than `ROW_LIMIT` rows, or fewer with too much wrong; those before are in.
    """
    rows = iter(rows)
    first = next(rows, None)
    if first is None:
        return []
    options = checked_options(first)
    # One by one, so that what is too large does not pile up.
    checked = (checked_row(row, options) for row in chain([first], rows))
    del first
    outcomes: list[ImportOutcome] = []
    weight = 0
    planned = Planned(set(), set())
    while batch := _next_batch(checked, min(BATCH_ROWS, ROW_LIMIT - len(outcomes))):
        for outcome in import_batch(store, batch, options, planned, clock):
            if weight + outcome.ByteSize() > CHANGES_BYTES:
                outcome.ClearField("changes")
            weight += outcome.ByteSize()
            outcomes.append(outcome)
        if (len(outcomes) == ROW_LIMIT or weight > OUTCOME_BYTES) and next(checked, None) is not None:
            raise ImportTooLong(row_limit=len(outcomes))
    return outcomes


def _next_batch(rows: Iterator[Row], most_rows: int) -> list[Row]:
    batch: list[Row] = []
    room = BATCH_BYTES
    for row in islice(rows, most_rows):
        batch.append(row)
        room -= row.weight
        if room < 0:
            break
    return batch
