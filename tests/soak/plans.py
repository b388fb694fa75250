"""What a caller can ask for next: for each method of the servers a request, and which answers to it are right.

`PLANS` has an entry for each method that reflection names; a method without one fails the soak.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from google.longrunning import operations_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from library.admin.v1 import (
    branch_service_pb2,
    import_service_pb2,
    inventory_service_pb2,
    loan_service_pb2,
    policy_service_pb2,
    report_service_pb2,
    staff_service_pb2,
    status_service_pb2,
    user_service_pb2,
)
from library.admin.v1 import catalog_service_pb2 as admin_catalog
from library.frontend.v1 import (
    catalog_service_pb2,
    circulation_service_pb2,
    lending_service_pb2,
    member_service_pb2,
    sync_service_pb2,
)
from library.sync.v1 import sync_service_pb2 as sync
from library.v1.user_pb2 import User
from tests.soak.access_plans import ACCESS_PLANS
from tests.soak.desk import WORDS, Desk, Plan
from tests.soak.desk_plans import DESK_PLANS
from tests.soak.import_plans import IMPORT_PLANS, OPERATION_PLANS, get_cover
from tests.soak.item_plans import ITEM_PLANS
from tests.soak.librarian_plans import (
    add_book,
    get_book,
    get_entry,
    get_recorded_user,
    import_books,
    remove_book,
    undo_unknown_import,
    update_book,
)
from tests.soak.member_plans import anonymize_no_loans, block_user, erase_user, unblock_user
from tests.soak.patron_plans import borrow, close_user, enroll, get_loan, get_user, give_back, renew, update_user
from tests.soak.policy_plans import POLICY_PLANS
from tests.soak.staff_plans import STAFF_PLANS

# --- lists and status ---


def listing(make: Callable[[Desk], Any]) -> Callable[[Desk], Plan | None]:
    """Lists page by page; what `make` returns is the request for a first page."""

    def plan(desk: Desk) -> Plan:
        request = make(desk)
        key = type(request).DESCRIPTOR.full_name
        before, token = desk.tokens.pop(key, (request, ""))
        if token:
            request = before
            request.page_token = token
        else:
            request.page_size = desk.chance.choice([0, 1, 7, 100, 1_000, 5_000])

        def keep_token(page: Any) -> str:
            desk.tokens[key] = (request, page.next_page_token)
            return ""

        return Plan([request], check=keep_token)

    return plan


def some_user_id(desk: Desk) -> str:
    entry = desk.some(desk.ledger.users)
    return entry.last.id if entry else ""


def export_user(desk: Desk) -> Plan | None:
    if not some_user_id(desk):
        return None
    return listing(lambda desk: member_service_pb2.ExportUserRequest(user_id=some_user_id(desk)))(desk)


def words(desk: Desk) -> str:
    return desk.chance.choice(["", "", *WORDS, "Ema", "persuaison", "979"])


def always(make: Callable[[Desk], Any]) -> Callable[[Desk], Plan | None]:
    """Plans a request that is always possible and is never refused."""
    return lambda desk: Plan([make(desk)])


def sync_now(desk: Desk) -> Plan:
    return Plan(
        [sync_service_pb2.SyncNowRequest(retry_parked=desk.chance.random() < 0.2)],
        check=lambda status: f"rows are set aside: {status}" if status.parked_rows or status.set_aside_rows else "",
    )


# --- the methods between the two services, which are for the frontend alone ---

STRANGER = frozenset({"OTHER_FRONTEND", "CURSOR_EXPIRED", "FIELD_INVALID", "*UNAUTHENTICATED", "*PERMISSION_DENIED"})
"""Reasons, or with an asterisk statuses, for which one who is not the frontend is refused."""


def changes(desk: Desk) -> Plan:
    request = sync.ListCatalogChangesRequest(cursor=desk.chance.choice(["", "", "garbage"]), page_size=20)
    return Plan([request], refusals=STRANGER)


def record_states(desk: Desk) -> Plan:
    states = [
        sync.State(revision=desk.chance.choice([1, 2**40, 2**63 - 1]), user=User(id=desk.new_id())),
        sync.State(revision=desk.chance.choice([1, 2**40, 2**63 - 1])),
    ]
    return Plan(
        [sync.RecordStatesRequest(frontend_id=desk.new_id(), states=states)], refusals=STRANGER, must_be_refused=True
    )


@dataclass(frozen=True)
class Kind:
    """How a method is planned, and how often it is called: a weight against the others."""

    plan: Callable[[Desk], Plan | None]
    weight: int = 2


_ADMIN, _FRONTEND, _SYNC = "library.admin.v1.", "library.frontend.v1.", "library.sync.v1.SyncService/"
_HEALTH = "grpc.health.v1.Health/"
_OPERATIONS = "google.longrunning.Operations/"
_HEALTH_MESSAGES: Any = health_pb2
"""Its stubs leave the messages of List out."""

PLANS: dict[str, Kind] = {
    f"{_FRONTEND}MemberService/EnrollUser": Kind(enroll, 12),
    f"{_FRONTEND}MemberService/UpdateUser": Kind(update_user, 8),
    f"{_FRONTEND}MemberService/CloseUser": Kind(close_user, 4),
    f"{_FRONTEND}MemberService/GetUser": Kind(get_user, 4),
    f"{_FRONTEND}MemberService/ListUsers": Kind(
        listing(lambda desk: member_service_pb2.ListUsersRequest(query=words(desk)))
    ),
    f"{_FRONTEND}MemberService/BlockUser": Kind(block_user, 1),
    f"{_FRONTEND}MemberService/UnblockUser": Kind(unblock_user, 4),
    f"{_FRONTEND}MemberService/EraseUser": Kind(erase_user, 2),
    f"{_FRONTEND}MemberService/ExportUser": Kind(export_user),
    f"{_FRONTEND}MemberService/AnonymizeLoans": Kind(anonymize_no_loans, 1),
    **{f"library.access.v1.AccessService/{method}": Kind(plan, 1) for method, plan in ACCESS_PLANS.items()},
    **{f"{_FRONTEND}CirculationService/{method}": Kind(*plan) for method, plan in DESK_PLANS.items()},
    f"{_FRONTEND}CirculationService/ListItems": Kind(
        listing(lambda desk: circulation_service_pb2.ListItemsRequest(book_id=desk.chance.choice(desk.shared).id))
    ),
    f"{_FRONTEND}CirculationService/ListHistory": Kind(
        listing(lambda desk: circulation_service_pb2.ListHistoryRequest(user_id=some_user_id(desk) or desk.new_id()))
    ),
    f"{_FRONTEND}LendingService/BorrowBook": Kind(borrow, 30),
    f"{_FRONTEND}LendingService/ReturnBook": Kind(give_back, 24),
    f"{_FRONTEND}LendingService/RenewLoan": Kind(renew, 10),
    f"{_FRONTEND}LendingService/GetLoan": Kind(get_loan, 4),
    f"{_FRONTEND}LendingService/ListLoans": Kind(
        listing(lambda desk: lending_service_pb2.ListLoansRequest(user_id=some_user_id(desk)))
    ),
    f"{_FRONTEND}CatalogService/GetBook": Kind(get_book, 4),
    f"{_FRONTEND}CatalogService/ListBooks": Kind(
        listing(lambda desk: catalog_service_pb2.ListBooksRequest(query=words(desk), include_unavailable=True))
    ),
    f"{_FRONTEND}CatalogService/ListPublishers": Kind(
        listing(lambda desk: catalog_service_pb2.ListPublishersRequest()), 1
    ),
    f"{_FRONTEND}CatalogService/ListCategories": Kind(
        listing(lambda desk: catalog_service_pb2.ListCategoriesRequest()), 1
    ),
    f"{_FRONTEND}SyncService/GetSyncStatus": Kind(always(lambda desk: sync_service_pb2.GetSyncStatusRequest())),
    f"{_FRONTEND}SyncService/SyncNow": Kind(sync_now),
    f"{_ADMIN}CatalogService/AddBook": Kind(add_book, 8),
    f"{_ADMIN}CatalogService/UpdateBook": Kind(update_book, 8),
    f"{_ADMIN}CatalogService/RemoveBook": Kind(remove_book, 5),
    f"{_ADMIN}CatalogService/ImportBooks": Kind(import_books, 3),
    f"{_ADMIN}CatalogService/ListImportRuns": Kind(listing(lambda desk: admin_catalog.ListImportRunsRequest()), 1),
    f"{_ADMIN}CatalogService/UndoImport": Kind(undo_unknown_import, 1),
    f"{_ADMIN}CatalogService/GetCover": Kind(get_cover, 1),
    **{f"{_ADMIN}ImportService/{method}": Kind(plan, 1) for method, plan in IMPORT_PLANS.items()},
    f"{_ADMIN}ImportService/ListSources": Kind(always(lambda desk: import_service_pb2.ListSourcesRequest()), 1),
    f"{_ADMIN}ImportService/ListSourceRuns": Kind(listing(lambda desk: import_service_pb2.ListSourceRunsRequest()), 1),
    **{f"{_OPERATIONS}{method}": Kind(plan, 1) for method, plan in OPERATION_PLANS.items()},
    f"{_OPERATIONS}ListOperations": Kind(
        listing(lambda desk: operations_pb2.ListOperationsRequest(name="operations")), 1
    ),
    f"{_ADMIN}CatalogService/GetBook": Kind(get_entry, 4),
    f"{_ADMIN}CatalogService/ListBooks": Kind(
        listing(lambda desk: admin_catalog.ListBooksRequest(query=words(desk), state=desk.chance.randint(0, 3)))  # type: ignore[arg-type]
    ),
    **{f"{_ADMIN}InventoryService/{method}": Kind(plan) for method, plan in ITEM_PLANS.items()},
    f"{_ADMIN}InventoryService/ListItems": Kind(
        listing(lambda desk: inventory_service_pb2.ListItemsRequest(book_id=desk.chance.choice(desk.shared).id))
    ),
    f"{_ADMIN}UserService/ListUsers": Kind(listing(lambda desk: user_service_pb2.ListUsersRequest(query=words(desk)))),
    f"{_ADMIN}UserService/GetUser": Kind(get_recorded_user),
    f"{_ADMIN}UserService/ListBorrowers": Kind(listing(lambda desk: user_service_pb2.ListBorrowersRequest())),
    f"{_ADMIN}LoanService/ListLoans": Kind(
        listing(lambda desk: loan_service_pb2.ListLoansRequest(user_id=some_user_id(desk)))
    ),
    f"{_ADMIN}LoanService/ListUnavailableBooks": Kind(
        listing(lambda desk: loan_service_pb2.ListUnavailableBooksRequest())
    ),
    f"{_ADMIN}ReportService/ListOpenLoans": Kind(
        listing(lambda desk: report_service_pb2.ListOpenLoansRequest(only_overdue=desk.chance.random() < 0.5)), 1
    ),
    f"{_ADMIN}ReportService/ListMostLentBooks": Kind(
        listing(lambda desk: report_service_pb2.ListMostLentBooksRequest()), 1
    ),
    f"{_ADMIN}ReportService/ListNeverLentBooks": Kind(
        listing(lambda desk: report_service_pb2.ListNeverLentBooksRequest()), 1
    ),
    f"{_ADMIN}ReportService/ListLoanCounts": Kind(
        listing(
            lambda desk: report_service_pb2.ListLoanCountsRequest(
                group_by=desk.chance.randint(1, 6)  # type: ignore[arg-type]
            )
        ),
        1,
    ),
    f"{_ADMIN}ReportService/ListHistory": Kind(
        listing(lambda desk: report_service_pb2.ListHistoryRequest(user_id=some_user_id(desk) or desk.new_id())), 1
    ),
    **{method: Kind(plan, 1) for method, plan in POLICY_PLANS.items()},
    f"{_ADMIN}PolicyService/ListCirculationRules": Kind(
        listing(lambda desk: policy_service_pb2.ListCirculationRulesRequest()), 1
    ),
    f"{_ADMIN}BranchService/ListBranches": Kind(listing(lambda desk: branch_service_pb2.ListBranchesRequest()), 1),
    **{method: Kind(plan, 1) for method, plan in STAFF_PLANS.items()},
    f"{_ADMIN}StaffService/ListStaffRoles": Kind(listing(lambda desk: staff_service_pb2.ListStaffRolesRequest()), 1),
    f"{_ADMIN}StaffService/ListApiTokens": Kind(listing(lambda desk: staff_service_pb2.ListApiTokensRequest()), 1),
    f"{_ADMIN}StaffService/ListAuditEntries": Kind(
        listing(lambda desk: staff_service_pb2.ListAuditEntriesRequest()), 1
    ),
    f"{_ADMIN}StatusService/GetStatus": Kind(always(lambda desk: status_service_pb2.GetStatusRequest()), 1),
    f"{_SYNC}ListCatalogChanges": Kind(changes),
    f"{_SYNC}RecordStates": Kind(record_states, 2),
    f"{_HEALTH}Check": Kind(always(lambda desk: health_pb2.HealthCheckRequest())),
    f"{_HEALTH}List": Kind(always(lambda desk: _HEALTH_MESSAGES.HealthListRequest()), 1),
    f"{_HEALTH}Watch": Kind(always(lambda desk: health_pb2.HealthCheckRequest()), 1),
    **{
        f"grpc.reflection.{version}.ServerReflection/ServerReflectionInfo": Kind(
            always(lambda desk: reflection_pb2.ServerReflectionRequest(list_services="")), 1
        )
        for version in ("v1", "v1alpha")
    },
}
"""By method. Health and reflection are served by both servers."""
