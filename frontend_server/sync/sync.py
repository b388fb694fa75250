"""The jobs of the sync in one frontend process: pull and push, on schedule and when requested."""

from __future__ import annotations

import contextlib
import functools
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import grpc

from frontend_server.store.models import own_credentials
from frontend_server.sync.admin_channel import AdminChannel
from frontend_server.sync.answers import AnswerRefused, describe
from frontend_server.sync.parking import unpark
from frontend_server.sync.pull import PAGE_SIZE, pull
from frontend_server.sync.push import BATCH_ROWS, push
from frontend_server.sync.retry_set_aside import retry_set_aside
from frontend_server.sync.shared_run import SharedRun
from frontend_server.watched_clock import WatchedClock, newest_time
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, ListCatalogChangesResponse
from library_domain.errors import AdminUnavailable, OtherFrontend
from service_kit.channel import error_info
from service_kit.errors import NotServing
from service_kit.schedule import Schedule, Task
from service_kit.store import Store
from service_kit.tls import PLAIN_TEXT, ChannelTls

CALL_SECONDS = 10.0
"""The deadline of each call to the admin."""


@dataclass(frozen=True)
class SyncSettings:
    """With which admin a frontend syncs, and how."""

    admin_target: str
    """HOST:PORT of the admin."""
    interval: float = 1.0
    """Seconds between two reads of the admin's catalogue."""
    page_size: int = PAGE_SIZE
    """Changes of the catalogue that are read with one call."""
    batch_rows: int = BATCH_ROWS
    """Rows that are pushed with one call."""
    admin_tls: ChannelTls = PLAIN_TEXT
    """How the admin's identity is proved, and the frontend's own."""


@dataclass
class Health:
    """How the last run of one direction of the sync ended in this process."""

    last_time: int | None = None
    last_error: str = ""
    ended_at: float = field(default_factory=time.monotonic)


FAILURE = "sync failed"
"""The event in the log for a job that fails."""


class Sync:
    """Pulls and pushes, on schedule and when requested. One thread at a time runs each direction."""

    def __init__(
        self,
        store: Store,
        settings: SyncSettings,
        clock: WatchedClock,
        more_work: Mapping[str, Callable[[], object]] = MappingProxyType({}),
    ) -> None:
        """Prepare the jobs. `more_work` is further work of the service on the same schedule, by its name in the log."""
        """Open the channel to the admin. Raises TlsSettingsError."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self.admin_target = settings.admin_target
        self._admin = AdminChannel(settings.admin_target, settings.admin_tls)
        self.pull_health, self.push_health = Health(), Health()
        self._has_retried = False
        self._pull_lock, self._push_lock = threading.Lock(), threading.Lock()
        self._pull_task = Task("pull", self.pull, settings.interval, FAILURE)
        self._push_task = Task("push", self.push, settings.interval, FAILURE)
        self._is_stopping = False
        self._shared_run = SharedRun(self._run_now, shared_failure=AdminUnavailable)
        tasks = [self._pull_task, self._push_task, Task("clock", clock.refresh, settings.interval, FAILURE)]
        tasks += [Task(name, work, settings.interval, FAILURE) for name, work in more_work.items()]
        self._schedule = Schedule(tasks, settings.interval)

    def start(self) -> None:
        self._schedule.start()

    def stop(self) -> None:
        """Stop after the page or batch that is under way. Rows that have not been pushed wait in the store."""
        self._is_stopping = True
        self._admin.close()  # ends the call to the admin that is under way
        self._schedule.stop()

    def request_push(self) -> None:
        """Push soon, since a row of a kind that is pushed has just been committed."""
        self._schedule.request(self._push_task)

    def pull(self, *, on_request: bool = False) -> None:
        """Pull all changes. On schedule, do nothing while another process of this store pulls.

        Raises:
            grpc.RpcError: The admin does not answer.
            AdminUnavailable: The pull that was under way did not end in time.
        """
        had_failed = bool(self.pull_health.last_error)
        with self._turn(self._pull_lock), self._store.try_lock("pull") as locked:
            if locked or on_request:
                self._watched(self.pull_health, lambda: self._pull_and_retry(on_request))
        if had_failed:
            self._push_task.reset_backoff()  # the admin answers again
            self.request_push()

    def push(self, *, on_request: bool = False) -> None:
        """Push all rows that are due. On schedule, do nothing while another process pushes. Raises as `pull`."""
        with self._turn(self._push_lock), self._store.try_lock("push") as locked:
            if locked or on_request:
                self._watched(self.push_health, self._push)

    def sync_now(self, *, retry_parked: bool) -> None:
        """Pull and push. Calls that come while a run is under way share the next run.

        Raises `AdminUnavailable`, `OtherFrontend` or `NotServing`.
        """
        self._shared_run.join(flag=retry_parked)

    def _run_now(self, retry_parked: bool) -> None:
        if retry_parked:
            unpark(self._store)
        try:
            self.pull(on_request=True)
            self.push(on_request=True)
        except grpc.RpcError as error:
            raise self._as_service_error(error) from error
        except AnswerRefused as error:
            raise AdminUnavailable(admin_target=self.admin_target, problem=str(error)) from error
        except ValueError as error:  # grpcio raises it for a call on a closed channel
            if not self._is_stopping:
                raise
            raise NotServing from error

    def _fetch(self, request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
        """Fetch a page of the catalogue, and report its times to the clock: the admin's own clock may be right."""
        metadata = own_credentials(self._store).metadata()
        page = self._admin.list_changes()(request, timeout=CALL_SECONDS, metadata=metadata)
        self._clock.note_remote_time(newest_time(page))
        return page

    @contextlib.contextmanager
    def _turn(self, lock: threading.Lock) -> Iterator[None]:
        if not lock.acquire(timeout=CALL_SECONDS):
            raise AdminUnavailable(admin_target=self.admin_target, problem="a sync is still under way")
        try:
            yield
        finally:
            lock.release()

    def _pull_and_retry(self, on_request: bool) -> None:
        """Pull. Before that, on request and once after each start, try again to apply the rows set aside.

        A start may be that of a newer version, which can apply what the older one could not.
        """
        if on_request or not self._has_retried:
            retry_set_aside(self._store)
            self._has_retried = True
        pull(self._store, self._fetch, self._clock.now, page_size=self._settings.page_size)

    def _push(self) -> None:
        metadata = own_credentials(self._store).metadata()
        record = functools.partial(self._admin.record_states(), timeout=CALL_SECONDS, metadata=metadata)
        push(self._store, record, self._clock.now, batch_rows=self._settings.batch_rows)

    def _watched(self, health: Health, work: Callable[[], object]) -> None:
        try:
            work()
        except Exception as error:
            health.last_error = describe(error)
            raise
        health.last_error = ""
        health.last_time = self._clock.now()
        health.ended_at = time.monotonic()

    def _as_service_error(self, error: grpc.RpcError) -> Exception:
        info = error_info(error)
        if info.reason == OtherFrontend.reason:
            return OtherFrontend(**info.metadata)
        return AdminUnavailable(admin_target=self.admin_target, problem=describe(error))
