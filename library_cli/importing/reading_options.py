"""The options of `library import` for reading a file, and the question whether guesses are right."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks
from library_cli.plain_text import one_line


@dataclass(frozen=True)
class ReadingOptions:
    """How the file is read, whether guesses are accepted without a question, and where refused rows are written."""

    choices: Choices = AS_FOUND
    yes: bool = False
    rejects: Path | None = None


OPTIONS = [
    click.option(
        "--map", "maps", multiple=True, metavar='"HEADING=FIELD"', help="Take a column as a field; repeatable."
    ),
    click.option("--ignore", "ignores", multiple=True, metavar="HEADING", help="Leave a column out; repeatable."),
    click.option("--columns", metavar="FIELDS", help="Name the columns of a file without headings: title,authors,-"),
    click.option("--delimiter", default="", metavar="CHARACTER", help="What separates values: , ; | or tab."),
    click.option("--encoding", default="", metavar="NAME", help="The encoding of the text, such as windows-1252."),
    click.option("--sheet", default="", metavar="NAME", help="The sheet of an Excel workbook."),
    click.option(
        "--authors-separator",
        "authors_separators",
        multiple=True,
        metavar="TEXT",
        help="What separates authors, in place of ; | and &; repeatable.",
    ),
    click.option("--last-first", is_flag=True, help="Authors are written as Last, First."),
    click.option("--yes", "-y", is_flag=True, help="Take guesses about the file as right."),
    click.option(
        "--rejects",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write refused rows to a new file of the same form, to be corrected and imported.",
    ),
]


def reading_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument `reading`."""

    @functools.wraps(command)
    def with_reading(*arguments: Any, columns: str | None, yes: bool, rejects: Path | None, **others: Any) -> Any:
        names = ("maps", "ignores", "delimiter", "encoding", "sheet", "authors_separators", "last_first")
        chosen = {name: others.pop(name) for name in names}
        choices = Choices(columns=() if columns is None else tuple(columns.split(",")), **chosen)
        return command(*arguments, reading=ReadingOptions(choices, yes, rejects), **others)

    wrapped: Callable[..., Any] = with_reading
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def confirm(books: Books, options: ReadingOptions, name: str, *, can_ask: bool, dry_run: bool) -> None:
    """Show how a file is read, before anything is written, and ask whether guesses are right.

    Args:
        books: The file.
        options: With `yes`, no question is asked.
        name: The file's name in messages.
        can_ask: Whether standard input can be used for the answer, because the file is not read from it.
        dry_run: Whether nothing will be written.

    Raises:
        NotBooks: When guesses are not right, or no question can be asked.
    """
    if lines := books.shown:
        click.echo(f"{name} is read like this:", err=True)
        for line in lines:
            click.echo(f"  {one_line(line)}", err=True)
    if not books.is_guess or options.yes:
        return
    if dry_run:
        click.echo(
            "Some of this is a guess: without --dry-run, the import asks whether it is right, or needs --yes.", err=True
        )
        return
    if can_ask and sys.stdin.isatty() and sys.stderr.isatty():
        if click.confirm("Is that right?", err=True):
            return
        raise NotBooks('was not imported; correct it with --map "Heading=field", --ignore Heading or --encoding')
    raise NotBooks(
        "was not imported, as some of this is a guess; if it is right, add --yes; if not, correct it with "
        '--map "Heading=field", --ignore Heading, --delimiter, --encoding or --sheet'
    )
