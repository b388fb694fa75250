"""The command `library labels`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NoReturn

import click
from grpc import Channel
from rich.console import Console

from library_cli.channel import connected
from library_cli.desk.columns import name_of
from library_cli.desk.refusals import REFUSED, ended_by_refusals
from library_cli.labels import output
from library_cli.labels.contents import Label, item_label, user_card
from library_cli.labels.sheets import SHEETS, Sheet
from library_cli.labels.sources import ItemSource, NotAName, NotFound, Report, UserSource
from library_cli.labels.symbologies import CODE128, SYMBOLOGIES
from library_cli.options import admin_target_option, frontend_target_option
from library_cli.plain_text import one_line
from library_cli.stopped import INTERRUPTED, CommandStopped
from library_cli.times import counted

MOST_SHOWN = 10
"""The most problems, and the most warnings, that are printed."""

ITEMS, CARDS = "items", "cards"
DEFAULT_SHEETS = {ITEMS: "L7160", CARDS: "ID-1"}


@dataclass(frozen=True)
class Chosen:
    """What labels are wanted for."""

    kind: str
    numbers: Sequence[str]
    """Barcodes and ranges of barcodes, or card numbers."""
    books: Sequence[str]
    since: datetime | None
    query: str | None

    def problem(self) -> str | None:
        """Return what is wrong with the choice; None if it is possible."""
        is_filtered = bool(self.books) or self.since is not None
        if self.kind == CARDS and is_filtered:
            return "--book and --since choose items; cards are chosen by their numbers, or by --query."
        if self.kind == ITEMS and self.query is not None:
            return "--query chooses users, for --cards."
        if self.numbers and (is_filtered or self.query is not None):
            return "Name barcodes or card numbers, or choose by --book, --since or --query, but not both."
        if not (self.numbers or is_filtered or self.query is not None):
            return "Name barcodes, or card numbers with --cards; or choose by --book, --since or --query."
        return None


@click.command("labels", short_help="Make a PDF of barcode labels for items, or of user cards.")
@click.argument("numbers", nargs=-1, metavar="[NUMBER]...")
@click.option("--items", "kind", flag_value=ITEMS, default=ITEMS, help="Labels for items; this is the default.")
@click.option("--cards", "kind", flag_value=CARDS, help="Cards for users.")
@click.option(
    "--book", "books", metavar="ID|ISBN", multiple=True, help="All items of this book; may be given several times."
)
@click.option(
    "--since",
    metavar="DATE",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M"]),
    help="Only items created on this day or later, as YYYY-MM-DD or YYYY-MM-DDThh:mm in local time.",
)
@click.option("--query", metavar="TEXT", help="Cards for the users that `library users TEXT` finds.")
@click.option(
    "--sheet",
    "sheet_name",
    type=click.Choice(list(SHEETS), case_sensitive=False),
    help="The sheet to print on. "
    + "; ".join(f"{sheet.name}: {sheet.description}" for sheet in SHEETS.values())
    + f".  [default: {DEFAULT_SHEETS[ITEMS]}, for cards {DEFAULT_SHEETS[CARDS]}]",
)
@click.option(
    "--start", type=click.IntRange(min=1), default=1, show_default=True, help="The first free label of a used sheet."
)
@click.option(
    "--symbology", type=click.Choice(SYMBOLOGIES), default=CODE128, show_default=True, help="How numbers become bars."
)
@click.option("--library", metavar="NAME", default="", help="The name of the library, for cards.")
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    help="The file to write; `-` is standard output.  [default: labels.pdf, for cards cards.pdf]",
)
@click.option("--force", is_flag=True, help="Replace the file if it exists.")
@admin_target_option
@frontend_target_option
def labels_command(
    numbers: tuple[str, ...],
    kind: str,
    books: tuple[str, ...],
    since: datetime | None,
    query: str | None,
    sheet_name: str | None,
    start: int,
    symbology: str,
    library: str,
    file: Path | None,
    force: bool,
    admin_target: str,
    frontend_target: str,
) -> None:
    """Make a PDF of labels for the items with these barcodes, or with --cards of the cards with these numbers.

    A barcode can be a range, such as B00100..B00120, of which the items that exist get a label. Withdrawn items do not.

    A label has the barcode, its number, the call number, the shelf and the title; a card has the barcode, its number,
    the name of the user and of the library. At most 10,000 labels are made at once. Print the file without scaling.

    Exit status: 0 when the file is complete; 1 when a number is unknown or cannot be printed, and when a service
    refused; 2 when the command line is invalid, no service answered, or the file cannot be written.
    """
    chosen = Chosen(kind, numbers, books, _in_local_time(since), query)
    sheet = SHEETS[sheet_name or DEFAULT_SHEETS[kind]]
    file = file or Path(f"{'labels' if kind == ITEMS else kind}.pdf")
    if problem := chosen.problem() or _sheet_problem(sheet, start):
        raise click.UsageError(problem)
    _check_file(file, may_replace=force)
    target = admin_target if kind == ITEMS else frontend_target
    try:
        with _progress() as report:
            labels = _labels(chosen, target, library, report)
            report(f"Writing {counted(len(labels), 'label')}")
            sentences = _write(labels, sheet, start, symbology, kind, file, may_replace=force)
    except _RefusedLabels as refused:
        _print_all(f"Error: {problem}" for problem in refused.problems)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        raise CommandStopped("Interrupted.", INTERRUPTED) from None
    # After the progress, which would stay on the same line.
    _print_all(sentences[:-1])
    click.echo(sentences[-1], err=True)


class _RefusedLabels(Exception):
    """What is wrong with the chosen labels."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__()
        self.problems = problems


def _in_local_time(time: datetime | None) -> datetime | None:
    """Return a time without a zone with the zone of this machine."""
    try:
        return time.astimezone() if time is not None else None
    except (ValueError, OverflowError, OSError) as problem:  # near the ends of the calendar
        raise click.UsageError(f"--since is out of range: {problem}.") from problem


def _sheet_problem(sheet: Sheet, start: int) -> str | None:
    return (
        f"The sheet {sheet.name} has {sheet.capacity} labels: --start is {start}." if start > sheet.capacity else None
    )


def _check_file(file: Path, *, may_replace: bool) -> None:
    """End the command, before any call, if the file cannot be written."""
    if file == output.STANDARD_OUTPUT and sys.stdout.isatty():
        raise CommandStopped("A PDF is not written to a terminal: name a file, or use a pipe.")
    if file.is_file() and not may_replace:
        raise CommandStopped(_exists(file))


def _exists(file: Path) -> str:
    return f"{file} exists. Name another file with --output, or replace it with --force."


@contextmanager
def _progress() -> Iterator[Report]:
    """Yield a function that shows what is done now, on a terminal."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda text: None
        return
    with console.status("Reading") as status:
        yield status.update


def _labels(chosen: Chosen, target: str, library: str, report: Report) -> list[Label]:
    """Read what is chosen, and return its labels. Ends the command if there are none."""
    labels: list[Label] = []
    read = _item_labels if chosen.kind == ITEMS else _user_cards
    with ended_by_refusals(json_wanted=False), connected(target) as channel:
        try:
            labels = read(chosen, channel, library, report)
        except NotFound as not_found:
            _end(not_found.problems)
        except NotAName as problem:
            raise click.UsageError(str(problem)) from problem
    if not labels:
        _end([f"No {'item' if chosen.kind == ITEMS else 'user'} was found, so no file was written."])
    return labels


def _item_labels(chosen: Chosen, channel: Channel, library: str, report: Report) -> list[Label]:
    source = ItemSource(channel, report)
    items = source.with_barcodes(chosen.numbers) if chosen.numbers else source.matching(chosen.books, chosen.since)
    titles = source.titles(items)
    return [item_label(item.barcode, titles[item.book_id], item.call_number, item.shelf) for item in items]


def _user_cards(chosen: Chosen, channel: Channel, library: str, report: Report) -> list[Label]:
    source = UserSource(channel, report)
    users = source.matching(chosen.query) if chosen.query is not None else source.with_cards(chosen.numbers)
    return [user_card(user.card_number, name_of(user), library) for user in users]


def _write(
    labels: Sequence[Label], sheet: Sheet, start: int, symbology: str, kind: str, file: Path, *, may_replace: bool
) -> list[str]:
    """Make the PDF and write it; return warnings, then what was written."""
    # Imported here, because reportlab takes longer to import than `library --help` takes.
    from library_cli.labels.pdf import LabelsRefused, sheets_of  # noqa: PLC0415

    title = "Barcode labels" if kind == ITEMS else "User cards"
    try:
        made = sheets_of(labels, sheet, start=start, symbology=symbology, title=title)
        output.write(file, made.pdf, is_private=kind == CARDS, may_replace=may_replace)
    except LabelsRefused as refused:
        _end(refused.problems)
    except BrokenPipeError:
        raise  # the reader of the pipe has closed it: click ends the program without a message
    except FileExistsError:
        raise CommandStopped(_exists(file)) from None
    except OSError as problem:
        raise CommandStopped(f"{file} cannot be written: {problem.strerror or problem}") from problem
    warnings = [
        f'Warning: {number}: the font has no letters for "{replaced}"; Latin letters are printed instead.'
        for number, replaced in made.replaced
    ]
    noun = "label" if kind == ITEMS else "card"
    where = "" if file == output.STANDARD_OUTPUT else f" to {file}"
    written = (
        f"Wrote {counted(len(labels), noun)} on {counted(made.page_count, 'page')}{where}, for the sheet {sheet.name}. "
        f"The narrowest bar is {made.module_mm:.2f} mm wide. Print without scaling (100 %)."
    )
    return [*warnings, written]


def _end(problems: Sequence[str]) -> NoReturn:
    """End the command with these problems."""
    raise _RefusedLabels(problems)


def _print_all(sentences: Iterable[str]) -> None:
    """Print at most MOST_SHOWN sentences, and the number of the others."""
    listed = list(sentences)
    for sentence in listed[:MOST_SHOWN]:
        click.echo(one_line(sentence), err=True)
    if len(listed) > MOST_SHOWN:
        click.echo(f"The same happened {len(listed) - MOST_SHOWN:,} more times.", err=True)
