"""What the frontend asks every second, and mostly for nothing: it must not cost more where the catalogue is large."""

from __future__ import annotations

from collections.abc import Iterator

from admin_server.sync.epochs import position_token
from benchmarks.callers import PROCESSES, GrpcWorkload, Round
from benchmarks.ground import FEW_BOOKS, Ground
from benchmarks.results import Result, compared, in_turns
from library.admin.v1.status_service_pb2 import GetStatusRequest
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, ListCatalogChangesResponse
from tests.support.clients import CREDENTIALS
from tests.support.processes import ServerProcess

METHOD = "/library.sync.v1.SyncService/ListCatalogChanges"


def idle_poll(ground: Ground) -> Iterator[Result]:
    """ListCatalogChanges with a cursor behind which nothing waits, at a large and at a small catalogue."""
    sizes = (ground.scale.many_books, FEW_BOOKS)
    servers = [ground.servers.start("admin", ground.admin_store(size)) for size in sizes]
    polls = [_poll(server) for server in servers]

    def measured(place: int) -> Round:
        server = servers[place]
        return ground.callers.round(server.address, [server.pid], polls[place], ground.scale.seconds)

    many, few = in_turns(lambda: measured(0), lambda: measured(1), ground.scale.pairs)
    for server in servers:
        server.stop()
    names = [f"{size:,} books" for size in sizes]
    yield compared("idle poll", "SQLite", (names[0], many), (names[1], few), target=0.9)


def _poll(server: ServerProcess) -> GrpcWorkload:
    """The poll of a frontend that has everything."""
    admin = server.admin()
    status = admin.status.GetStatus(GetStatusRequest())
    request = ListCatalogChangesRequest(cursor=position_token(status.epoch, status.revision), page_size=1_000)
    assert not admin.sync.ListCatalogChanges(request).changes
    requests = [request.SerializeToString()] * PROCESSES
    return GrpcWorkload(METHOD, requests, ListCatalogChangesResponse, CREDENTIALS.metadata())
