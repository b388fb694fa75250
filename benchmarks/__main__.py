"""The command `python -m benchmarks`."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click

from benchmarks import report
from benchmarks.access import access
from benchmarks.borrowing import borrowing
from benchmarks.environment import FULL, QUICK, Environment
from benchmarks.first_sync import first_sync
from benchmarks.idle_poll import idle_poll
from benchmarks.imports import import_operation
from benchmarks.reads import get_book, list_books
from benchmarks.rest import rest
from benchmarks.results import Result
from benchmarks.search import search

BENCHMARKS: dict[str, Callable[[Environment], Iterator[Result]]] = {
    "get-book": get_book,
    "list-books": list_books,
    "search": search,
    "rest": rest,
    "idle-poll": idle_poll,
    "first-sync": first_sync,
    "import": import_operation,
    "borrowing": borrowing,
    "access": access,
}

QUIET = 0.5
"""A higher load average means that other programs distort the figures."""


@click.command()
@click.option("--quick", is_flag=True, help="Few books and short rounds: shows only that the benchmarks work.")
@click.option("--only", type=click.Choice(list(BENCHMARKS)), multiple=True, help="Only this one; may be repeated.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the table into this file, as into docs/performance.md.",
)
def main(quick: bool, only: tuple[str, ...], output: Path | None) -> None:
    """Compare the servers with the least programs that do the same work."""
    load = os.getloadavg()[0]
    if load > QUIET:
        click.echo(f"The machine is busy (load average {load:.1f}): expect noise.", err=True)
    results: list[Result] = []
    begin = time.monotonic()
    with contextlib.ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="library-benchmarks-")))
        environment = Environment(folder, QUICK if quick else FULL, ending)
        for name in only or BENCHMARKS:
            for result in BENCHMARKS[name](environment):
                results.append(result)
                click.echo(report.line(result))
    click.echo(f"{time.monotonic() - begin:.0f} seconds in total", err=True)
    if output is not None:
        command = " ".join(
            ["python -m benchmarks", *(["--quick"] if quick else []), *(f"--only {each}" for each in only)]
        )
        try:
            report.write_into(output, report.table(results, command, load))
        except report.NoPlace as error:
            raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
