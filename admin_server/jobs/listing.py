"""Librarians look up the sources, what the schedule imports from them, and what its runs brought."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from admin_server.jobs.runs import next_run_times
from admin_server.jobs.settings import SourceQuery
from admin_server.store.models import SourceRun
from library.admin.v1 import import_service_pb2 as messages
from library.admin.v1.import_service_pb2 import ListSourceRunsRequest
from service_kit.clock import Clock, timestamp
from service_kit.paging import page, page_size, row_position
from service_kit.store import Store
from service_kit.unreadable import read_rows, shown

LAST_RUNS = 5
"""Runs of each source in ListSources."""


class DescribedSource(Protocol):
    """A source as it is listed."""

    @property
    def name(self) -> str:
        """Its name in requests."""

    @property
    def display_name(self) -> str:
        """Its name for people."""

    @property
    def address(self) -> str:
        """Where its requests go."""

    def missing(self) -> str:
        """Return what is missing in the settings, as a clause; empty if it is set up."""

    def problem(self) -> str:
        """Return what is missing, or why the source is not asked at present; empty if it can be asked."""


def list_sources(
    store: Store, sources: Iterable[DescribedSource], jobs: Mapping[SourceQuery, int], clock: Clock
) -> messages.ListSourcesResponse:
    """Return the sources in the order in which they are asked."""
    now = clock()
    next_times = next_run_times(store, dict(jobs), now)
    return messages.ListSourcesResponse(sources=[_source(store, source, next_times, now) for source in sources])


def _source(store: Store, source: DescribedSource, next_times: Mapping[SourceQuery, int], now: int) -> messages.Source:
    times = {job: time for job, time in next_times.items() if job.source == source.name}
    is_set_up = not source.missing()
    found = messages.Source(
        name=source.name,
        display_name=source.display_name,
        is_set_up=is_set_up,
        problem=source.problem(),
        address=source.address,
        schedules=[job.query for job in times],
    )
    if times and is_set_up:
        found.next_run_time.CopyFrom(timestamp(max(now, min(times.values()))))
    with store.reading():
        newest = SourceRun.select().where(SourceRun.source == source.name).order_by(SourceRun.key.desc())
        rows = read_rows(newest.limit(LAST_RUNS), SourceRun)
    found.last_runs.extend(run for row in rows if (run := shown(row, run_message)) is not None)
    return found


def list_source_runs(store: Store, request: ListSourceRunsRequest) -> tuple[list[messages.SourceRun], str]:
    """Return a page of the runs, the newest first, and the token of the next."""
    query = SourceRun.select().order_by(SourceRun.key.desc()).limit(page_size(request) + 1)
    if before := row_position(request):
        query = query.where(SourceRun.key < before)
    with store.reading():
        return page(request, read_rows(query, SourceRun), run_message, lambda row: row.key)


def run_message(row: SourceRun) -> messages.SourceRun:
    """Convert a row to the message."""
    return messages.SourceRun(
        id=row.id,
        source=row.source,
        query=row.query,
        start_time=timestamp(row.start_time),
        end_time=None if row.end_time is None else timestamp(row.end_time),
        found_count=row.found,
        added_count=row.added,
        updated_count=row.updated,
        already_there_count=row.already_there,
        refused_count=row.refused,
        problem=row.problem,
    )
