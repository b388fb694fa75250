"""Runs the jobs that are due, one at a time, in one process at a time."""

from __future__ import annotations

from collections.abc import Mapping

from admin_server.covers.fetching import PictureFetcher
from admin_server.jobs.filling import fill_gaps
from admin_server.jobs.importing import import_query
from admin_server.jobs.lease import Lease, LeaseLost
from admin_server.jobs.runs import Run, begin_run, due_jobs, end_run, interrupt_run
from admin_server.jobs.settings import GAPS, JobSettings, SourceQuery
from admin_server.jobs.work import Catalogue, Stopped, Work
from admin_server.sources.failures import FetchFailed
from library_domain.errors import ImportRunUndone
from service_kit.clock import Clock
from service_kit.errors import ServiceError
from service_kit.logs import logger
from service_kit.schedule import Schedule, Task
from service_kit.store import Store
from service_kit.store.errors import is_unavailable

UNEXPECTED = "it failed in an unexpected way; the log of this server has more"

log = logger(__name__)


def jobs_of(settings: JobSettings, sources: Mapping[str, object]) -> dict[SourceQuery, int]:
    """Return all jobs with their intervals, in microseconds. Gaps are filled from each source, in their order."""
    jobs = dict.fromkeys(settings.queries, settings.import_interval)
    if settings.gap_interval:
        jobs |= {SourceQuery(source, GAPS): settings.gap_interval for source in sources}
    return jobs


class Jobs:
    """The schedule of one process. Other processes with the same store have one, too."""

    def __init__(
        self,
        store: Store,
        settings: JobSettings,
        catalogues: Mapping[str, Catalogue],
        pictures: PictureFetcher,
        clock: Clock,
    ) -> None:
        """Prepare the schedule.

        Args:
            store: The admin's store.
            settings: What runs.
            catalogues: The sources by name.
            pictures: Fetches covers.
            clock: The time, in microseconds since 1970.
        """
        self._settings = settings
        self._work = Work(store, Lease(store, settings.lease_seconds), clock, pictures)
        self._catalogues = catalogues
        self._jobs = jobs_of(settings, self._catalogues)
        task = Task("sources", self.run_due, settings.look_seconds, "sources failed")
        self._schedule = Schedule([task], settings.look_seconds) if settings.are_on else None

    def start(self) -> None:
        """Run what is due now, and then on schedule, if anything is configured."""
        if self._schedule is not None:
            self._schedule.start()

    def request_stop(self) -> None:
        """Let the run that is under way end after its present request."""
        self._work.stop.set()

    def stop(self) -> None:
        """Wait for the end of the run that is under way."""
        self.request_stop()
        if self._schedule is not None:
            self._schedule.stop()

    def run_due(self) -> None:
        """Run the jobs that are due, unless another process does."""
        if not self._due():
            return
        with self._work.lease.taken() as is_taken:
            if not is_taken:
                return
            try:
                for job in self._due():  # the process that had the lease may have run some meanwhile
                    if self._work.stop.is_set():
                        return
                    self._run(job)
            except LeaseLost:
                log.warning("another process has taken over the jobs, as this one was silent for too long")

    def _due(self) -> list[SourceQuery]:
        """Return the jobs that are due and whose source can be asked."""
        due = due_jobs(self._work.store, self._jobs, self._work.clock)
        return [job for job in due if not self._catalogues[job.source].problem()]

    def _run(self, job: SourceQuery) -> None:
        run = begin_run(self._work.store, self._work.lease, job, self._work.clock)
        log.info("source run begins", source=job.source, query=job.query, run_id=run.id)
        try:
            self._do(run)
        except Stopped:
            interrupt_run(self._work.store, self._work.lease, run, self._work.clock)
        except FetchFailed as error:
            self._end(run, error.problem, error.retry_time)
        except ImportRunUndone:
            self._end(run)
        except LeaseLost:
            raise
        except Exception as error:
            if is_unavailable(error):
                raise  # the run is closed as interrupted when the store is back, and the job is still due
            self._end(run, str(error) if isinstance(error, ServiceError) else UNEXPECTED)
            log.exception("source run failed", source=job.source, query=job.query, run_id=run.id)
        else:
            self._end(run)

    def _do(self, run: Run) -> None:
        catalogue = self._catalogues[run.job.source]
        if run.job.query == GAPS:
            fill_gaps(self._work, run, catalogue, self._settings.gap_most)
        else:
            import_query(self._work, run, catalogue, self._settings.import_most, self._settings.import_copies)

    def _end(self, run: Run, problem: str = "", retry_time: int | None = None) -> None:
        interval = self._jobs[run.job]
        end_run(self._work.store, self._work.lease, run, interval, self._work.clock, problem, retry_time)
        log.info("source run ended", source=run.job.source, query=run.job.query, run_id=run.id, problem=problem)
