"""library.frontend.v1.SyncService."""

from __future__ import annotations

import grpc

from frontend_server.sync.sync import Sync
from library.frontend.v1 import sync_service_pb2, sync_service_pb2_grpc
from service_kit.servicer import instrument_servicer

SYNC_SERVICE = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]


@instrument_servicer(SYNC_SERVICE, long_calls={"SyncNow"})
class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """library.frontend.v1.SyncService."""

    def __init__(self, sync: Sync) -> None:
        self._sync = sync

    def GetSyncStatus(
        self, request: sync_service_pb2.GetSyncStatusRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        return self._sync.status()

    def SyncNow(
        self, request: sync_service_pb2.SyncNowRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        return self._sync.sync_now(retry_parked=request.retry_parked)
