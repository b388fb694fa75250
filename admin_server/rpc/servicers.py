"""The list of the services that the admin serves."""

from __future__ import annotations

from google.longrunning.operations_pb2_grpc import add_OperationsServicer_to_server

from admin_server.intake import imports
from admin_server.intake.imports import ImportLimits
from admin_server.jobs.settings import JobSettings
from admin_server.operations.limits import LIMITS as OPERATION_LIMITS
from admin_server.operations.limits import OperationLimits
from admin_server.operations.signals import Signals
from admin_server.reports import borrower_pages
from admin_server.reports.borrower_pages import BorrowerPageLimits
from admin_server.rpc import (
    branches,
    catalog,
    inventory,
    loans,
    operations,
    policy,
    reports,
    staff,
    status,
    sync,
    users,
)
from admin_server.rpc import (
    imports as import_service,
)
from admin_server.sources.catalogues import Catalogues, SourceSettings
from library.admin.v1.branch_service_pb2_grpc import add_BranchServiceServicer_to_server
from library.admin.v1.catalog_service_pb2_grpc import add_CatalogServiceServicer_to_server
from library.admin.v1.import_service_pb2_grpc import add_ImportServiceServicer_to_server
from library.admin.v1.inventory_service_pb2_grpc import add_InventoryServiceServicer_to_server
from library.admin.v1.loan_service_pb2_grpc import add_LoanServiceServicer_to_server
from library.admin.v1.policy_service_pb2_grpc import add_PolicyServiceServicer_to_server
from library.admin.v1.report_service_pb2_grpc import add_ReportServiceServicer_to_server
from library.admin.v1.staff_service_pb2_grpc import add_StaffServiceServicer_to_server
from library.admin.v1.status_service_pb2_grpc import add_StatusServiceServicer_to_server
from library.admin.v1.user_service_pb2_grpc import add_UserServiceServicer_to_server
from library.sync.v1.sync_service_pb2_grpc import add_SyncServiceServicer_to_server
from service_kit.clock import Clock
from service_kit.server import Service
from service_kit.store import Store

WRITING_SERVICES = tuple(
    module.SERVICE.full_name
    for module in (catalog, inventory, policy, branches, staff, sync, import_service, operations)
)
"""Services whose health is NOT_SERVING while the store cannot be written. Calls that only read are still answered."""


def services(
    store: Store,
    clock: Clock,
    import_limits: ImportLimits = imports.LIMITS,
    borrower_page_limits: BorrowerPageLimits = borrower_pages.LIMITS,
    signals: Signals | None = None,
    operation_limits: OperationLimits = OPERATION_LIMITS,
    catalogues: Catalogues | None = None,
    jobs: JobSettings | None = None,
) -> list[Service]:
    """Return all services of the admin. `signals` are those of the worker of this process, if it has one."""
    signals = signals or Signals()
    catalogues = catalogues or Catalogues(store, SourceSettings(), clock)
    import_servicer = import_service.ImportServicer(
        store, clock, signals, operation_limits, catalogues, jobs or JobSettings()
    )
    operations_servicer = operations.OperationsServicer(store, clock, signals, operation_limits)
    catalog_servicer = catalog.CatalogServicer(store, clock, import_limits)
    user_servicer = users.UserServicer(store, clock, borrower_page_limits)
    return [
        Service(catalog.SERVICE, catalog_servicer, add_CatalogServiceServicer_to_server),
        Service(import_service.SERVICE, import_servicer, add_ImportServiceServicer_to_server),
        Service(operations.SERVICE, operations_servicer, add_OperationsServicer_to_server),
        Service(policy.SERVICE, policy.PolicyServicer(store, clock), add_PolicyServiceServicer_to_server),
        Service(branches.SERVICE, branches.BranchServicer(store, clock), add_BranchServiceServicer_to_server),
        Service(inventory.SERVICE, inventory.InventoryServicer(store, clock), add_InventoryServiceServicer_to_server),
        Service(users.SERVICE, user_servicer, add_UserServiceServicer_to_server),
        Service(loans.SERVICE, loans.LoanServicer(store, clock), add_LoanServiceServicer_to_server),
        Service(reports.SERVICE, reports.ReportServicer(store, clock), add_ReportServiceServicer_to_server),
        Service(staff.SERVICE, staff.StaffServicer(store, clock), add_StaffServiceServicer_to_server),
        Service(status.SERVICE, status.StatusServicer(store), add_StatusServiceServicer_to_server),
        Service(sync.SERVICE, sync.SyncServicer(store), add_SyncServiceServicer_to_server, is_apart=True),
    ]
