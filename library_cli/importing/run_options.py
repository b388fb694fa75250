"""The options of `library import` for books that are in the catalogue already, and for runs."""

from __future__ import annotations

import functools
import itertools
import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from click.core import ParameterSource

from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UPDATE,
    ImportOptions,
    OnDuplicate,
)
from library_cli.importing.runs import show_runs, undo_run
from service_kit.ids import new_id

MODES: dict[str, OnDuplicate.ValueType] = {
    "skip": ON_DUPLICATE_SKIP,
    "update": ON_DUPLICATE_UPDATE,
    "add-copies": ON_DUPLICATE_ADD_COPIES,
}
LONGEST_SOURCE = 200


@dataclass(frozen=True)
class RunOptions:
    """How rows are imported whose books are in the catalogue already, and under which run id."""

    run_id: str
    on_duplicate: OnDuplicate.ValueType
    match_title: bool

    @property
    def key(self) -> str:
        """The fields that books are recognized by, for messages."""
        return "isbn or title" if self.match_title else "isbn"

    def message(self, source: str) -> ImportOptions:
        """Return the options as a message; `source` is the name of the file."""
        return ImportOptions(
            run_id=self.run_id,
            on_duplicate=self.on_duplicate,
            match_title=self.match_title,
            source="".join(letter if letter.isprintable() else " " for letter in source)[-LONGEST_SOURCE:],
        )

    def go_on(self, line: int) -> str:
        """Return the command line that continues this import from a line of its file."""
        return continued(sys.argv[1:], self.run_id, line)


def continued(arguments: list[str], run_id: str, line: int) -> str:
    """Return a command line with these arguments, this run id and this first line.

    The file of refused rows exists already, so the rest of the rows gets another one.
    """
    kept: list[str] = []
    rest = iter(arguments)
    for argument in rest:
        if argument in ("--run", "--resume", "--from-line"):
            next(rest, None)
        elif argument == "--rejects":
            kept += [argument, free_name(next(rest, ""))]
        elif argument.startswith("--rejects="):
            kept.append(f"--rejects={free_name(argument.partition('=')[2])}")
        elif argument != "--only-if-empty" and not argument.startswith(("--run=", "--resume=", "--from-line=")):
            kept.append(argument)
    place = kept.index("import") + 1 if "import" in kept else 0
    kept[place:place] = ["--run", run_id, "--from-line", str(line)]
    return shlex.join(["library", *kept])


def free_name(name: str) -> str:
    """Return a name like this one that no file has: `rejects-2.csv` for `rejects.csv`."""
    path = Path(name)
    for number in itertools.count(2):
        if not path.exists():
            break
        path = Path(name).with_stem(f"{Path(name).stem}-{number}")
    return str(path)


def run_id_option(_context: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    """Return the option's value as a UUID. Raises BadParameter."""
    if value is None:
        return None
    try:
        return str(UUID(value))
    except ValueError:
        raise click.BadParameter(f"{value!r} is not the id of a run: `library import --runs` lists them.") from None


def _refuse_other_options(asked: str) -> None:
    """Raise UsageError for each other option: none of them, such as --dry-run, would have an effect."""
    context = click.get_current_context()
    taken = (asked, "--json", "--admin-target")
    for option in context.command.params:
        source = context.get_parameter_source(option.name or "")
        if source is ParameterSource.COMMANDLINE and not set(taken).intersection(option.opts):
            what = "a FILE" if isinstance(option, click.Argument) else f"other options of an import: {option.opts[0]}"
            raise click.UsageError(f"{asked} cannot be used with {what}.")


OPTIONS = [
    click.option(
        "--on-duplicate",
        type=click.Choice(list(MODES)),
        default="skip",
        show_default=True,
        help="What is done with a row whose book is in the catalogue already: nothing, change the book to the values "
        "that the row has, or add the row's copies to it.",
    ),
    click.option(
        "--match",
        type=click.Choice(["isbn", "title"]),
        default="isbn",
        show_default=True,
        help="With title, a row without an ISBN is recognized by its title and first author.",
    ),
    click.option(
        "--run",
        "--resume",
        "run_id",
        metavar="ID",
        callback=run_id_option,
        help="Continue an import that was interrupted: no row is imported twice.",
    ),
    click.option("--undo", metavar="ID", callback=run_id_option, help="Undo the import with this run id, and stop."),
    click.option("--runs", "list_runs", is_flag=True, help="List the imports so far with their run ids, and stop."),
    click.option("--json", "json_wanted", is_flag=True, help="With --runs or --undo: write all fields as JSON."),
]


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument `runs`. --runs and --undo replace the command."""

    @functools.wraps(command)
    def with_runs(
        *arguments: Any,
        on_duplicate: str,
        match: str,
        run_id: str | None,
        undo: str | None,
        list_runs: bool,
        json_wanted: bool,
        **others: Any,
    ) -> Any:
        if undo is not None or list_runs:
            _refuse_other_options("--runs" if undo is None else "--undo")
            target: str = others["admin_target"]
            sys.exit(
                show_runs(target, json_wanted=json_wanted)
                if undo is None
                else undo_run(target, undo, json_wanted=json_wanted)
            )
        if json_wanted:
            raise click.UsageError("--json goes with --runs or --undo.")
        runs = RunOptions(run_id or new_id(), MODES[on_duplicate], match == "title")
        return command(*arguments, runs=runs, **others)

    wrapped: Callable[..., Any] = with_runs
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped
