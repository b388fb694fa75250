"""The poll of a frontend every second, mostly without changes: its cost must not grow with the catalogue."""

from __future__ import annotations

from collections.abc import Iterator

from admin_server.sync.epochs import encode_cursor
from benchmarks.callers import PROCESSES, GrpcWorkload, Round
from benchmarks.environment import FEW_BOOKS, Environment
from benchmarks.results import Result, compared, in_turns
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, ListCatalogChangesResponse
from tests.support.clients import CREDENTIALS
from tests.support.processes import ServerProcess

METHOD = "/library.sync.v1.SyncService/ListCatalogChanges"


def idle_poll(environment: Environment) -> Iterator[Result]:
    """Compare ListCatalogChanges without newer changes for a large and a small catalogue."""
    sizes = (environment.scale.many_books, FEW_BOOKS)
    servers = [environment.servers.start("admin", environment.admin_store(size)) for size in sizes]
    polls = [_poll(server) for server in servers]

    def measured(place: int) -> Round:
        server = servers[place]
        return environment.callers.round(server.address, [server.pid], polls[place], environment.scale.seconds)

    many, few = in_turns(lambda: measured(0), lambda: measured(1), environment.scale.pairs)
    for server in servers:
        server.stop()
    names = [f"{size:,} books" for size in sizes]
    yield compared("idle poll", "SQLite", (names[0], many), (names[1], few), target=0.9)


def _poll(server: ServerProcess) -> GrpcWorkload:
    """Return the poll of a frontend that has all changes."""
    admin = server.admin()
    status = admin.status.GetStatus(GetStatusRequest())
    request = ListCatalogChangesRequest(cursor=encode_cursor(status.epoch, status.revision), page_size=1_000)
    assert not admin.sync.ListCatalogChanges(request).changes
    requests = [request.SerializeToString()] * PROCESSES
    return GrpcWorkload(METHOD, requests, ListCatalogChangesResponse, CREDENTIALS.metadata())
