"""Clients that others made meet both servers: list, describe with comments, call, and show why a call is refused."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import time
import uuid
from dataclasses import dataclass
from typing import Any

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.catalog_service_pb2_grpc import CatalogServiceServicer as AdminCatalogServiceServicer
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest, GetLoanRequest, ReturnBookRequest
from library.frontend.v1.lending_service_pb2_grpc import LendingServiceServicer
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.book_pb2 import Book
from tests.support.clients import AdminClient, FrontendClient, refusal_of
from tests.support.processes import ROOT, Servers
from tests.support.stores import FreshDatabases
from tests.support.third_party import CLIENTS, Evans, Grpcui, Grpcurl, ThirdPartyClient, require, run

NOBODY = str(uuid.UUID(int=0))

SERVICES = {
    "admin": {
        "google.longrunning.Operations": [
            "CancelOperation",
            "DeleteOperation",
            "GetOperation",
            "ListOperations",
            "WaitOperation",
        ],
        "library.admin.v1.BranchService": [
            "CreateBranch",
            "GetBranch",
            "GetCalendar",
            "ListBranches",
            "UpdateBranch",
            "UpdateCalendar",
        ],
        "library.admin.v1.CatalogService": [
            "AddBook",
            "GetBook",
            "GetCover",
            "ImportBooks",
            "ListBooks",
            "ListImportRuns",
            "RemoveBook",
            "UndoImport",
            "UpdateBook",
        ],
        "library.admin.v1.ImportService": [
            "ImportExternalBook",
            "ListImportProblems",
            "ListSourceRuns",
            "ListSources",
            "SearchExternalBooks",
            "StartImport",
        ],
        "library.admin.v1.InventoryService": [
            "BatchCreateItems",
            "CreateItem",
            "GetItem",
            "ListItems",
            "LookupItem",
            "UpdateItem",
            "WithdrawItem",
        ],
        "library.admin.v1.LoanService": ["ListLoans", "ListUnavailableBooks"],
        "library.admin.v1.PolicyService": [
            "CreateCirculationRule",
            "DeleteCirculationRule",
            "GetCirculationRule",
            "GetLibrarySettings",
            "ListCirculationRules",
            "UpdateCirculationRule",
            "UpdateLibrarySettings",
        ],
        "library.admin.v1.ReportService": [
            "ListHistory",
            "ListLoanCounts",
            "ListMostLentBooks",
            "ListNeverLentBooks",
            "ListOpenLoans",
        ],
        "library.admin.v1.StaffService": [
            "CreateApiToken",
            "GrantRole",
            "ListApiTokens",
            "ListAuditEntries",
            "ListStaffRoles",
            "RevokeApiToken",
        ],
        "library.admin.v1.StatusService": ["GetStatus"],
        "library.admin.v1.UserService": ["GetUser", "ListBorrowers", "ListUsers"],
        "library.sync.v1.SyncService": ["ListCatalogChanges", "RecordStates"],
    },
    "frontend": {
        "library.access.v1.AccessService": [
            "CreateProviderSession",
            "CreateResetCode",
            "CreateSession",
            "EndSession",
            "EndUserSessions",
            "GetSignInOptions",
            "ListSigningKeys",
            "RefreshSession",
            "SetPassword",
            "WhoAmI",
        ],
        "library.frontend.v1.CatalogService": ["GetBook", "ListBooks", "ListCategories", "ListPublishers"],
        "library.frontend.v1.CirculationService": [
            "CancelCheckIn",
            "CancelCheckOut",
            "CheckIn",
            "CheckOut",
            "ExplainRule",
            "GetLibrarySettings",
            "ListHistory",
            "ListItems",
            "LookupItem",
            "MoveDueDates",
            "Renew",
        ],
        "library.frontend.v1.LendingService": ["BorrowBook", "GetLoan", "ListLoans", "RenewLoan", "ReturnBook"],
        "library.frontend.v1.MemberService": [
            "AnonymizeLoans",
            "BlockUser",
            "CloseUser",
            "EnrollUser",
            "EraseUser",
            "ExportUser",
            "GetUser",
            "ListUsers",
            "UnblockUser",
            "UpdateUser",
        ],
        "library.frontend.v1.SyncService": ["GetSyncStatus", "SyncNow"],
    },
}
OF_GRPC = ["grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]


@dataclass
class Library:
    """Both servers, and what they are called through stubs to prepare and to check."""

    address: dict[str, str]
    admin: AdminClient
    frontend: FrontendClient

    def book(self, title: str) -> Book:
        """Add a book of which there is one copy, and wait until patrons see it."""
        book = self.admin.catalog.AddBook(AddBookRequest(title=title, publisher=f"{title} Press"), timeout=100)
        deadline = time.monotonic() + 100
        while True:
            try:
                return self.frontend.catalog.GetBook(GetBookRequest(id=book.id), timeout=100)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.NOT_FOUND or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


@pytest.fixture(scope="module")
def library(module_servers: Servers, databases: FreshDatabases) -> Library:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    frontend = module_servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
    return Library(
        {"admin": admin.address, "frontend": frontend.address}, AdminClient(admin.channel()), frontend.frontend()
    )


@pytest.fixture(params=CLIENTS)
def client(request: pytest.FixtureRequest) -> ThirdPartyClient:
    """Each of the clients in turn, where it is installed."""
    require(request.param)
    return CLIENTS[request.param]


@pytest.mark.parametrize("server", SERVICES)
def test_lists_services_and_methods(library: Library, client: ThirdPartyClient, server: str) -> None:
    address = library.address[server]
    assert client.services(address) == sorted([*OF_GRPC, *SERVICES[server]])
    for service, methods in SERVICES[server].items():
        assert client.methods(address, service) == [f"{service}.{method}" for method in methods]


DESCRIBED = [
    ("admin", "library.admin.v1.CatalogService", "// Adds a book to the catalogue.\n"),
    ("admin", "library.admin.v1.CatalogService.RemoveBook", "// Removes a book from the catalogue. The book stays"),
    ("admin", "library.admin.v1.RemoveBookRequest", "  // Remove the book even if copies are on loan"),
    ("admin", "google.longrunning.Operations", "// Manages long-running operations with an API service."),
    ("admin", "google.longrunning.Operations.WaitOperation", "// Waits until the specified long-running operation"),
    ("admin", "google.longrunning.Operation", "  // The server-assigned name, which is only unique within"),
    ("admin", "library.sync.v1.SyncService.RecordStates", "rpc RecordStates ( .library.sync.v1.RecordStatesRequest )"),
    ("frontend", "library.frontend.v1.LendingService", "// Borrowing and returning. It does not need"),
    (
        "frontend",
        "library.frontend.v1.LendingService.BorrowBook",
        "// Lends a copy of a book to a user: any free item of",
    ),
    (
        "frontend",
        "library.frontend.v1.BorrowBookRequest",
        "  // For how many days, up to the most of the circulation rule.",
    ),
]


@pytest.mark.parametrize("name", ["grpcurl", "evans"])
@pytest.mark.parametrize(("server", "symbol", "comment"), DESCRIBED)
def test_describes_with_comments(library: Library, name: str, server: str, symbol: str, comment: str) -> None:
    require(name)
    describer = Grpcurl() if name == "grpcurl" else Evans()
    assert comment in describer.describe(library.address[server], symbol)


@pytest.mark.parametrize("server", ["admin", "frontend"])
@pytest.mark.parametrize(
    ("symbol", "comment"),
    [
        ("library.v1.Book", "// A title in the catalogue, with the number of copies"),
        ("library.v1.BookState", "// In the catalogue; its free copies can be borrowed."),
        ("library.v1.ErrorReason", "// FAILED_PRECONDITION. The loan was returned before"),
    ],
)
def test_grpcurl_describes_the_resources_and_reasons(library: Library, server: str, symbol: str, comment: str) -> None:
    """Evans does not: it looks only into the files that have a service."""
    require("grpcurl")
    assert comment in Grpcurl().describe(library.address[server], symbol)


def test_a_patron_is_served(library: Library, client: ThirdPartyClient, request: pytest.FixtureRequest) -> None:
    frontend = library.address["frontend"]
    title = f"Book for {request.node.callspec.id}"
    book = library.book(title)

    listing = "library.frontend.v1.CatalogService/ListBooks", {"publisher": [book.publisher]}
    (listed,) = client.call(frontend, *listing).reply["books"]
    assert (listed["id"], listed["title"], listed["availableCopies"]) == (book.id, title, 1)
    user = client.call(frontend, "library.frontend.v1.MemberService/EnrollUser", person("ada", title)).reply
    assert (user["firstName"], user["state"]) == ("Ada", "USER_STATE_ACTIVE")
    borrowing = (
        "library.frontend.v1.LendingService/BorrowBook",
        {
            "book_id": book.id,
            "user_id": user["id"],
            "days": 14,
            "request_id": str(uuid.uuid4()),
        },
    )
    loan = client.call(frontend, *borrowing).reply
    assert (loan["bookTitle"], loan["state"], loan["days"]) == (title, "LOAN_STATE_ACTIVE", 14)
    assert client.call(frontend, *borrowing).reply == loan
    assert client.call(frontend, *listing).reply == {"leftOutCount": 1}

    other = client.call(frontend, "library.frontend.v1.MemberService/EnrollUser", person("bob", title)).reply
    again = {"book_id": book.id, "user_id": other["id"], "days": 7}
    refusal = client.call(frontend, "library.frontend.v1.LendingService/BorrowBook", again).refusal
    assert "NO_COPY_AVAILABLE" in refusal
    assert "lending-library" in refusal
    assert loan["dueTime"][:19] in refusal  # in UTC, to the second
    returned = client.call(frontend, "library.frontend.v1.LendingService/ReturnBook", {"loan_id": loan["id"]}).reply
    assert returned["state"] == "LOAN_STATE_RETURNED"
    assert client.call(frontend, *listing).reply["books"][0]["id"] == book.id


def person(name: str, title: str) -> dict[str, Any]:
    return {"email": f"{name}.{title.replace(' ', '.')}@example.org", "first_name": name.title(), "last_name": "L."}


def test_a_librarian_is_served(library: Library, client: ThirdPartyClient, request: pytest.FixtureRequest) -> None:
    admin = library.address["admin"]
    title = f"Work of {request.node.callspec.id}"
    catalog = "library.admin.v1.CatalogService"
    book = client.call(admin, f"{catalog}/AddBook", {"title": title, "authors": ["A", "B"], "copies": 3}).reply
    assert (book["title"], book["authors"], book["totalCopies"]) == (title, ["A", "B"], 3)
    change = {
        "book": {"id": book["id"], "total_copies": 5, "etag": book["etag"]},
        "update_mask": client.mask("total_copies"),
    }
    assert client.call(admin, f"{catalog}/UpdateBook", change).reply["totalCopies"] == 5
    refusal = client.call(admin, f"{catalog}/UpdateBook", change).refusal
    assert "ETAG_MISMATCH" in refusal
    assert client.call(admin, f"{catalog}/RemoveBook", {"id": book["id"]}).reply["state"] == "BOOK_STATE_REMOVED"
    assert client.call(admin, "library.admin.v1.StatusService/GetStatus", {}).reply["epoch"]


REFUSED = [
    ("frontend", "library.frontend.v1.CatalogService/ListBooks", {"page_size": -1}, ["FIELD_INVALID", "page_size"]),
    (
        "frontend",
        "library.frontend.v1.LendingService/BorrowBook",
        {"book_id": "x", "user_id": NOBODY, "days": 366},
        ["FIELD_INVALID", "book_id", "days"],
    ),
    ("frontend", "library.frontend.v1.MemberService/GetUser", {"id": NOBODY}, ["USER_NOT_FOUND", "library.v1.User"]),
    (
        "admin",
        "library.admin.v1.CatalogService/AddBook",
        {"title": "T", "isbn": "9780441013594", "copies": -1},
        ["FIELD_INVALID", "copies"],
    ),
    ("admin", "library.admin.v1.CatalogService/GetBook", {"id": NOBODY}, ["BOOK_NOT_FOUND", "library.v1.Book"]),
]


@pytest.mark.parametrize(("server", "method", "arguments", "expected"), REFUSED)
def test_a_refusal_is_readable(
    library: Library, client: ThirdPartyClient, server: str, method: str, arguments: dict[str, Any], expected: list[str]
) -> None:
    refusal = client.call(library.address[server], method, arguments).refusal
    for words in ["lending-library", "google.rpc.ErrorInfo", "google.rpc.RequestInfo", *expected]:
        assert words in refusal


def test_grpcui_shows_the_details_of_a_refusal_in_words(library: Library) -> None:
    """It showed base64: it knows only the types that the file of the method imports."""
    method = "library.frontend.v1.MemberService/GetUser"
    refusal = json.loads(Grpcui().call(library.address["frontend"], method, {"id": NOBODY}).refusal)
    info, resource, request = (detail["message"] for detail in refusal["details"])
    assert info == {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "USER_NOT_FOUND",
        "domain": "lending-library",
        "metadata": {"user_id": NOBODY},
    }
    assert (resource["resource_type"], resource["resource_name"]) == ("library.v1.User", NOBODY)
    assert request.keys() == {"@type", "request_id"}


def test_tools_are_called_as_the_page_of_clients_describes(library: Library) -> None:
    (tools,) = re.findall(r"^## Tools\n(.*?)^## ", (ROOT / "docs/clients.md").read_text(), re.MULTILINE | re.DOTALL)
    commands = re.findall(r"^```sh\n(.*?)^```$", tools, re.MULTILINE | re.DOTALL)
    assert [command.partition(" ")[0] for command in commands] == ["grpcui", "buf", "grpcurl"]
    for command in commands[1:]:
        require(command.partition(" ")[0])
        typed = command.replace("127.0.0.1:50051", library.address["frontend"])
        done = subprocess.run(["bash", "-c", typed], cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
        assert (done.returncode, done.stderr) == (0, ""), command


def test_the_shipped_descriptors_do_in_place_of_reflection(library: Library) -> None:
    options = ["-plaintext", "-protoset", str(ROOT / "generated/library/contract.binpb")]
    method = "library.frontend.v1.MemberService/GetUser"
    refusal = run("grpcurl", *options, "-d", json.dumps({"id": NOBODY}), library.address["frontend"], method).refusal
    for words in ["google.rpc.ErrorInfo", "USER_NOT_FOUND", "lending-library", NOBODY]:
        assert words in refusal


def test_python_stubs_serve_a_patron_and_document_themselves(library: Library) -> None:
    book = library.book("Book for Python")
    frontend = library.frontend
    listing = ListBooksRequest(publisher=[book.publisher])
    assert [listed.title for listed in frontend.catalog.ListBooks(listing, timeout=100).books] == ["Book for Python"]
    user = frontend.members.EnrollUser(
        EnrollUserRequest(email="ada@python.example", first_name="Ada", last_name="L."), timeout=100
    )
    borrowing = BorrowBookRequest(book_id=book.id, user_id=user.id, days=14)
    loan = frontend.lending.BorrowBook(borrowing, timeout=100)
    assert frontend.lending.GetLoan(GetLoanRequest(id=loan.id), timeout=100) == loan
    with pytest.raises(grpc.RpcError) as refused:
        frontend.lending.BorrowBook(borrowing, timeout=100)
    refusal = refusal_of(refused.value)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "NO_COPY_AVAILABLE")
    assert refusal.metadata["next_available_time"][:19] == loan.due_time.ToJsonString()[:19]
    frontend.lending.ReturnBook(ReturnBookRequest(loan_id=loan.id), timeout=100)

    assert "Lends a copy of a book to a user" in (inspect.getdoc(LendingServiceServicer.BorrowBook) or "")
    assert "Adds a book to the catalogue" in (inspect.getdoc(AdminCatalogServiceServicer.AddBook) or "")
