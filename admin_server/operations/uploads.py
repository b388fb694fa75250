"""Upload a file in parts, and make an operation of it.

The parts are stored as they arrive. When the last one is there, the operation begins to wait for a worker, in the
transaction that stores the answer under its request id.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextvars import Context

from google.longrunning.operations_pb2 import Operation

from admin_server.intake.runs import open_run
from admin_server.operations.chunks import insert_chunk
from admin_server.operations.ends import delete_file
from admin_server.operations.importing import import_options
from admin_server.operations.leases import save
from admin_server.operations.limits import LIMITS, OperationLimits
from admin_server.operations.messages import operation_message
from admin_server.operations.signals import Signals
from admin_server.store.models import NOT_ENDED, UPLOADING, ImportOperation
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_SKIP
from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_UNSPECIFIED,
    IMPORT_STATE_WAITING,
    ImportConfig,
    ImportFormat,
    StartImportRequest,
)
from library_domain.import_errors import TooManyImports, UploadTooLarge
from library_formats.formats import RECOGNIZED_BY, recognized
from service_kit.change_record import record_change
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid, StoreUnavailable
from service_kit.idempotency import RequestKey, is_answered, once_by
from service_kit.ids import new_id
from service_kit.logs import logger
from service_kit.revisions import lock_revisions
from service_kit.store import Store
from service_kit.text.keys import tidied

METHOD = "library.admin.v1.StartImport"
EMPTY = ("chunk", "must have bytes of the file: it is empty")
BOTH = ("file", "must not be set together with chunk")
OTHER_CONFIG = ("config", "must be that of the first message, or not set")
UNKNOWN_FORMAT = ("config.format", "must be set: the format of the file is not recognized by its first bytes")

log = logger(__name__)


def start_import(
    store: Store,
    messages: Iterable[StartImportRequest],
    clock: Clock,
    signals: Signals,
    limits: OperationLimits = LIMITS,
) -> Operation:
    """Store a file and return its operation.

    Raises:
        FieldInvalid: The config is wrong, the file is empty, or its format is not recognized.
        RequestIdReused: The request id was used for another file or config.
        TooManyImports: Too many operations have not ended.
        UploadTooLarge: The file is over the limit.
    """
    upload = _Upload(store, messages, clock, limits)
    try:
        operation = upload.store_all()
    except Exception:
        upload.abandon()
        raise
    signals.work_is_there()
    return operation


class _Upload:
    """One upload. Its row has the state UPLOADING, which no list shows, until the file is complete."""

    def __init__(
        self, store: Store, messages: Iterable[StartImportRequest], clock: Clock, limits: OperationLimits
    ) -> None:
        self._store, self._messages, self._clock, self._limits = store, iter(messages), clock, limits
        self._config = ImportConfig()
        self._content_type = ""
        self._digest = hashlib.blake2b(digest_size=16)
        self._row: ImportOperation | None = None
        self._waiting = bytearray()  # bytes that are not in the store yet
        self._parts = self._total = 0

    def store_all(self) -> Operation:
        """Store the file; return its operation, or that of the same upload before."""
        for part in self._bytes():
            self._waiting += part
            if self._row is None and len(self._waiting) >= RECOGNIZED_BY:
                self._begin()
            if self._row is not None:
                self._store_parts(self._limits.chunk_bytes)
        if not self._total:
            raise FieldInvalid(EMPTY)
        if self._row is None:
            self._begin()
        self._store_parts(1)
        return self._complete()

    def abandon(self) -> None:
        """Delete what was stored, after an error. Where that fails, the worker deletes it later."""
        if self._row is not None:
            try:
                # For no call, as the present one may be cancelled, and could change nothing.
                Context().run(delete_file, self._store, self._row.key)
            except Exception as error:  # noqa: BLE001 - the first error is reported
                log.info("an upload is deleted later", operation=self._row.id, error=self._store.said(error))

    def _bytes(self) -> Iterator[bytes]:
        for place, message in enumerate(self._messages):
            if place == 0:
                self._config, self._content_type = _normalized(message.config), message.file.content_type
            elif message.HasField("config") and _normalized(message.config) != self._config:
                raise FieldInvalid(OTHER_CONFIG)
            if message.chunk and message.file.data:
                raise FieldInvalid(BOTH)
            part = message.chunk or message.file.data
            self._total += len(part)
            if self._total > self._limits.upload_bytes:
                raise UploadTooLarge(most_bytes=f"{self._limits.upload_bytes:,}")
            self._digest.update(part)
            yield part

    def _begin(self) -> None:
        config, now = self._config, self._clock()
        found: ImportFormat.ValueType = config.format or recognized(
            bytes(self._waiting[:RECOGNIZED_BY]), self._content_type, config.mapping
        )
        if found == IMPORT_FORMAT_UNSPECIFIED:
            raise FieldInvalid(UNKNOWN_FORMAT)
        row = ImportOperation(
            id=new_id(),
            config=_without_request_id(config).SerializeToString(deterministic=True),
            format=found,
            create_time=now,
            update_time=now,
        )
        with self._store.writing():
            row.save(force_insert=True)
            if not config.request_id or not is_answered(config.request_id):
                lock_revisions()  # so that two uploads do not take the last place
                waiting = ImportOperation.select().where(NOT_ENDED).count() - 1
                if waiting >= self._limits.waiting:
                    raise TooManyImports(waiting=waiting)
        self._row = row

    def _store_parts(self, least_bytes: int) -> None:
        """Store what has arrived, in parts of one size, until less than `least_bytes` are left."""
        size = self._limits.chunk_bytes
        while len(self._waiting) >= least_bytes:
            with self._store.writing():
                insert_chunk(self._locked().key, self._parts, bytes(self._waiting[:size]))
            del self._waiting[:size]
            self._parts += 1

    def _complete(self) -> Operation:
        assert self._row is not None
        request_id = self._config.request_id
        if request_id:
            self._digest.update(bytes(self._row.config))
            key = RequestKey(request_id, METHOD, self._digest.hexdigest())
            operation = once_by(self._store, key, Operation, self._wait_for_worker, self._clock)
            if not operation.name.endswith(self._row.id):
                self.abandon()
            return operation
        with self._store.writing():
            operation = self._wait_for_worker()
            record_change(operation)
        return operation

    def _wait_for_worker(self) -> Operation:
        row, now = self._locked(), self._clock()
        row.state, row.total_bytes, row.create_time, row.update_time = IMPORT_STATE_WAITING, self._total, now, now
        save(row, "state", "total_bytes", "create_time", "update_time")
        if not self._config.validate_only:
            open_run(self._store, import_options(row.id, self._config), now)
        return operation_message(row)

    def _locked(self) -> ImportOperation:
        assert self._row is not None
        row: ImportOperation | None = self._store.locking(
            ImportOperation.select().where(ImportOperation.key == self._row.key, ImportOperation.state == UPLOADING)
        ).first()
        if row is None:  # it was deleted as an abandoned one, since the time of this machine was set ahead
            raise StoreUnavailable
        return row


def _normalized(config: ImportConfig) -> ImportConfig:
    normal = ImportConfig()
    normal.CopyFrom(config)
    normal.request_id = config.request_id.lower()
    normal.source = tidied(config.source)
    normal.on_duplicate = config.on_duplicate or ON_DUPLICATE_SKIP
    return normal


def _without_request_id(config: ImportConfig) -> ImportConfig:
    plain = ImportConfig()
    plain.CopyFrom(config)
    plain.ClearField("request_id")
    return plain
