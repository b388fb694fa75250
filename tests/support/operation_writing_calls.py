"""The writing calls of imports as operations, and what the worker does, with values that overlap."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    ListOperationsRequest,
)

from admin_server.operations import leases, listing
from admin_server.operations.ends import delete_left_behind
from admin_server.operations.limits import LIMITS
from admin_server.operations.signals import Signals
from admin_server.operations.uploads import start_import
from admin_server.operations.worker import Worker
from admin_server.store.models import ImportOperation
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_ADD_COPIES, ON_DUPLICATE_SKIP, ON_DUPLICATE_UPDATE
from library.admin.v1.import_service_pb2 import IMPORT_FORMAT_JSON_LINES, ImportConfig, StartImportRequest
from service_kit.clock import DAY, Clock
from service_kit.ids import new_id
from service_kit.store import Store
from tests.support.writing_calls import WORDS, Call, some_request_id

FEW = replace(LIMITS, batch_rows=2, chunk_bytes=50, lease_seconds=0.0, poll_seconds=0.01, starts=1, waiting=10_000)


class OperationCalls:
    """The calls on an admin whose store is bound."""

    def __init__(self, store: Store, clock: Clock, isbns: list[str]) -> None:
        self._store, self._clock, self._isbns = store, clock, isbns
        self.by_name: Mapping[str, Call] = MappingProxyType(
            {
                "library.admin.v1.ImportService/StartImport": self.start,
                "a worker that stops": self.stop,
                "a worker that ends": lambda chance: self._claimed(),
                "a worker that has survived an error": self.go_on,
                "a worker": lambda chance: self._worker().work() if chance.random() < 0.7 else self._claimed(),
                "an operation is cancelled": self.cancel,
                "an operation is deleted": self.delete,
                "old uploads": lambda chance: delete_left_behind(store, lambda: clock() + DAY, 1.0),
            }
        )

    def start(self, chance: random.Random) -> object:
        config = ImportConfig(
            on_duplicate=chance.choice([ON_DUPLICATE_SKIP, ON_DUPLICATE_UPDATE, ON_DUPLICATE_ADD_COPIES]),
            format=IMPORT_FORMAT_JSON_LINES,
            validate_only=chance.random() < 0.2,
            match_title=chance.random() < 0.5,
            request_id=some_request_id(chance),
        )
        lines = [
            json.dumps({"title": " ".join(chance.sample(WORDS, 3)), "isbn": chance.choice(self._isbns)})
            for _ in "12345"
        ]
        stream = [StartImportRequest(config=config, chunk="\n".join([*lines, "bad"]).encode())]
        return start_import(self._store, stream, self._clock, Signals(), FEW)

    def cancel(self, chance: random.Random) -> object:
        if chance.random() < 0.7:  # so that most are imported
            return None
        request = CancelOperationRequest(name=self._some_name(chance, "done=false"))
        listing.cancel_operation(self._store, request, self._clock)
        return None

    def delete(self, chance: random.Random) -> object:
        listing.delete_operation(self._store, DeleteOperationRequest(name=self._some_name(chance, "done=true")))
        return None

    def stop(self, _chance: random.Random) -> object:
        signals = Signals()
        signals.stop()
        return Worker(self._store, self._clock, signals, FEW).work()

    def go_on(self, _chance: random.Random) -> object:
        claimed = self._claimed()
        try:
            return None if claimed is None else leases.go_on(self._store, claimed.key, claimed.worker)
        except leases.LeaseLost:
            return None

    def _worker(self) -> Worker:
        return Worker(self._store, self._clock, Signals(), FEW)

    def _claimed(self) -> ImportOperation | None:
        return leases.claim(self._store, leases.Watch(0.0), new_id())

    def _some_name(self, chance: random.Random, filter_: str) -> str:
        found, _ = listing.list_operations(self._store, ListOperationsRequest(filter=filter_, page_size=8))
        return chance.choice([each.name for each in found] or [f"operations/{new_id()}"])
