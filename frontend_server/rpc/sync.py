"""library.frontend.v1.SyncService."""

from __future__ import annotations

import grpc

from frontend_server.sync.status import get_sync_status
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1 import sync_service_pb2, sync_service_pb2_grpc
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SYNC_SERVICE = sync_service_pb2.DESCRIPTOR.services_by_name["SyncService"]


@instrument_servicer(SYNC_SERVICE, long_calls={"SyncNow"})
class SyncServicer(sync_service_pb2_grpc.SyncServiceServicer):
    """library.frontend.v1.SyncService."""

    def __init__(self, store: Store, clock: WatchedClock, sync: Sync) -> None:
        self._store, self._clock, self._sync = store, clock, sync

    def GetSyncStatus(
        self, request: sync_service_pb2.GetSyncStatusRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        return get_sync_status(self._store, self._clock, self._sync)

    def SyncNow(
        self, request: sync_service_pb2.SyncNowRequest, context: grpc.ServicerContext
    ) -> sync_service_pb2.SyncStatus:
        self._sync.sync_now(retry_parked=request.retry_parked)
        return get_sync_status(self._store, self._clock, self._sync)
