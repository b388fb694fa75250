"""The runs of the jobs in the store, and when each job is due. Every change here begins with the lease."""

from __future__ import annotations

from dataclasses import dataclass, field

from admin_server.jobs.lease import Lease
from admin_server.jobs.settings import SourceQuery
from admin_server.store.models import RUN_NOT_ENDED, SourceJob, SourceRun
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_SKIP, ImportOptions
from service_kit.clock import SECOND, Clock
from service_kit.ids import new_id
from service_kit.schedule import shortened
from service_kit.store import Store

INTERRUPTED = "the server stopped during the run"

FIRST_PAUSE = 600 * SECOND
"""After the first failure of a job. Each further one in a row doubles it, up to the interval."""


@dataclass
class Counts:
    """What a part of a run brought."""

    found: int = 0
    added: int = 0
    updated: int = 0
    already_there: int = 0
    refused: int = 0
    problem: str = ""
    """The last problem of a book; an empty one leaves an earlier one."""


@dataclass
class Run:
    """A run of this process."""

    id: str
    job: SourceQuery
    position: int
    """Where the job was at the begin: see `SourceJob.position`."""
    added: int = 0
    found: int = 0
    options: ImportOptions = field(init=False)
    """Of its import run."""

    def __post_init__(self) -> None:
        """Make the options."""
        self.options = ImportOptions(
            run_id=self.id, on_duplicate=ON_DUPLICATE_SKIP, source=self.job.name[:200].rstrip()
        )


def due_jobs(store: Store, jobs: dict[SourceQuery, int], clock: Clock) -> list[SourceQuery]:
    """Return the jobs that are due, the longest overdue first.

    A job is due when its next time has come; at once if it has never run. So it is with a time that is more than an
    interval ahead, which was noted by a clock that was wrong, or with a longer interval.

    Args:
        store: The admin's store.
        jobs: All jobs with their intervals, in microseconds.
        clock: The time.
    """
    now = clock()
    next_times = next_run_times(store, jobs, now)
    return sorted((job for job, time in next_times.items() if time <= now), key=lambda job: next_times[job])


def next_run_times(store: Store, jobs: dict[SourceQuery, int], now: int) -> dict[SourceQuery, int]:
    """Return when each job is due next, in microseconds since 1970; 0 for one that is due at once."""
    with store.reading():
        stored = {row.name: row.next_time for row in SourceJob.select(SourceJob.name, SourceJob.next_time)}
    times = {job: stored.get(job.name, 0) for job in jobs}
    return {job: time if time <= now + jobs[job] else 0 for job, time in times.items()}


def begin_run(store: Store, lease: Lease, job: SourceQuery, clock: Clock) -> Run:
    """Begin a run; runs that a killed process has left open are closed as interrupted."""
    with store.writing():
        lease.keep()
        now = clock()
        close_open_runs(now)
        row = SourceJob.get_or_none(SourceJob.name == job.name)
        run = Run(new_id(), job, row.position if row is not None else 0)
        SourceRun.insert(id=run.id, source=job.source, query=job.query, start_time=now, problem="").execute()
        return run


def close_open_runs(now: int) -> None:
    """Close all runs that have not ended, within a transaction with the lease."""
    problem = SourceRun.problem
    for row in SourceRun.select(SourceRun.key, problem).where(RUN_NOT_ENDED):
        SourceRun.update(end_time=now, problem=INTERRUPTED).where(SourceRun.key == row.key).execute()


def note_counts(run: Run, counts: Counts, position: int | None = None) -> None:
    """Add to the counts of a run, within the transaction of what is counted."""
    changes: dict[object, object] = {
        column: column + value
        for column, value in (
            (SourceRun.found, counts.found),
            (SourceRun.added, counts.added),
            (SourceRun.updated, counts.updated),
            (SourceRun.already_there, counts.already_there),
            (SourceRun.refused, counts.refused),
        )
        if value
    }
    if counts.problem:
        changes[SourceRun.problem] = shortened(counts.problem)
    if changes:
        SourceRun.update(changes).where(SourceRun.id == run.id).execute()
    if position is not None:
        _save_job(run.job, {"position": position})


def end_run(
    store: Store, lease: Lease, run: Run, interval: int, clock: Clock, problem: str = "", retry_time: int | None = None
) -> None:
    """End a run, and note when the job is due next.

    Args:
        store: The admin's store.
        lease: That of this process.
        run: The run.
        interval: Of the job, in microseconds.
        clock: The time.
        problem: Why the run failed; empty if it did not. After a failure the job pauses.
        retry_time: When the source may be asked again, if that is known.
    """
    with store.writing():
        lease.keep()
        now = clock()
        changes: dict[str, object] = {"end_time": now, **({"problem": shortened(problem)} if problem else {})}
        SourceRun.update(changes).where(SourceRun.id == run.id).execute()
        row = SourceJob.get_or_none(SourceJob.name == run.job.name)
        failures = (row.failures if row is not None else 0) + 1 if problem else 0
        pause = min(interval, FIRST_PAUSE << min(failures - 1, 20)) if problem else interval
        next_time = max(now + pause, min(retry_time or 0, now + interval))
        _save_job(run.job, {"failures": failures, "next_time": next_time})


def interrupt_run(store: Store, lease: Lease, run: Run, clock: Clock) -> None:
    """End a run because the server stops. The job stays due, and runs again after the next start."""
    with store.writing():
        lease.keep()
        SourceRun.update(end_time=clock(), problem=INTERRUPTED).where(SourceRun.id == run.id).execute()


def _save_job(job: SourceQuery, changes: dict[str, object]) -> None:
    if not SourceJob.update(changes).where(SourceJob.name == job.name).execute():
        SourceJob.insert(**{"name": job.name, "next_time": 0, "failures": 0, "position": 0, **changes}).execute()
