"""Follow an import until it ends: a bar on a terminal, otherwise a line from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click
import grpc
from google.longrunning.operations_pb2 import Operation
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from library_cli.imports.calls import Imports, id_of, progress_of
from library_cli.imports.wording import (
    counts_in_words,
    outcome_in_words,
    problem_in_words,
    state_of,
    undo_in_words,
)
from library_cli.pace import Pace
from library_cli.stopped import FAILED, INTERRUPTED, CommandStopped

WAIT_SECONDS = 1
AWAY_SECONDS = 60.0
"""How long a server that does not answer is asked again: it may be restarting."""

PROBLEMS_SHOWN = 50


def follow(imports: Imports, identity: str) -> int:
    """Show the progress of an import until it ends, and what became of it; return the exit status."""
    console = Console(stderr=True)
    try:
        with shown(console) as show:
            operation = _ended(imports, identity, show)
    except KeyboardInterrupt:
        how = f"follow it with: library imports wait {identity}\nCancel it with: library imports cancel {identity}"
        raise CommandStopped(f"The import goes on at the server; {how}", INTERRUPTED) from None
    return report(imports, operation)


def report(imports: Imports, operation: Operation) -> int:
    """Print what became of an import that has ended; return the exit status."""
    identity, progress = id_of(operation), progress_of(operation)
    for place, problem in enumerate(imports.problems(identity)):
        if place == PROBLEMS_SHOWN:
            click.echo(f"More problems: library imports problems {identity}", err=True)
            break
        click.echo(problem_in_words(problem), err=True)
    if undo := undo_in_words(operation):
        click.echo(undo, err=True)
    click.echo(outcome_in_words(operation))
    if operation.HasField("error"):
        return FAILED
    return 1 if progress.summary.refused_count else 0


def _ended(imports: Imports, identity: str, show: Callable[[Operation], None]) -> Operation:
    away_since: float | None = None
    while True:
        try:
            operation = imports.wait(identity, WAIT_SECONDS)
        except grpc.RpcError as error:
            if error.code() is not grpc.StatusCode.UNAVAILABLE:
                raise
            away_since = away_since or time.monotonic()
            if time.monotonic() - away_since > AWAY_SECONDS:
                raise
            time.sleep(WAIT_SECONDS)
            continue
        away_since = None
        show(operation)
        if operation.done:
            return operation


@contextmanager
def shown(console: Console) -> Iterator[Callable[[Operation], None]]:
    """Yield a function that shows how far an operation is."""
    pace = Pace()
    if not console.is_terminal:
        yield lambda operation: _line(console, operation, pace)
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def update(operation: Operation) -> None:
            progress = progress_of(operation)
            text = counts_in_words(progress.summary, validate_only=progress.validate_only)
            bar.update(
                task,
                total=progress.total_bytes,
                completed=progress.done_bytes,
                description=f"{state_of(progress)}: {text}, {pace.in_words(progress.summary.record_count, None)}",
            )

        yield update


def _line(console: Console, operation: Operation, pace: Pace) -> None:
    progress = progress_of(operation)
    if operation.done or not pace.is_due():
        return
    text = counts_in_words(progress.summary, validate_only=progress.validate_only)
    part = progress.done_bytes / progress.total_bytes if progress.total_bytes else None
    percent = f"{part:.0%} " if part else ""
    console.print(f"{percent}{state_of(progress)}: {text}", markup=False, highlight=False, soft_wrap=True)
