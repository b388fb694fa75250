"""library.sync.v1.SyncService."""

from __future__ import annotations

import grpc
from google.protobuf.message import Message

from admin_server.sync import changes, records
from admin_server.sync.epochs import check_positions
from admin_server.sync.pairing import check_caller
from library.sync.v1 import sync_service_pb2, sync_service_pb2_grpc
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]


@instrument_servicer(
    SERVICE,
    rules={
        "ListCatalogChanges": [check_positions],
        "RecordStates": [check_positions],
    },
    authenticate=lambda servicer, request, context: servicer.check_caller(request, context),
)
class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """library.sync.v1.SyncService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def check_caller(self, request: Message, context: grpc.ServicerContext) -> None:
        """Raise `SyncSecretWrong` or `OtherFrontend` unless the paired frontend calls."""
        check_caller(self._store, context.invocation_metadata(), request)

    def ListCatalogChanges(
        self, request: sync_service_pb2.ListCatalogChangesRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.ListCatalogChangesResponse:
        return changes.list_catalog_changes(self._store, request)

    def RecordStates(
        self, request: sync_service_pb2.RecordStatesRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.RecordStatesResponse:
        return records.record_states(self._store, request)
