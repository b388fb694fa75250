"""library.admin.v1.StatusService."""

from __future__ import annotations

import grpc

from admin_server.reports.status import get_status
from library.admin.v1 import status_service_pb2, status_service_pb2_grpc
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = status_service_pb2.DESCRIPTOR.services_by_name["StatusService"]


@instrument_servicer(SERVICE)
class StatusServicer(status_service_pb2_grpc.StatusServiceServicer):
    """library.admin.v1.StatusService."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def GetStatus(
        self, request: status_service_pb2.GetStatusRequest, context: grpc.ServicerContext
    ) -> status_service_pb2.Status:
        return get_status(self._store)
