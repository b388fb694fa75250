"""The methods between the two services are not served over HTTP."""

from __future__ import annotations

import pytest

from library.sync.v1.sync_service_pb2 import DESCRIPTOR as SYNC
from tests.support.processes import Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import FreshDatabases

METHODS = [method.name for service in SYNC.services_by_name.values() for method in service.methods]
SERVICE = "library.sync.v1.SyncService"


@pytest.fixture(scope="module")
def rest(module_servers: Servers, module_rest_servers: RestServers, databases: FreshDatabases) -> RestProcess:
    admin = module_servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend = module_servers.start("frontend", databases.migrated("frontend", "sqlite"), ADMIN_TARGET=admin.address)
    return module_rest_servers.start([frontend.address, admin.address])


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path",
    [
        *(f"/{SERVICE}/{method}" for method in METHODS),
        f"/{SERVICE}",
        # Where they were before.
        "/admin/v1/sync/changes",
        "/admin/v1/sync/users:record",
        "/admin/v1/sync/loans:record",
    ],
)
def test_no_method_between_the_services_has_a_path(rest: RestProcess, verb: str, path: str) -> None:
    answer = rest.request(verb, path, {} if verb != "GET" else None)
    assert (answer.status, answer.refusal.reason) == (404, "PATH_UNKNOWN")
    assert "/openapi.json" in answer.refusal.message


def test_no_method_between_the_services_is_described(rest: RestProcess) -> None:
    document, start_page = rest.request("GET", "/openapi.json"), rest.request("GET", "/")
    assert document.status == start_page.status == 200
    for name in (SERVICE, "RecordStates", "ListCatalogChanges"):
        assert name.encode() not in document.body
        assert name.encode() not in start_page.body
    # Those for clients are, the frontend's sync among them.
    assert b"library.frontend.v1.SyncService" in document.body
    assert b"/v1/sync" in start_page.body
