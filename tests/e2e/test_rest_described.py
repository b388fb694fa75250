"""schemathesis over the live `/openapi.json`: nothing that it sends gets a 5xx, or an answer that is not described."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import GetSyncStatusRequest
from tests.support.clients import FrontendClient
from tests.support.library_command import catalogue, library
from tests.support.processes import ROOT, Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases

CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "positive_data_acceptance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
]
"""All but those that know better than the library: a removed book is still there to be read, a new user is with the
admin a moment later, and no token is wanted."""

CONFIGURATION = """
[warnings]
# It has others for operations that answer mostly with 404, 401 or 400. What is asked of them is below: one success.
display = ["missing_deserializer", "unsupported_regex", "unresolvable_reference", "method_not_allowed"]
fail-on = true
"""

USERS, BORROWERS, LOANS = 120, 40, 40
EXAMPLES = 16
"""Of each operation, besides some two thousand that are made of the corners of the schemas."""

NEEDS_A_PAST = {
    "POST /access/v1/password:set",
    "POST /access/v1/sessions",
    "POST /access/v1/providerSessions",
    "POST /access/v1/sessions:refresh",
    "POST /admin/v1/apiTokens/{id}:revoke",
    "POST /v1/books/{bookId}:return",
    "POST /v1/loans:moveDueDates",
    "POST /v1/loans/{loanId}:cancelCheckIn",
    "POST /v1/users/{userId}:unblock",
    "POST /v1/loans/{loanId}:renew",
    "POST /v1/loans/{loanId}:return",
    # Operations of imports, pictures of covers, and other catalogues, which cannot be reached from here.
    "GET /v1/operations/{operations}",
    "DELETE /v1/operations/{operations}",
    "POST /v1/operations/{operations}:cancel",
    "POST /google.longrunning.Operations/WaitOperation",
    "GET /admin/v1/imports/{importId}/problems",
    "GET /admin/v1/books/{bookId}/cover",
    "GET /admin/v1/externalBooks:search",
    "POST /admin/v1/externalBooks:import",
}
"""Operations that succeed only after others, or by rules that others change; requests at random may not reach that."""

SECONDS = 900

SEED = 20_261_122
"""The same requests in each run, as a run that others wait for is not the place to find new ones. LIBRARY_SEED looks
elsewhere."""


@pytest.fixture
def rest(servers: Servers, rest_servers: RestServers, databases: FreshDatabases, trial: Path) -> RestProcess:
    """Both services with the sample catalogue and some loans, and library-rest before them."""
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    url = databases.migrated("frontend", "sqlite")
    frontend = servers.start("frontend", url, ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1")
    assert library("import", "--sample", admin=admin.address).returncode == 0
    client = frontend.frontend()
    books = len(catalogue(admin.address))
    deadline = time.monotonic() + 100
    while client.sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).book_count < books:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    (trial / "known.json").write_text(json.dumps(lend(client)))
    return rest_servers.start([frontend.address, admin.address])


@pytest.fixture
def trial(tmp_path: Path) -> Path:
    """The folder in which the test and schemathesis exchange files."""
    return tmp_path


def lend(client: FrontendClient) -> dict[str, list[str]]:
    """Enrol users and lend them books; return the values that then exist, by the fields that can have them."""
    books = [book.id for book in client.catalog.ListBooks(ListBooksRequest(page_size=1000), timeout=100).books]
    users, loans = [], []
    for number in range(USERS):
        enrolled = EnrollUserRequest(email=f"p{number}@example.org", first_name="P.", last_name=str(number))
        users.append(client.members.EnrollUser(enrolled, timeout=100).id)
    for number in range(LOANS):
        request = BorrowBookRequest(book_id=books[number % len(books)], user_id=users[number % BORROWERS], days=14)
        loans.append(client.lending.BorrowBook(request, timeout=100).id)
    frontend = client.sync.GetSyncStatus(GetSyncStatusRequest(), timeout=100).frontend_id
    addresses = [f"q{number}@example.org" for number in range(1000)]
    return {
        "bookId": books,
        "userId": users,
        "staffId": users,
        "loanId": loans,
        "frontendId": [frontend],
        "email": addresses,
    }


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_every_answer_is_described(rest: RestProcess, trial: Path) -> None:
    seed = int(os.environ.get("LIBRARY_SEED", SEED))
    (trial / "schemathesis.toml").write_text(CONFIGURATION)
    # It waits 10 seconds for the document, which is made at the first request: on a busy machine that can take longer.
    assert rest.request("GET", "/openapi.json").status == 200
    command = [
        *(sys.executable, "-m", "schemathesis.cli", "run", f"{rest.url}/openapi.json"),
        *("--checks", ",".join(CHECKS), "--max-examples", str(EXAMPLES), "--seed", str(seed)),
        *("--no-color", "--generation-database", "none", "--continue-on-failure"),
    ]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "LIBRARY_TRIAL": str(trial),
    }
    with (trial / "output.txt").open("w+") as output:
        run = subprocess.run(
            command, cwd=trial, env=environment, stdout=output, stderr=output, timeout=SECONDS, check=False
        )
        output.seek(0)
        assert run.returncode == 0, f"{output.read()}\nAgain: LIBRARY_SEED={seed}"

    answered = json.loads((trial / "answered.json").read_text())
    operations = {label.rpartition(" ")[0] for label in answered}
    assert operations == described_operations(rest)
    # It got behind the ids: no operation was met with refusals only.
    refused = {name for name in operations if not any(f"{name} {status}" in answered for status in (200, 304))}
    assert refused <= NEEDS_A_PAST


def described_operations(rest: RestProcess) -> set[str]:
    document = rest.request("GET", "/openapi.json").json()
    return {f"{verb.upper()} {path}" for path, item in document["paths"].items() for verb in item}
