"""BorrowBook against a bare transaction of the same statements on the same store, with gRPC around both and without."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator

from benchmarks.bare_loan import BareLoans
from benchmarks.books import SEED, add_items
from benchmarks.callers import GrpcWorkload, Round
from benchmarks.environment import ENGINES, Engine, Environment, opened, settle
from benchmarks.frontend_with_ceilings import BARE_LOAN, RULES
from benchmarks.results import Result, compared, in_turns
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from frontend_server.store.models import bind
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.v1.loan_pb2 import Loan
from service_kit.clock import system_clock
from service_kit.store import Store

BORROW = "/library.frontend.v1.LendingService/BorrowBook"
USERS = 200
REQUESTS = 20_000
BOOKS_FOR_EACH_LENT = 20
ITEMS = 40
"""Of each book that is lent: enough for every round, as no loan is returned."""


def borrowing(environment: Environment) -> Iterator[Result]:
    """Loans of books at random to users at random; both sides write the same rows."""
    for engine in ENGINES:
        url, book_ids = environment.frontend_store(engine)
        with opened(url) as store:
            requests = _requests(store, book_ids)
            yield _one_at_a_time(environment, engine, store, requests)
        yield _through_grpc(environment, engine, [request.SerializeToString() for request in requests])


def _one_at_a_time(environment: Environment, engine: Engine, store: Store, requests: list[BorrowBookRequest]) -> Result:
    bare = BareLoans(store)
    order = itertools.cycle(requests)

    def measured(lend: Callable[[BorrowBookRequest], object]) -> Round:
        begin = time.perf_counter()
        for request in itertools.islice(order, environment.scale.loans):
            lend(request)
        return Round(environment.scale.loans, time.perf_counter() - begin, 0.0)

    with store.reading():  # one connection for all rounds
        product, yardstick = in_turns(
            lambda: measured(lambda each: borrow_book(store, each, RULES, system_clock)),
            lambda: measured(lambda each: bare.lend(each.book_id, each.user_id, each.days)),
            environment.scale.pairs,
        )
    return compared("lending, one at a time", engine, ("borrow_book", product), ("bare transaction", yardstick))


def _through_grpc(environment: Environment, engine: Engine, requests: list[bytes]) -> Result:
    with environment.frontend_with_ceilings(engine) as server:

        def measured(workload: GrpcWorkload) -> Round:
            return environment.callers.round(server.address, [server.pid], workload, environment.scale.seconds)

        product, yardstick = in_turns(
            lambda: measured(GrpcWorkload(BORROW, requests, Loan)),
            lambda: measured(GrpcWorkload(BARE_LOAN, requests)),
            environment.scale.pairs,
        )
    return compared("BorrowBook", engine, ("BorrowBook", product), ("bare transaction in a handler", yardstick))


def _requests(store: Store, book_ids: list[str]) -> list[BorrowBookRequest]:
    bind(store)
    lent = book_ids[::BOOKS_FOR_EACH_LENT]
    add_items(store, lent, ITEMS, first_revision=len(book_ids) + 1)
    settle(store)
    users = [
        enroll_user(
            store,
            EnrollUserRequest(email=f"reader{number}@example.org", first_name="Jo", last_name=f"Reader {number}"),
            system_clock,
        )
        for number in range(USERS)
    ]
    chance = random.Random(SEED)
    return [
        BorrowBookRequest(book_id=chance.choice(lent), user_id=chance.choice(users).id, days=14)
        for _ in range(REQUESTS)
    ]
