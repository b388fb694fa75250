"""Show how far an import is: a bar on a terminal, lines elsewhere; and every row that did not go in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from library.admin.v1.catalog_service_pb2 import IMPORT_RESULT_ALREADY_THERE, ImportOutcome
from library_cli.importing.sending import Tally
from library_cli.plain_text import one_line


@contextmanager
def shown(console: Console, total_bytes: int | None, *, dry_run: bool) -> Iterator[Callable[[int, Tally], None]]:
    """Give what is called after each batch, with the bytes read so far and the tally."""
    if not console.is_terminal:
        yield lambda _, tally: write(console, f"up to line {tally.line}: {in_words(tally, dry_run=dry_run)}")
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("", total=total_bytes)
        yield lambda bytes_read, tally: progress.update(
            task, completed=bytes_read, description=in_words(tally, dry_run=dry_run)
        )


def report(console: Console, outcomes: list[ImportOutcome]) -> None:
    """Write a line for each problem of each row that did not go in."""
    for outcome in outcomes:
        if outcome.result == IMPORT_RESULT_ALREADY_THERE:
            as_book = f" as book {outcome.book_id}" if outcome.book_id else ""
            write(console, f"line {outcome.line}: isbn: already there{as_book}")
        for problem in outcome.problems:
            write(console, f"line {outcome.line}: {problem.field}: {problem.description}")


def in_words(tally: Tally, *, dry_run: bool) -> str:
    """Say what became of the rows."""
    added, refused = ("would add", "would refuse") if dry_run else ("added", "refused")
    return f"{added} {tally.added}, already there {tally.already_there}, {refused} {tally.refused}"


def how_far(tally: Tally, *, dry_run: bool) -> str:
    """Say up to which line an import came that did not come to its end, and how to go on; empty before it began."""
    sentences = []
    if tally.line:
        sentences.append(f"Up to line {tally.line}: {in_words(tally, dry_run=dry_run)}.")
    if dry_run:
        return " ".join(sentences)
    if tally.unanswered is None:
        if sentences:
            sentences.append(f"Go on with --from-line {tally.line + 1}.")
        return " ".join(sentences)
    first, last = tally.unanswered
    sentences.append(f"Lines {first} to {last} were sent, but not answered: all of their books are in, or none.")
    sentences.append(f"Go on with --from-line {tally.line + 1 if tally.line else first}.")
    sentences.append("Books with an ISBN are not added twice; if these have none, look for the first of them in the")
    sentences.append(f"catalogue, and if it is there, go on with --from-line {last + 1}.")
    return " ".join(sentences)


def write(console: Console, line: str) -> None:
    """Write a line, not wrapped; square brackets in it are no markup."""
    console.print(one_line(line), markup=False, highlight=False, soft_wrap=True)
