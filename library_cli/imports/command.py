"""The command `library imports`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import click
from google.longrunning.operations_pb2 import Operation
from google.rpc import error_details_pb2

from library.admin.v1.import_service_pb2 import ImportFormat, ImportProblem, ImportProgress
from library_cli.channel import connected
from library_cli.grpc_errors import CallFailed
from library_cli.importing.runs import undo_run
from library_cli.imports.calls import Imports, id_of, progress_of
from library_cli.imports.following import follow
from library_cli.imports.wording import counts_in_words, state_of
from library_cli.options import admin_target_option
from library_cli.plain_text import one_line
from library_cli.stopped import CommandStopped
from library_cli.tables import SHORT_ID, WIDE, Column, Form, as_json, json_option, limit_option, show, write_json
from library_cli.times import local_time

DETAILS = error_details_pb2.ErrorInfo.DESCRIPTOR.full_name
"""The details of errors that `as_json` writes; it needs their types."""


def _undone(operation: Operation) -> str:
    progress = progress_of(operation)
    return progress.undo_time.ToJsonString() if progress.HasField("undo_time") else ""


def _undone_shown(operation: Operation) -> str:
    progress = progress_of(operation)
    return local_time(progress.undo_time) if progress.HasField("undo_time") else ""


def _state(progress: ImportProgress) -> str:
    return f"{state_of(progress)}{' (dry run)' if progress.validate_only else ''}"


IMPORTS: Form[Operation] = Form(
    (
        Column("id", id_of, is_whole=True, short_below=WIDE + SHORT_ID),
        Column(
            "time",
            lambda each: progress_of(each).create_time.ToJsonString(),
            lambda each: local_time(progress_of(each).create_time),
        ),
        Column("state", lambda each: _state(progress_of(each))),
        Column("records", lambda each: str(progress_of(each).summary.record_count)),
        Column("added", lambda each: str(progress_of(each).summary.added_count)),
        Column("refused", lambda each: str(progress_of(each).summary.refused_count), min_width=WIDE),
        Column("undone", _undone, _undone_shown, min_width=WIDE),
        Column("source", lambda each: progress_of(each).source),
    ),
    as_json,
    "No file was imported as an operation yet.",
)

PROBLEMS: Form[ImportProblem] = Form(
    (
        Column("record", lambda each: str(each.record)),
        Column("001", lambda each: each.control_number),
        Column("field", lambda each: each.field),
        Column("problem", lambda each: each.description),
        Column("imported", lambda each: "yes" if each.imported else "no"),
    ),
    as_json,
    "The import has no problems.",
)


@click.group("imports", invoke_without_command=True, short_help="Follow, cancel and undo imports of files.")
@json_option
@limit_option
@admin_target_option
@click.pass_context
def imports_command(context: click.Context, admin_target: str, json_wanted: bool, limit: int | None) -> None:
    """Follow, cancel and undo the imports that `library import` has started as operations of the server.

    Without a subcommand it lists them. The beginning of an ID is enough if no other import has it.

    Exit status: that of the import for `wait`; otherwise 0 when it was done, 2 when it could not be done.
    """
    if context.invoked_subcommand is None:
        _list(admin_target, json_wanted=json_wanted, limit=limit)


def _list(target: str, *, json_wanted: bool, limit: int | None) -> None:
    with _imports(target) as imports:
        show(imports.all(), IMPORTS, json_wanted=json_wanted, limit=limit)


@contextmanager
def _imports(target: str) -> Iterator[Imports]:
    try:
        with connected(target) as channel:
            yield Imports(channel)
    except CallFailed as problem:
        raise CommandStopped(str(problem)) from problem


@imports_command.command("list")
@json_option
@limit_option
@admin_target_option
def list_imports(admin_target: str, json_wanted: bool, limit: int | None) -> None:
    """List the imports, the newest first.

    The output is a table on a terminal, otherwise a line for each import, with tabs between id, time, state, records,
    added, refused, undone and source.
    """
    _list(admin_target, json_wanted=json_wanted, limit=limit)


def _of_one(name: str, *options: Callable[..., Any]) -> Callable[..., Any]:
    """Return a decorator for a subcommand about one import, which gets its id as `import_id`."""

    def decorate(command: Callable[..., Any]) -> Any:
        for option in reversed([click.argument("import_id", metavar="ID"), *options, admin_target_option]):
            command = option(command)
        return imports_command.command(name)(command)

    return decorate


@_of_one("show", json_option)
def show_import(admin_target: str, import_id: str, json_wanted: bool) -> None:
    """Show how far an import is, and what became of it."""
    with _imports(admin_target) as imports:
        operation = imports.get(imports.named(import_id))
    if json_wanted:
        write_json([as_json(operation)])
        return
    progress = progress_of(operation)
    part = progress.done_bytes / progress.total_bytes if progress.total_bytes else 0.0
    lines = {
        "id": id_of(operation),
        "source": progress.source,
        "format": ImportFormat.Name(progress.format).removeprefix("IMPORT_FORMAT_").lower().replace("_", "-"),
        "state": _state(progress),
        "begun": local_time(progress.create_time),
        "ended": local_time(progress.end_time) if progress.HasField("end_time") else "",
        "undone": local_time(progress.undo_time) if progress.HasField("undo_time") else "",
        "read": f"{part:.0%} of {progress.total_bytes:,} bytes, {progress.summary.record_count:,} records",
        "records": counts_in_words(progress.summary, validate_only=progress.validate_only),
        "problems": f"{progress.summary.problem_count:,}" if progress.summary.problem_count else "",
        "problem": operation.error.message if operation.HasField("error") else progress.problem,
    }
    for name, value in lines.items():
        if value:
            click.echo(f"{name}: {value}")


@_of_one("problems", json_option, limit_option)
def list_problems(admin_target: str, import_id: str, json_wanted: bool, limit: int | None) -> None:
    """List what was wrong with the records of an import.

    The output is a table on a terminal, otherwise a line for each problem, with tabs between the record's number in the
    file, its field 001, the field, the problem, and whether the record was imported without the field: yes or no.
    """
    with _imports(admin_target) as imports:
        identity = imports.named(import_id)
        operation = imports.get(identity)
        problems = imports.problems(identity)
        if operation.HasField("error") and not json_wanted:
            click.echo(one_line(operation.error.message), err=True)
        show(problems, PROBLEMS, json_wanted=json_wanted, limit=limit)


@_of_one("cancel")
def cancel_import(admin_target: str, import_id: str) -> None:
    """Cancel an import. What it has imported stays, until it is undone."""
    with _imports(admin_target) as imports:
        identity = imports.named(import_id)
        had_ended = imports.get(identity).done
        imports.cancel(identity)
    if had_ended:
        click.echo(f"The import {identity} has ended already.")
    else:
        click.echo(f"The import {identity} ends after the records that are imported at present.")


@_of_one("wait")
def wait_for_import(admin_target: str, import_id: str) -> None:
    """Show the progress of an import until it ends."""
    with _imports(admin_target) as imports:
        sys.exit(follow(imports, imports.named(import_id)))


@_of_one("undo", json_option)
def undo_import(admin_target: str, import_id: str, json_wanted: bool) -> None:
    """Undo an import, except for books that were changed or lent since. Cancel it first if it still runs."""
    with _imports(admin_target) as imports:
        identity = imports.named(import_id)
        if imports.is_dry_run(identity):
            raise CommandStopped(f"The import {identity} was a dry run. It has added nothing that could be undone.")
    sys.exit(undo_run(admin_target, identity, json_wanted=json_wanted))


@_of_one("delete")
def delete_import(admin_target: str, import_id: str) -> None:
    """Delete an import that has ended from the list, with its problems. What it has imported stays."""
    with _imports(admin_target) as imports:
        identity = imports.named(import_id)
        imports.delete(identity)
    click.echo(f"The import {identity} is not listed any more.")
