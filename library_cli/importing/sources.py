"""The command `library sources`."""

from __future__ import annotations

from collections.abc import Iterator

import click
import grpc

from library.admin.v1.import_service_pb2 import ListSourceRunsRequest, ListSourcesRequest, Source, SourceRun
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library_cli.channel import ANSWER_SECONDS, connected, pages
from library_cli.desk.refusals import ended_by_refusals
from library_cli.options import admin_target_option
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from library_cli.times import local_time

PAGE_SIZE = 1_000


def _state(source: Source) -> str:
    if not source.is_set_up:
        return f"not set up: {source.problem}"
    return f"waits: {source.problem}" if source.problem else "set up"


def _next_run(source: Source) -> str:
    return source.next_run_time.ToJsonString() if source.HasField("next_run_time") else ""


def _next_run_shown(source: Source) -> str:
    return local_time(source.next_run_time) if source.HasField("next_run_time") else "none"


def _last_run(source: Source) -> str:
    if not source.last_runs:
        return ""
    return f"{source.last_runs[0].start_time.ToJsonString()}: {_brought(source.last_runs[0])}"


def _last_run_shown(source: Source) -> str:
    return f"{local_time(source.last_runs[0].start_time)}: {_brought(source.last_runs[0])}" if source.last_runs else ""


def _brought(run: SourceRun) -> str:
    """Return what a run brought, such as `12 added, 1 left out`."""
    if not run.HasField("end_time"):
        return "running"
    counts = [
        (run.added_count, "added"),
        (run.updated_count, "filled"),
        (run.already_there_count, "already there"),
        (run.refused_count, "left out"),
    ]
    return ", ".join(f"{count} {what}" for count, what in counts if count) or run.problem or "nothing new"


def _end(run: SourceRun) -> str:
    return run.end_time.ToJsonString() if run.HasField("end_time") else ""


def _end_shown(run: SourceRun) -> str:
    return local_time(run.end_time) if run.HasField("end_time") else "running"


SOURCES = Form[Source](
    columns=[
        Column("source", lambda source: source.name, is_whole=True),
        Column("state", _state),
        Column("schedules", lambda source: ", ".join(source.schedules)),
        Column("next run", _next_run, _next_run_shown),
        Column("last run", _last_run, _last_run_shown),
        Column("address", lambda source: source.address, min_width=WIDE),
    ],
    as_json=as_json,
    nothing="There is no source.",
)
RUNS = Form[SourceRun](
    columns=[
        Column("run id", lambda run: run.id, is_whole=True, min_width=WIDE),
        Column("source", lambda run: run.source),
        Column("query", lambda run: run.query),
        Column("began", lambda run: run.start_time.ToJsonString(), lambda run: local_time(run.start_time)),
        Column("ended", _end, _end_shown, min_width=WIDE),
        Column("found", lambda run: str(run.found_count)),
        Column("added", lambda run: str(run.added_count)),
        Column("filled", lambda run: str(run.updated_count)),
        Column("already there", lambda run: str(run.already_there_count), min_width=WIDE),
        Column("left out", lambda run: str(run.refused_count)),
        Column("problem", lambda run: run.problem),
    ],
    as_json=as_json,
    nothing="The schedule has not run yet.",
)


@click.group("sources", invoke_without_command=True, short_help="Show other catalogues, and what they brought.")
@json_option
@admin_target_option
@click.pass_context
def sources_command(context: click.Context, json_wanted: bool, admin_target: str) -> None:
    """Show the sources of books outside, what is set up, what the schedule imports, and what its last runs brought.

    The output is a table on a terminal, otherwise a line for each source, with tabs between source, state, schedules,
    next run, last run and address.

    Exit status: 0 when the service answered; 1 when it refused; 2 when it did not answer.
    """
    if context.invoked_subcommand is not None:
        return
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        found = ImportServiceStub(channel).ListSources(ListSourcesRequest(), timeout=ANSWER_SECONDS)
        show(iter(found.sources), SOURCES, json_wanted=json_wanted, limit=None)


@sources_command.command("runs")
@limit_option
@json_option
@admin_target_option
def runs(limit: int | None, json_wanted: bool, admin_target: str) -> None:
    """List the runs of the schedule, the newest first. `library import --undo RUN_ID` undoes what one added.

    The output is a table on a terminal, otherwise a line for each run, with tabs between run id, source, query, begin,
    end, found, added, filled, already there, left out and problem.
    """
    with ended_by_refusals(json_wanted=json_wanted), connected(admin_target) as channel:
        show(_runs(channel), RUNS, json_wanted=json_wanted, limit=limit)


def _runs(channel: grpc.Channel) -> Iterator[SourceRun]:
    for page in pages(ImportServiceStub(channel).ListSourceRuns, ListSourceRunsRequest(page_size=PAGE_SIZE)):
        yield from page.source_runs
