"""The command `library export`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from library_cli.channel import connected
from library_cli.exporting.kinds import BOOKS, LOANS, USERS, Kind, count_of
from library_cli.exporting.marc import books_with_items, marc_writer
from library_cli.exporting.output import FORMATS, MARC_SUFFIXES, SUFFIXES, opened, writer_of
from library_cli.grpc_errors import CallFailed
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.pace import Pace
from library_cli.stopped import INTERRUPTED, CommandStopped
from library_formats.writers.formats import MARC_WRITERS

SHOWN_EVERY = 1_000
"""Rows between two updates of the progress."""


@click.command("export", short_help="Write all books, users or loans into a file: CSV, JSON Lines, MARC.")
@click.argument("file", type=click.Path(dir_okay=False, allow_dash=True, path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice([*FORMATS, *MARC_WRITERS]),
    help="CSV, JSON Lines, or, for books, MARC 21 in ISO 2709, XML or JSON. Without it the suffix of FILE decides: "
    ".jsonl and .ndjson are JSON Lines, .mrc, .xml and .json are MARC, all others CSV.",
)
@click.option(
    "--items",
    "item_tag",
    type=click.Choice(["852", "949", "952", "995"]),
    default="952",
    show_default=True,
    help="The field of MARC records for the items.",
)
@click.option("--users", is_flag=True, help="Write the users, also closed ones, instead of the books.")
@click.option("--loans", is_flag=True, help="Write the loans, also returned ones, instead of the books.")
@admin_target_option
@frontend_target_option
def export_command(
    file: Path, form: str | None, item_tag: str, users: bool, loans: bool, admin_target: str, frontend_target: str
) -> None:
    """Write all books of the catalogue into FILE; `-` is standard output.

    The columns of books are those that `library import` reads, so an exported catalogue can be imported into an empty
    library as it is. MARC records have the items with their barcodes, too. Users and loans have the columns of the
    contract, times in RFC 3339 in UTC. The text is UTF-8.

    FILE is written under another name and renamed when it is complete, so an export that stops leaves an earlier file
    as it was. A file with users or loans can only be read by you.

    Exit status: 0 when the file is complete, 2 when the export could not be done.
    """
    if users and loans:
        raise click.UsageError("--users and --loans cannot be used together: a file has rows of one kind.")
    chosen = USERS if users else LOANS if loans else BOOKS
    form = _form(form, file, chosen)
    target = admin_target if chosen is BOOKS else frontend_target
    count = 0
    try:
        total = _total(admin_target, chosen)
        with connected(target) as channel:
            rows: Iterator[Any] = books_with_items(channel) if form in MARC_WRITERS else chosen.rows(channel)
            first = list(islice(rows, 1))  # before anything is written, as the service may not answer
            with (
                opened(file, is_private=chosen.is_private) as out,
                _writer(form, out, chosen, item_tag) as write,
                _progress(Console(stderr=True), chosen, total) as show_progress,
            ):
                for count, row in enumerate(chain(first, rows), 1):
                    write(row)
                    if count % SHOWN_EVERY == 0:
                        show_progress(count)
    except BrokenPipeError:
        raise  # the reader of the pipe has closed it: click ends the program without a message
    except CallFailed as problem:
        raise CommandStopped(str(problem)) from problem
    except OSError as problem:
        raise CommandStopped(f"{file} cannot be written: {problem.strerror or problem}") from problem
    except KeyboardInterrupt:
        raise CommandStopped("Interrupted.", INTERRUPTED) from None
    click.echo(f"Exported {count} {chosen.name}", err=True)


def _form(form: str | None, file: Path, kind: Kind) -> str:
    """Return the format of a file, by its suffix if none was chosen."""
    suffixes = {**SUFFIXES, **MARC_SUFFIXES} if kind is BOOKS else SUFFIXES
    form = form or suffixes.get(file.suffix.lower(), "csv")
    if form in MARC_WRITERS and kind is not BOOKS:
        raise click.UsageError("MARC records are of books: choose csv or jsonl for users and loans.")
    return form


def _writer(form: str, out: IO[str], kind: Kind, item_tag: str) -> AbstractContextManager[Callable[[Any], object]]:
    if form in MARC_WRITERS:
        return marc_writer(form, out, item_tag)
    return nullcontext(writer_of(form, out, kind.columns))


def _total(admin_target: str, kind: Kind) -> int | None:
    try:
        with connected(admin_target) as channel:
            return count_of(channel, kind)
    except CallFailed:
        return None


@contextmanager
def _progress(console: Console, kind: Kind, total: int | None) -> Iterator[Callable[[int], None]]:
    """Yield a function to call with the number of rows written. It shows a bar on a terminal, otherwise lines."""
    pace = Pace()

    def text(count: int, *, with_time: bool) -> str:
        return f"{count} {kind.name}, {pace.in_words(count, count / total if with_time and total else None)}"

    if not console.is_terminal:
        pace.is_due()  # no line in the first seconds
        yield lambda count: console.print(text(count, with_time=True), highlight=False) if pace.is_due() else None
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total)
        yield lambda count: progress.update(task, completed=count, description=text(count, with_time=False))
