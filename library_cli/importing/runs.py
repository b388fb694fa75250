"""List the runs of imports, and undo one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click
import grpc
from rich.console import Console

from library.admin.v1.catalog_service_pb2 import (
    UNDO_RESULT_CHANGED_SINCE,
    UNDO_RESULT_LENT_SINCE,
    UNDO_RESULT_REMOVED,
    UNDO_RESULT_RESTORED,
    UNDO_RESULT_UNREADABLE,
    ImportRun,
    ListImportRunsRequest,
    OnDuplicate,
    UndoImportRequest,
    UndoOutcome,
    UndoResult,
)
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceStub
from library_cli.channel import connected, pages
from library_cli.grpc_errors import CallFailed
from library_cli.pace import Pace
from library_cli.plain_text import one_line
from library_cli.stopped import INTERRUPTED, CommandStopped
from library_cli.tables import WIDE, Column, Form, as_json, show, write_json
from library_cli.times import local_time

PAGE_SIZE = 1_000
UNDO_BOOKS = 500
"""As many as the service undoes in one call."""

UNDO_SECONDS = 120.0
"""Deadline of one call."""

KEPT = {
    UNDO_RESULT_CHANGED_SINCE: "was changed since",
    UNDO_RESULT_LENT_SINCE: "was lent since",
    UNDO_RESULT_UNREADABLE: "is damaged in the store",
}


def show_runs(target: str, *, json_wanted: bool) -> int:
    """List the runs, the newest first; return the exit status."""
    try:
        with connected(target) as channel:
            show(_runs(channel), RUNS, json_wanted=json_wanted, limit=None)
    except CallFailed as problem:
        raise CommandStopped(str(problem)) from problem
    return 0


def undo_run(target: str, run_id: str, *, json_wanted: bool) -> int:
    """Undo a run, and print which books were left alone and why; return the exit status: 1 where some were."""
    counts = dict.fromkeys(UndoResult.values(), 0)
    console = Console(stderr=True)
    try:
        with connected(target) as channel:
            outcomes = _counted(_undone(channel, run_id), counts, console)
            if json_wanted:  # a run can have a million books, so they are written as they arrive
                write_json(map(as_json, outcomes))
            else:
                for outcome in outcomes:
                    if outcome.result in KEPT:
                        line = f"left alone, as it {KEPT[outcome.result]}: {outcome.book_id} {outcome.title}"
                        console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
    except CallFailed as problem:
        raise CommandStopped(f"{problem}{_how_far(counts, run_id)}") from problem
    except KeyboardInterrupt:
        raise CommandStopped(f"Interrupted.{_how_far(counts, run_id)}", INTERRUPTED) from None
    if not json_wanted:
        click.echo(_in_words(counts))
    return 1 if any(counts[result] for result in KEPT) else 0


def _counted(
    pages: Iterable[list[UndoOutcome]], counts: dict[UndoResult.ValueType, int], console: Console
) -> Iterator[UndoOutcome]:
    """Yield the outcomes in the pages, count them, and print the progress from time to time."""
    pace = Pace()
    for outcomes in pages:
        for outcome in outcomes:
            counts[outcome.result] += 1
            yield outcome
        done = sum(counts.values())
        if pace.is_due() and done > UNDO_BOOKS:
            console.print(f"{done} books, {pace.in_words(done, None)}", highlight=False)


def _runs(channel: grpc.Channel) -> Iterator[ImportRun]:
    for page in pages(CatalogServiceStub(channel).ListImportRuns, ListImportRunsRequest(page_size=PAGE_SIZE)):
        yield from page.import_runs


def _undone(channel: grpc.Channel, run_id: str) -> Iterator[list[UndoOutcome]]:
    request = UndoImportRequest(run_id=run_id, page_size=UNDO_BOOKS)
    for page in pages(CatalogServiceStub(channel).UndoImport, request, UNDO_SECONDS):
        yield list(page.outcomes)


def _in_words(counts: dict[UndoResult.ValueType, int]) -> str:
    kept = sum(counts[result] for result in KEPT)
    return f"Removed {counts[UNDO_RESULT_REMOVED]}, restored {counts[UNDO_RESULT_RESTORED]}, left alone {kept}"


def _how_far(counts: dict[UndoResult.ValueType, int], run_id: str) -> str:
    if not any(counts.values()):
        return ""
    return f"\n{_in_words(counts)}. Go on with: library import --undo {run_id}"


def _mode(run: ImportRun) -> str:
    return OnDuplicate.Name(run.on_duplicate).removeprefix("ON_DUPLICATE_").lower().replace("_", "-")


def _undo_time(run: ImportRun) -> str:
    return run.undo_time.ToJsonString() if run.HasField("undo_time") else ""


def _undone_shown(run: ImportRun) -> str:
    return local_time(run.undo_time) if run.HasField("undo_time") else ""


def _whether_undone(run: ImportRun) -> str:
    return "yes" if run.HasField("undo_time") else ""


RUNS: Form[ImportRun] = Form(
    (
        Column("run id", lambda run: run.id, is_whole=True),
        Column("time", lambda run: run.create_time.ToJsonString(), lambda run: local_time(run.create_time)),
        Column("added", lambda run: str(run.added_count)),
        Column("updated", lambda run: str(run.updated_count), min_width=WIDE),
        Column("copies added", lambda run: str(run.copies_added_count), min_width=WIDE),
        Column("already there", lambda run: str(run.already_there_count), min_width=WIDE),
        Column("on duplicate", _mode, min_width=WIDE),
        Column("undone", _undo_time, _undone_shown, min_width=WIDE),
        Column("undone", _undo_time, _whether_undone, max_width=WIDE, in_lines=False),
        Column("source", lambda run: run.source),
    ),
    as_json,
    "Nothing was imported yet.",
)
