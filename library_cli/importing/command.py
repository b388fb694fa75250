"""The command `library import`."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, cast

import click
from rich.console import Console

from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_cli.channel import connected
from library_cli.grpc_errors import CallFailed
from library_cli.importing import progress
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import NotBooks
from library_cli.importing.reading.rejects import RejectsFile
from library_cli.importing.reading_options import ReadingOptions, confirm, reading_options
from library_cli.importing.run_options import RunOptions, run_options
from library_cli.importing.sending import SAMPLE, Tally, book_count, import_rows
from library_cli.imports.starting import OperationOptions, import_file, operation_options
from library_cli.options import admin_target_option
from library_cli.stopped import FAILED, INTERRUPTED, CommandStopped
from library_domain.book_fields import INPUT_NAMES

HELP = f"""
Add the books in FILE to the catalogue: CSV, an Excel workbook (.xlsx), JSON Lines or MARC; `-` is standard input.

The first line names the columns, in any order: {", ".join(INPUT_NAMES)}.
Authors have `;` between them. Only title is required. Other headings, such
as Author or Year, separators, encodings and sheets are recognized; what is a guess is shown, and asked about on a
terminal, before anything is written. Nothing is written while a column is not understood: --map names its field,
--ignore leaves it out.

A row that cannot be added is reported with its line, field and reason, and the others are added. A book whose ISBN is
in the catalogue is reported and not added again, so an import can be repeated; --on-duplicate updates it or adds
copies. Rows without an ISBN would be added twice, unless --match title recognizes them.

MARC records (.mrc, .marc, .xml, or MARC-in-JSON in .json) are imported by the server as an operation, which goes on
when this command is interrupted: `library imports` follows, cancels and undoes it.

Each other import has a run id. One that stopped prints the command that continues it: no row is imported twice.
--undo undoes a run, except for books that were changed or lent since.

Exit status: 0 when every row is in the catalogue, 1 when rows were refused, 2 when the import could not be done.
"""


@click.command("import", help=HELP, short_help="Add the books in a CSV, Excel, JSON Lines or MARC file.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--sample", is_flag=True, help="Import the sample that comes with the program instead of a FILE.")
@click.option("--only-if-empty", is_flag=True, help="Do nothing if the catalogue has books.")
@click.option("--dry-run", is_flag=True, help="Check every row and print what its outcome would be, but add nothing.")
@click.option(
    "--from-line",
    type=click.IntRange(min=1),
    help="Leave out the rows before this line of the file: an import that stopped prints the line to continue from.",
)
@reading_options
@operation_options
@run_options
@admin_target_option
def import_command(
    file: Path | None,
    sample: bool,
    only_if_empty: bool,
    dry_run: bool,
    from_line: int | None,
    reading: ReadingOptions,
    operation: OperationOptions,
    runs: RunOptions,
    admin_target: str,
) -> None:
    """Import a file, as `HELP` explains."""
    if operation.are_for(file):
        sys.exit(_import_as_operation(admin_target, cast("Path", file), operation, runs, dry_run=dry_run))
    path = _file_or_sample(file, sample=sample)
    tally = Tally(go_on=runs.go_on)
    try:
        with connected(admin_target) as channel:
            if only_if_empty and (books := book_count(channel)):
                click.echo(f"Nothing was imported, because the catalogue has books: {books}.")
                return
            with click.open_file(str(path), "rb") as source:
                books_in = Books(source, reading.choices)
                confirm(books_in, reading, name_of(path), can_ask=str(path) != "-", dry_run=dry_run)
                size = size_in_bytes(source)
                options = runs.message(name_of(path))
                send = partial(import_rows, channel, tally=tally, validate_only=dry_run, options=options)
                import_books(books_in, send, tally, reading, runs, size=size, dry_run=dry_run, from_line=from_line)
    except NotBooks as problem:
        reason = f"{name_of(path)} {str(problem).removesuffix('.')}."
        raise _stopped(reason, tally, dry_run=dry_run) from problem
    except (CallFailed, OSError) as problem:
        raise _stopped(str(problem), tally, dry_run=dry_run) from problem
    except (KeyboardInterrupt, click.Abort):
        raise _stopped("Interrupted.", tally, dry_run=dry_run, exit_code=INTERRUPTED) from None
    if tally.added_without_isbn and not dry_run:
        added = "books that were added has" if tally.added_without_isbn == 1 else "books that were added have"
        again = "Imported again they are added again, unless you use --match title."
        click.echo(f"{tally.added_without_isbn} of the {added} no ISBN. {again}", err=True)
    if tally.changes and not dry_run:
        click.echo(f"To undo this import: library import --undo {runs.run_id}", err=True)
    click.echo(progress.in_words(tally, dry_run=dry_run).capitalize())
    sys.exit(1 if tally.refused else 0)


def _file_or_sample(file: Path | None, *, sample: bool) -> Path:
    if (file is None) is not sample:
        raise click.UsageError("--sample cannot be used with a FILE." if sample else "Name a FILE, or use --sample.")
    return SAMPLE if file is None else file


def _import_as_operation(
    target: str, file: Path, operation: OperationOptions, runs: RunOptions, *, dry_run: bool
) -> int:
    options = runs.message(name_of(file))
    config = operation.config(
        file,
        on_duplicate=options.on_duplicate,
        match_title=options.match_title,
        source=options.source,
        validate_only=dry_run,
    )
    return import_file(target, file, config)


def _stopped(reason: str, tally: Tally, *, dry_run: bool, exit_code: int = FAILED) -> CommandStopped:
    """Return the error of an interrupted import, with its progress."""
    how_far = progress.how_far(tally, dry_run=dry_run)
    return CommandStopped(f"{reason}\n{how_far}".rstrip(), exit_code)


def import_books(
    books: Books,
    send: Callable[[Iterable[ImportBooksRequest | ImportOutcome]], Iterator[list[ImportOutcome]]],
    tally: Tally,
    reading: ReadingOptions,
    runs: RunOptions,
    *,
    size: int | None,
    dry_run: bool,
    from_line: int | None,
) -> None:
    """Import books by `send`; write the progress and the refused rows to standard error.

    The tally is kept up to date.
    """
    console = Console(stderr=True)
    with rejects_file(reading, console) as rejects, progress.shown(console, size, dry_run=dry_run) as show_progress:
        rows = starting_at(from_line, books)
        if rejects is not None:
            rows = rejects.watched(rows, books.table)
        for outcomes in send(rows):
            tally.count(outcomes)
            progress.report(console, outcomes, dry_run=dry_run, key=runs.key)
            if rejects is not None:
                rejects.add(outcomes)
            show_progress(books.bytes_read, tally)
    for remark in books.remarks:
        progress.write(console, remark)


@contextmanager
def rejects_file(reading: ReadingOptions, console: Console) -> Iterator[RejectsFile | None]:
    """Yield the file of refused rows, which is completed also when the import stops early."""
    if reading.rejects is None:
        yield None
        return
    rejects = RejectsFile(reading.rejects, reading.choices)
    try:
        yield rejects
    finally:
        progress.write(console, rejects.finish())


def starting_at(from_line: int | None, books: Books) -> Iterator[ImportBooksRequest | ImportOutcome]:
    """Yield the rows from a line on. Raises NotBooks when the file ends before it."""
    if from_line is None:
        yield from books
        return
    yield from (row for row in books if row.line >= from_line)
    if books.table.last_line < from_line - 1:  # an import that stopped after its last row continues there
        raise NotBooks(f"has no line {from_line}, which --from-line names: its last line is {books.table.last_line}")


def name_of(path: Path) -> str:
    """Return the name of a file for messages."""
    return "Standard input" if str(path) == "-" else str(path)


def size_in_bytes(source: IO[bytes]) -> int | None:
    """Return the size of a file; None for a pipe and the like."""
    try:
        found = os.fstat(source.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
