"""Show the progress of an import, as a bar on a terminal, otherwise as lines; and every row that was not added."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_COPIES_ADDED,
    IMPORT_RESULT_UPDATED,
    FieldChange,
    ImportOutcome,
)
from library_cli.importing.sending import Tally
from library_cli.pace import Pace
from library_cli.plain_text import one_line


@contextmanager
def shown(console: Console, total_bytes: int | None, *, dry_run: bool) -> Iterator[Callable[[int, Tally], None]]:
    """Yield a function to call after each batch, with the bytes that were read until then and the tally."""
    if not console.is_terminal:
        with _lines(console, total_bytes, dry_run=dry_run) as show:
            yield show
        return
    pace = Pace()
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total_bytes)

        def update(bytes_read: int, tally: Tally) -> None:
            text = f"{in_words(tally, dry_run=dry_run)}, {pace.in_words(tally.rows, None)}"
            progress.update(task, completed=bytes_read, description=text)

        yield update


@contextmanager
def _lines(console: Console, total_bytes: int | None, *, dry_run: bool) -> Iterator[Callable[[int, Tally], None]]:
    """Yield a function that writes a line after the first batch, then every few seconds; write one after the last.

    The pace is measured from the first batch, because an import that continues skips the lines before it much faster.
    """
    pace = Pace()
    written = first_bytes = first_rows = 0
    newest: tuple[int, Tally] | None = None

    def line(bytes_read: int, tally: Tally) -> None:
        text = f"up to line {tally.line}: {in_words(tally, dry_run=dry_run)}"
        if written:
            rest = max((total_bytes or 0) - first_bytes, 1)
            part = (bytes_read - first_bytes) / rest if total_bytes else None
            text += f"; {pace.in_words(tally.rows - first_rows, part)}"
        write(console, text)

    def show(bytes_read: int, tally: Tally) -> None:
        nonlocal pace, written, newest, first_bytes, first_rows
        if newest is None:
            pace, first_bytes, first_rows = Pace(), bytes_read, tally.rows
        newest = bytes_read, tally
        if pace.is_due():
            line(bytes_read, tally)
            written = tally.line

    yield show
    if newest is not None and newest[1].line != written:
        line(*newest)


def report(console: Console, outcomes: list[ImportOutcome], *, dry_run: bool = False, key: str = "isbn") -> None:
    """Write a line for each row that was there already, with what was or would be changed, and for each problem.

    `key` names the fields by which books were recognized. Rows that an earlier call of this run has done are left out.
    """
    for outcome in outcomes:
        as_book = f" book {outcome.book_id}" if outcome.book_id else ""
        changes = _in_words(outcome.changes)
        text = ""
        if outcome.result == IMPORT_RESULT_ALREADY_THERE:
            text = f"{key}: already there{as_book and f' as{as_book}'}" + (changes and f"; would change: {changes}")
        elif outcome.result == IMPORT_RESULT_UPDATED:
            text = f"{'would update' if dry_run else 'updated'}{as_book or ' a book of an earlier row'}"
            text += changes and f": {changes}"
        elif outcome.result == IMPORT_RESULT_COPIES_ADDED:
            text = f"{'would add' if dry_run else 'added'} copies to{as_book or ' a book of an earlier row'}"
            text += changes and f": {changes}"
        if text and not outcome.already_done:
            write(console, f"line {outcome.line}: {text}")
        for problem in outcome.problems:
            write(console, f"line {outcome.line}: {problem.field}: {problem.description}")


def _in_words(changes: Iterable[FieldChange]) -> str:
    return ", ".join(f"{change.field} {change.old_value!r} → {change.new_value!r}" for change in changes)


def in_words(tally: Tally, *, dry_run: bool) -> str:
    """Return the counts of the rows by outcome, as text."""
    words = [f"{'would add' if dry_run else 'added'} {tally.added}"]
    if tally.updated:
        words.append(f"{'would update' if dry_run else 'updated'} {tally.updated}")
    if tally.copies_added:
        words.append(f"{'would add' if dry_run else 'added'} copies to {tally.copies_added}")
    words.append(f"already there {tally.already_there}")
    words.append(f"{'would refuse' if dry_run else 'refused'} {tally.refused}")
    if tally.done_before:
        words.append(f"{tally.done_before} of these before")
    return ", ".join(words)


def how_far(tally: Tally, *, dry_run: bool) -> str:
    """Return up to which line an interrupted import came, and how to continue it; empty before it began."""
    sentences = []
    if tally.line:
        sentences.append(f"Up to line {tally.line}: {in_words(tally, dry_run=dry_run)}.")
    if dry_run or not (tally.line or tally.unanswered):
        return " ".join(sentences)
    go_on = tally.line + 1
    if tally.unanswered is not None:
        first, last = tally.unanswered
        sentences.append(f"Lines {first} to {last} were sent, but not answered: all of their books are in, or none.")
    if tally.go_on is None:
        sentences.append(f"Go on with --from-line {go_on}.")
    else:
        sentences.append(f"Go on with the command below; no row is imported twice.\n{tally.go_on(go_on)}")
    return " ".join(sentences)


def write(console: Console, line: str) -> None:
    """Write a line, not wrapped; square brackets in it are not markup."""
    console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
