"""The audit log: an entry for each change that was made, and for calls that were refused to their callers.

The guard of a server passes its calls here. The entry of a change is written in the transaction of the change (see
`service_kit.change_record`), refused calls are counted and written by a thread of their own (see `refusals`).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

import grpc
from google.protobuf.message import Message

from library.access.v1.access_pb2 import ROLE_GUEST, ROLE_SERVICE
from library.access.v1.access_service_pb2 import Session
from library.v1.audit_pb2 import AUDIT_RESULT_DONE, AUDIT_RESULT_REFUSED, AuditEntry
from library_domain.access.audited_objects import objects_of
from library_domain.access.callers import GUEST, Caller
from library_domain.access.refusals import Limits, Refusals
from service_kit.calls.addresses import client_address
from service_kit.calls.current import CURRENT_CALL
from service_kit.calls.steps.step import Method, MethodCall, request_id
from service_kit.change_record import CHANGE_RECORD
from service_kit.clock import Clock, timestamp
from service_kit.errors import ServiceError
from service_kit.ids import new_id
from service_kit.logs import logger

log = logger(__name__)

REFUSALS = (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
"""The statuses of calls that were refused to this caller."""

THROTTLED = "SIGN_IN_THROTTLED"
"""The reason of a refusal with another status that is audited, too."""

CLEANUP_SECONDS = 600.0
WARNING_SECONDS = 60.0
LONGEST_ADDRESS = 100


class AuditTable(Protocol):
    """The table of a service."""

    def add(self, entries: Iterable[AuditEntry]) -> None:
        """Insert entries within the present transaction. On the frontend, this takes revisions."""

    def delete_old(self, now: int) -> int:
        """Delete some entries that have been kept long enough, in one transaction; return how many those were."""


class AuditStore(Protocol):
    """The store of the table: a `service_kit.store.Store`."""

    @property
    def database(self) -> Any:
        """The database, whose connection of this thread can be closed."""

    def writing(self) -> AbstractContextManager[None]:
        """Begin a transaction that may write."""

    def said(self, error: Exception) -> str:
        """Return the message of an error without secrets."""


class AuditLog:
    """The audit log of one server."""

    def __init__(
        self,
        store: AuditStore,
        table: AuditTable,
        clock: Clock,
        added: Callable[[], None] = lambda: None,
        limits: Limits | None = None,
    ) -> None:
        """Write to `table` of `store`. `added` is called when entries were committed apart from a change."""
        self._store, self._table, self._clock, self._added = store, table, clock, added
        self._refusals = Refusals(limits or Limits())
        self._late: list[AuditEntry] = []
        """Entries of changes that could not be written yet."""
        self._lock = threading.Lock()
        self._next_warning = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)

    # --- the hooks of the guard ---

    def admitted(self, method: Method, call: MethodCall, caller: Caller) -> None:
        """Prepare the entry of a call that was let in and that changes something."""
        # A method that authenticates its callers itself is for the other service, which makes no changes of its own.
        is_change = not method.is_read and method.authenticate is None
        if is_change and not getattr(call.request, "validate_only", False):
            CHANGE_RECORD.set(_Pending(self, method, call, caller))

    def done(self, method: Method, call: MethodCall, caller: Caller) -> None:
        """Write the entry of a call that was answered, unless the transaction of the change has.

        A guest's call that changed nothing has no entry: anybody could fill the disk with such calls.
        """
        pending = CHANGE_RECORD.get()
        if pending is not None:
            CHANGE_RECORD.set(None)
            if isinstance(pending, _Pending) and pending.is_missing and not pending.is_by_guest:
                self._write_late(pending.entry(None))

    def refused(self, method: Method, call: MethodCall, caller: Caller, error: Exception) -> None:
        """Count a call that failed, if it was refused to this caller: by the guard, or later."""
        CHANGE_RECORD.set(None)
        if isinstance(error, ServiceError) and (error.status in REFUSALS or error.reason == THROTTLED):
            # The other service has proved nothing when it is refused.
            entry = self._entry(method, call, GUEST if caller.role == ROLE_SERVICE else caller)
            entry.result, entry.reason = AUDIT_RESULT_REFUSED, error.reason
            entry.objects.extend(objects_of(call.request))
            self._refusals.count(entry)

    # --- the thread ---

    def start(self) -> None:
        """Begin to write what was refused, and to delete old entries."""
        self._thread.start()

    def stop(self) -> None:
        """Write what was refused until now, and end the thread, if it was started.

        To be called after the last call, and before the store is closed.
        """
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def flush(self, *, everything: bool = False) -> None:
        """Write the counted refusals that are due, or all of them."""
        with self._lock:
            late, self._late = self._late, []
        entries = [*late, *self._refusals.due(everything=everything)]
        if not entries:
            return
        try:
            with self._store.writing():
                self._table.add(entries)
        except Exception as error:  # noqa: BLE001 - an error of the store must not end the thread
            self._warn("cannot write the audit log", error)
            with self._lock:
                self._late = [*entries, *self._late][-self._refusals.limits.groups :]
            return
        self._added()

    def _work(self) -> None:
        seconds = self._refusals.limits.first_seconds
        rounds = int(CLEANUP_SECONDS / seconds)
        count = 0
        while not self._stop.wait(seconds):
            self.flush()
            count += 1
            if count % rounds == 1:
                self._clean_up()
        self.flush(everything=True)
        self._store.database.close()

    def _clean_up(self) -> None:
        try:
            deleted = True
            while deleted and not self._stop.is_set():
                deleted = self._table.delete_old(self._clock()) > 0
        except Exception as error:  # noqa: BLE001 - the next round tries again
            self._warn("cannot delete old entries of the audit log", error)

    def _warn(self, event: str, error: Exception) -> None:
        """Log a problem, at most once a minute: the log can be on the same full disk."""
        if time.monotonic() >= self._next_warning:
            self._next_warning = time.monotonic() + WARNING_SECONDS
            log.warning(event, error=self._store.said(error))

    # --- entries ---

    def write(self, entry: AuditEntry) -> None:
        """Write the entry of a change in its transaction."""
        self._table.add([entry])

    def _write_late(self, entry: AuditEntry) -> None:
        """Write the entry of a change that was committed without one. The client is answered in any case."""
        token = CURRENT_CALL.set(None)  # a call that was cancelled must not commit anything more, but this
        try:
            with self._lock:
                self._late.append(entry)
            self.flush()
        finally:
            CURRENT_CALL.reset(token)

    def new_entry(self, method: Method, call: MethodCall, caller: Caller, changed: Message | None) -> AuditEntry:
        """Make the entry of a change. `changed` has the ids of what was changed."""
        entry = self._entry(method, call, _caller_after(caller, changed))
        entry.result = AUDIT_RESULT_DONE
        entry.objects.extend(objects_of(call.request, changed))
        return entry

    def _entry(self, method: Method, call: MethodCall, caller: Caller) -> AuditEntry:
        return AuditEntry(
            id=new_id(),
            time=timestamp(self._clock()),
            method=method.name,
            role=caller.role,
            caller_user_id=caller.user_id,
            credential_id=caller.credential_id,
            address=client_address(call.context)[:LONGEST_ADDRESS],
            call_id=request_id(call.context),
            call_count=1,
        )


def _caller_after(caller: Caller, changed: Message | None) -> Caller:
    """Return who made a call: for a guest who signs in, the user."""
    if caller.role == ROLE_GUEST and isinstance(changed, Session):
        return Caller(caller.role, user_id=changed.user_id, credential_id=changed.id)
    return caller


class _Pending:
    """The entry of a call that changes something, until it is committed."""

    def __init__(self, audit: AuditLog, method: Method, call: MethodCall, caller: Caller) -> None:
        self._audit, self._method, self._call, self._caller = audit, method, call, caller
        self._is_written = self._is_committed = self._is_skipped = False

    @property
    def is_missing(self) -> bool:
        """Whether the entry of the call is not committed, nor that of an earlier call with its request id."""
        return not (self._is_committed or self._is_skipped)

    @property
    def is_by_guest(self) -> bool:
        """Whether the caller has proved nothing."""
        return self._caller.role == ROLE_GUEST

    def entry(self, changed: Message | None) -> AuditEntry:
        return self._audit.new_entry(self._method, self._call, self._caller, changed)

    def write(self, changed: Message | None) -> None:
        if not self._is_written and self.is_missing:
            self._audit.write(self.entry(changed))
            self._is_written = True

    def end(self, *, committed: bool) -> None:
        self._is_committed |= self._is_written and committed
        self._is_written = False

    def skip(self) -> None:
        self._is_skipped = True
