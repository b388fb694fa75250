"""library.admin.v1.InventoryService."""

from __future__ import annotations

import grpc

from admin_server.inventory import items, listing
from admin_server.inventory.entries import check_batch, check_creation, check_update, checked_barcode
from library.admin.v1 import inventory_service_pb2, inventory_service_pb2_grpc
from library.v1 import item_pb2
from service_kit.clock import Clock
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = inventory_service_pb2.DESCRIPTOR.services_by_name["InventoryService"]


@instrument_servicer(
    SERVICE,
    rules={
        "CreateItem": [check_creation],
        "BatchCreateItems": [check_batch],
        "LookupItem": [lambda request: checked_barcode(request.barcode)],
        "ListItems": [listing.check_list],
        "UpdateItem": [check_update],
    },
)
class InventoryServicer(inventory_service_pb2_grpc.InventoryServiceServicer):
    """library.admin.v1.InventoryService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def CreateItem(
        self, request: inventory_service_pb2.CreateItemRequest, context: grpc.ServicerContext
    ) -> item_pb2.Item:
        return items.create_item(self._store, request, self._clock)

    def BatchCreateItems(
        self, request: inventory_service_pb2.BatchCreateItemsRequest, context: grpc.ServicerContext
    ) -> inventory_service_pb2.BatchCreateItemsResponse:
        return items.batch_create_items(self._store, request, self._clock)

    def GetItem(self, request: inventory_service_pb2.GetItemRequest, context: grpc.ServicerContext) -> item_pb2.Item:
        return listing.get_item(self._store, request.id)

    def LookupItem(
        self, request: inventory_service_pb2.LookupItemRequest, context: grpc.ServicerContext
    ) -> item_pb2.Item:
        return listing.lookup_item(self._store, request)

    def ListItems(
        self, request: inventory_service_pb2.ListItemsRequest, context: grpc.ServicerContext
    ) -> inventory_service_pb2.ListItemsResponse:
        found, token = listing.list_items(self._store, request)
        return inventory_service_pb2.ListItemsResponse(items=found, next_page_token=token)

    def UpdateItem(
        self, request: inventory_service_pb2.UpdateItemRequest, context: grpc.ServicerContext
    ) -> item_pb2.Item:
        return items.update_item(self._store, request, self._clock)

    def WithdrawItem(
        self, request: inventory_service_pb2.WithdrawItemRequest, context: grpc.ServicerContext
    ) -> item_pb2.Item:
        return items.withdraw_item(self._store, request, self._clock)
