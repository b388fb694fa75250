"""A small server with operations, an upload and pictures, by the contract of the admin, without its store."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from typing import Any

import grpc
from google.api.httpbody_pb2 import HttpBody
from google.longrunning import operations_pb2_grpc
from google.longrunning.operations_pb2 import ListOperationsResponse, Operation
from google.protobuf.empty_pb2 import Empty

from library.admin.v1.catalog_service_pb2_grpc import add_CatalogServiceServicer_to_server
from library.admin.v1.import_service_pb2 import ImportProgress, ImportSummary, StartImportRequest
from library.admin.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from library_domain.contract import contract_descriptors
from service_kit.calls.client_streams import ClientStream
from service_kit.calls.current import CallCancelled
from service_kit.reflection import add_reflection
from tests.support.transcoding.server import STOP_SECONDS

SERVICES = ("library.admin.v1.CatalogService", "library.admin.v1.ImportService", "google.longrunning.Operations")
THREADS = 8


class ImportTarget:
    """The server, what it saw, and what it answers with."""

    def __init__(self) -> None:
        """Start it on a free port."""
        self.uploads: list[list[StartImportRequest]] = []
        """The messages of each call of StartImport, as they came."""
        self.ended: list[str] = []
        """How each call of StartImport ended: `complete`, or `cancelled`."""
        self.asked: list[Any] = []
        """The requests of the other methods."""
        self.part_came = Event()
        self.operations: dict[str, Operation] = {}
        self.waits = 0
        """How often WaitOperation answers that an operation has not ended, before it has."""
        self.response = ImportSummary()
        """What an operation has when it has ended."""
        self.pictures: dict[str, HttpBody] = {}
        self.is_for_early_answers = False
        """Whether StartImport refuses an upload at its second message."""
        self._server = grpc.server(ThreadPoolExecutor(THREADS), options=[("grpc.so_reuseport", 0)])
        catalog: Any = _Catalog(self)
        imports: Any = _Imports(self)
        add_CatalogServiceServicer_to_server(catalog, self._server)
        add_ImportServiceServicer_to_server(imports, self._server)
        operations: Any = operations_pb2_grpc  # without types
        operations.add_OperationsServicer_to_server(_Operations(self), self._server)
        add_reflection(self._server, SERVICES, contract_descriptors())
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        assert self._server.stop(0).wait(STOP_SECONDS)


class _Servicer:
    """A servicer without most of its methods."""

    def __init__(self, target: Any) -> None:
        self._target = target

    def __getattr__(self, name: str) -> Any:
        def unimplemented(_request: Any, context: grpc.ServicerContext) -> None:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, name)

        return unimplemented


class _Imports(_Servicer):
    def StartImport(self, request_iterator: Iterator[StartImportRequest], context: grpc.ServicerContext) -> Operation:
        target: ImportTarget = self._target
        seen: list[StartImportRequest] = []
        target.uploads.append(seen)
        try:
            for request in ClientStream(request_iterator, context, "StartImport"):
                seen.append(request)
                target.part_came.set()
                if target.is_for_early_answers and len(seen) == 2:
                    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "too large")
        except CallCancelled:
            target.ended.append("cancelled")
            context.abort(grpc.StatusCode.CANCELLED, "")
        target.ended.append("complete")
        size = sum(len(request.chunk) + len(request.file.data) for request in seen)
        made = operation("started", ImportProgress(import_id="started", total_bytes=size, source=seen[0].config.source))
        target.operations[made.name] = made
        return made


class _Operations(_Servicer):
    def ListOperations(self, request: Any, context: grpc.ServicerContext) -> ListOperationsResponse:
        self._target.asked.append(request)
        return ListOperationsResponse(operations=self._target.operations.values())

    def GetOperation(self, request: Any, context: grpc.ServicerContext) -> Operation:
        return self._found(request, context)

    def CancelOperation(self, request: Any, context: grpc.ServicerContext) -> Empty:
        self._found(request, context)
        return Empty()

    def DeleteOperation(self, request: Any, context: grpc.ServicerContext) -> Empty:
        del self._target.operations[self._found(request, context).name]
        return Empty()

    def WaitOperation(self, request: Any, context: grpc.ServicerContext) -> Operation:
        found = self._found(request, context)
        self._target.waits -= 1
        found.done = self._target.waits < 0
        if found.done:
            found.response.Pack(self._target.response)
        return found

    def _found(self, request: Any, context: grpc.ServicerContext) -> Operation:
        self._target.asked.append(request)
        if request.name not in self._target.operations:
            context.abort(grpc.StatusCode.NOT_FOUND, f"No operation has the name {request.name}.")
        found: Operation = self._target.operations[request.name]
        return found


class _Catalog(_Servicer):
    def GetCover(self, request: Any, context: grpc.ServicerContext) -> HttpBody:
        if request.book_id not in self._target.pictures:
            context.abort(grpc.StatusCode.NOT_FOUND, "The library has no picture of the cover.")
        found: HttpBody = self._target.pictures[request.book_id]
        return found


def operation(name: str, progress: ImportProgress, summary: ImportSummary | None = None) -> Operation:
    """Return an operation, which is done if it has a summary."""
    made = Operation(name=f"operations/{name}", done=summary is not None)
    made.metadata.Pack(progress)
    if summary is not None:
        made.response.Pack(summary)
    return made
