"""The command `library import`."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from typing import IO

import click
import grpc
from rich.console import Console

from library_cli.channel import connected
from library_cli.grpc_errors import CallFailed
from library_cli.importing import progress
from library_cli.importing.csv_books import CsvBooks, NotBooks
from library_cli.importing.run_options import RunOptions, run_options
from library_cli.importing.sending import SAMPLE, Tally, book_count, import_rows
from library_cli.options import admin_target_option


class ImportStopped(click.ClickException):
    """An import could not be done, or not to its end; it says how far it came."""

    def __init__(self, reason: str, tally: Tally, *, dry_run: bool, exit_code: int = 2) -> None:
        if how_far := progress.how_far(tally, dry_run=dry_run):
            reason += f"\n{how_far}"
        super().__init__(reason)
        self.exit_code = exit_code  # type: ignore[misc]  # click reads it from the instance, whatever its types say


@click.command("import", short_help="Add the books in a CSV file to the catalogue.")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("--sample", is_flag=True, help="Import the sample that comes with the program instead of a FILE.")
@click.option("--only-if-empty", is_flag=True, help="Do nothing where the catalogue has books.")
@click.option("--dry-run", is_flag=True, help="Check every row and say what would become of it, but add nothing.")
@click.option(
    "--from-line",
    type=click.IntRange(min=2),
    default=2,
    show_default=True,
    help="Leave out the rows before this line of the file: an import that stopped says where to go on.",
)
@run_options
@admin_target_option
def import_command(
    file: Path | None,
    sample: bool,
    only_if_empty: bool,
    dry_run: bool,
    from_line: int,
    runs: RunOptions,
    admin_target: str,
) -> None:
    """Add the books in the CSV FILE to the catalogue; `-` is standard input.

    The first line names the columns, in any order: title, authors (with `;` between them), isbn, publisher, category,
    language, published_year, page_count, cover_uri, description, copies. Only title is required. The text is UTF-8.

    A row that cannot be added is reported with its line, field and reason, and the rest goes in. A book whose ISBN is
    in the catalogue is reported and not added again, so an import can be repeated; --on-duplicate updates it or adds
    copies. Rows without an ISBN would be added twice, unless --match title recognizes them.

    Each import has a run id. One that stopped prints the command that goes on with it: no row is imported twice.
    --undo takes a run back, but leaves alone what was changed or lent since.

    Exit status: 0 when every row is in the catalogue, 1 when rows were refused, 2 when the import could not be done.
    """
    if (file is None) is not sample:
        raise click.UsageError("Give a FILE or --sample.")
    path = SAMPLE if file is None else file
    tally = Tally(go_on=runs.go_on)
    try:
        with connected(admin_target) as channel:
            if only_if_empty and (books := book_count(channel)):
                click.echo(f"Nothing was imported, as the catalogue has books: {books}.")
                return
            with click.open_file(str(path), "rb") as source:
                import_file(source, channel, tally, runs, dry_run=dry_run, from_line=from_line)
    except NotBooks as problem:
        name = "Standard input" if str(path) == "-" else path
        raise ImportStopped(f"{name} {problem}.", tally, dry_run=dry_run) from problem
    except (CallFailed, OSError) as problem:
        raise ImportStopped(str(problem), tally, dry_run=dry_run) from problem
    except KeyboardInterrupt:
        raise ImportStopped("Interrupted.", tally, dry_run=dry_run, exit_code=130) from None
    if tally.changes and not dry_run:
        click.echo(f"To take this import back: library import --undo {runs.run_id}", err=True)
    click.echo(progress.in_words(tally, dry_run=dry_run).capitalize())
    sys.exit(1 if tally.refused else 0)


def import_file(
    source: IO[bytes], channel: grpc.Channel, tally: Tally, runs: RunOptions, *, dry_run: bool, from_line: int
) -> None:
    """Import a file; report on standard error how far it is and what does not go in. The tally is kept up to date."""
    console = Console(stderr=True)
    books = CsvBooks(source)
    for column in books.unknown_columns:
        progress.write(console, f"line 1: {column or 'a column without a name'}: unknown column, left out")
    with progress.shown(console, size_in_bytes(source), dry_run=dry_run) as tell:
        rows = (row for row in books if row.line >= from_line)
        options = runs.message(str(getattr(source, "name", "")))
        for outcomes in import_rows(channel, rows, tally, validate_only=dry_run, options=options):
            tally.count(outcomes)
            progress.report(console, outcomes, dry_run=dry_run, key=runs.key)
            tell(books.bytes_read, tally)
    if books.mended_lines:
        mended = "had control characters that are letters in Windows-1252, and were read as those"
        progress.write(console, f"{books.mended_lines} lines {mended}")


def size_in_bytes(source: IO[bytes]) -> int | None:
    """Give the size of a file; None for what has none beforehand, such as a pipe."""
    try:
        found = os.fstat(source.fileno())
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
