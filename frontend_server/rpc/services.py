"""The list of all services of the frontend."""

from __future__ import annotations

from frontend_server.access.settings import AccessSettings
from frontend_server.circulation.rules import LendingRules
from frontend_server.rpc.access import ACCESS_SERVICE, AccessServicer
from frontend_server.rpc.catalog import CATALOG_SERVICE, CatalogServicer
from frontend_server.rpc.circulation import CIRCULATION_SERVICE, CirculationServicer
from frontend_server.rpc.lending import LENDING_SERVICE, LendingServicer
from frontend_server.rpc.members import MEMBER_SERVICE, MemberServicer
from frontend_server.rpc.sync import SYNC_SERVICE, SyncServicer
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library.access.v1 import access_service_pb2_grpc
from library.frontend.v1 import (
    catalog_service_pb2_grpc,
    circulation_service_pb2_grpc,
    lending_service_pb2_grpc,
    member_service_pb2_grpc,
    sync_service_pb2_grpc,
)
from service_kit.server import Service
from service_kit.store import Store

LENDING_SERVICE_NAME: str = LENDING_SERVICE.full_name
CIRCULATION_SERVICE_NAME: str = CIRCULATION_SERVICE.full_name
CLOCK_SERVICES = (LENDING_SERVICE_NAME, CIRCULATION_SERVICE_NAME)
"""Services whose health is NOT_SERVING while the clock is behind: see `frontend_server.watched_clock`."""
WRITING_SERVICES: tuple[str, ...] = (
    MEMBER_SERVICE.full_name,
    LENDING_SERVICE_NAME,
    CIRCULATION_SERVICE_NAME,
    SYNC_SERVICE.full_name,
    ACCESS_SERVICE.full_name,
)
"""Services whose health is NOT_SERVING while the store cannot be written. Their methods that only read still answer."""


def services(
    store: Store,
    rules: LendingRules,
    clock: WatchedClock,
    sync: Sync,
    access: AccessSettings | None = None,
) -> list[Service]:
    return [
        Service(
            ACCESS_SERVICE,
            AccessServicer(store, clock, access or AccessSettings()),
            access_service_pb2_grpc.add_AccessServiceServicer_to_server,
        ),
        Service(
            MEMBER_SERVICE,
            MemberServicer(store, clock, sync),
            member_service_pb2_grpc.add_MemberServiceServicer_to_server,
        ),
        Service(CATALOG_SERVICE, CatalogServicer(store), catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),
        Service(
            LENDING_SERVICE,
            LendingServicer(store, rules, clock, sync),
            lending_service_pb2_grpc.add_LendingServiceServicer_to_server,
        ),
        Service(
            CIRCULATION_SERVICE,
            CirculationServicer(store, rules, clock, sync),
            circulation_service_pb2_grpc.add_CirculationServiceServicer_to_server,
        ),
        Service(
            SYNC_SERVICE, SyncServicer(store, clock, sync), sync_service_pb2_grpc.add_SyncServiceServicer_to_server
        ),
    ]
