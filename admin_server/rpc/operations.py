"""google.longrunning.Operations: the imports of files."""

from __future__ import annotations

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf.empty_pb2 import Empty

from admin_server.operations import listing
from admin_server.operations.limits import OperationLimits
from admin_server.operations.signals import Signals
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = operations_pb2.DESCRIPTOR.services_by_name["Operations"]


@instrument_servicer(
    SERVICE,
    long_calls={"WaitOperation"},
    rules={
        "GetOperation": [lambda request: listing.operation_id(request.name)],
        "ListOperations": [listing.check_list, row_position],
        "CancelOperation": [lambda request: listing.operation_id(request.name)],
        "DeleteOperation": [lambda request: listing.operation_id(request.name)],
        "WaitOperation": [lambda request: listing.operation_id(request.name), listing.check_timeout],
    },
)
class OperationsServicer(operations_pb2_grpc.OperationsServicer):
    """google.longrunning.Operations."""

    def __init__(self, store: Store, clock: Clock, signals: Signals, limits: OperationLimits) -> None:
        self._store, self._clock = store, clock
        self._waiting = listing.Waiting(store, signals, limits)

    def GetOperation(
        self, request: operations_pb2.GetOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        return listing.get_operation(self._store, request)

    def ListOperations(
        self, request: operations_pb2.ListOperationsRequest, context: grpc.ServicerContext
    ) -> operations_pb2.ListOperationsResponse:
        found, token = listing.list_operations(self._store, request)
        return operations_pb2.ListOperationsResponse(operations=found, next_page_token=token)

    def CancelOperation(self, request: operations_pb2.CancelOperationRequest, context: grpc.ServicerContext) -> Empty:
        listing.cancel_operation(self._store, request, self._clock)
        return Empty()

    def DeleteOperation(self, request: operations_pb2.DeleteOperationRequest, context: grpc.ServicerContext) -> Empty:
        listing.delete_operation(self._store, request)
        return Empty()

    def WaitOperation(
        self, request: operations_pb2.WaitOperationRequest, context: grpc.ServicerContext
    ) -> operations_pb2.Operation:
        return self._waiting.wait(request)
