"""The frontend server with additional handlers that do as little as a call can.

    python -m benchmarks.frontend_with_ceilings DATABASE_URL ACCESS

The server object, its limits, its gate and its threads are the product's; the handlers go into it as any service does.
No sync runs: it is measured by itself. The process says `listening ADDRESS`, and ends when its standard input does.
"""

from __future__ import annotations

import sys

import grpc

from benchmarks.bare_loan import BareLoans
from frontend_server.access.accounts import StoredAccounts
from frontend_server.browse.catalog import list_books
from frontend_server.circulation.fines import DailyFine
from frontend_server.circulation.rules import LendingRules
from frontend_server.rpc.services import services
from frontend_server.store.models import SCHEMA, bind
from frontend_server.sync.sync import Sync, SyncSettings
from frontend_server.watched_clock import WatchedClock
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library_domain.access.guard import guard_for
from library_domain.contract import contract_descriptors
from service_kit.clock import system_clock
from service_kit.logs import set_up_logs
from service_kit.server import Server
from service_kit.servicer import IS_READ
from service_kit.store import Store
from service_kit.store_settings import ServerSettings

NO_OP = "/benchmarks.Ceilings/NoOp"
READY_MADE = "/benchmarks.Ceilings/ReadyMade"
BARE_LOAN = "/benchmarks.Ceilings/BareLoan"

PAGE_SIZE = 50

RULES = LendingRules(loan_limit=1_000_000, daily_fine=DailyFine.parse("0.20 EUR"))
"""High enough for the few users of a benchmark."""


def ceilings(store: Store) -> grpc.GenericRpcHandler:
    """Handlers that parse nothing and check nothing: an empty reply, a page's ready bytes, a bare transaction."""
    page = list_books(store, ListBooksRequest(page_size=PAGE_SIZE)).SerializeToString()
    loans = BareLoans(store)

    def bare_loan(request: bytes, context: grpc.ServicerContext) -> bytes:
        wanted = BorrowBookRequest.FromString(request)
        loans.lend(wanted.book_id, wanted.user_id, wanted.days)
        return b""

    handlers = {
        NO_OP: lambda request, context: b"",
        READY_MADE: lambda request, context: page,
        BARE_LOAN: bare_loan,
    }
    for path in handlers.keys() - {BARE_LOAN}:
        setattr(handlers[path], IS_READ, True)  # so that they run in the lane of the compared methods
    service = NO_OP.split("/")[1]
    return grpc.method_handlers_generic_handler(
        service,
        {path.rpartition("/")[2]: grpc.unary_unary_rpc_method_handler(each) for path, each in handlers.items()},
    )


def main(database_url: str, access: str) -> None:
    """Serve until standard input ends."""
    set_up_logs("warning", as_json=True)
    settings = ServerSettings("127.0.0.1:0", database_url, grace=1.0, access=access)
    store = settings.open_store(SCHEMA)
    bind(store)
    server = Server(settings.limits(store), contract_descriptors())
    clock = WatchedClock(store, system_clock)
    clock.refresh()
    sync = Sync(store, SyncSettings("127.0.0.1:1", interval=3600), clock)
    served = services(store, RULES, clock, sync)
    descriptors = [service.descriptor for service in served]
    server.add(served, guard_for(access, descriptors, StoredAccounts(store), system_clock))
    server.grpc.add_generic_rpc_handlers((ceilings(store),))
    address = server.listen(settings.listen)
    server.open()
    print("listening", address, flush=True)
    sys.stdin.read()
    server.drain()
    store.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
