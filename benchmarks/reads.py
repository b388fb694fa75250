"""GetBook and ListBooks against handlers of the same server that need no store."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.books import SEED
from benchmarks.callers import PROCESSES, GrpcWorkload, Round
from benchmarks.environment import ENGINES, Engine, Environment
from benchmarks.frontend_with_ceilings import NO_OP, PAGE_SIZE, READY_MADE
from benchmarks.results import Result, compared, in_turns
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.v1.book_pb2 import Book

CATALOG = "/library.frontend.v1.CatalogService"


def get_book(environment: Environment) -> Iterator[Result]:
    """Compare random books by id with an empty reply."""
    for engine in ENGINES:
        _, ids = environment.frontend_store(engine)
        chosen = random.Random(SEED).choices(ids, k=20_000)
        requests = [GetBookRequest(id=book_id).SerializeToString() for book_id in chosen]
        product = GrpcWorkload(f"{CATALOG}/GetBook", requests, Book)
        yield _compared(environment, engine, "GetBook", product, "no-op", GrpcWorkload(NO_OP, requests), target=0.8)


def list_books(environment: Environment) -> Iterator[Result]:
    """Compare the first fifty books that can be borrowed with a reply of the same bytes, made in advance."""
    for engine in ENGINES:
        requests = [ListBooksRequest(page_size=PAGE_SIZE).SerializeToString()] * PROCESSES
        product = GrpcWorkload(f"{CATALOG}/ListBooks", requests, ListBooksResponse)
        ready_made = GrpcWorkload(READY_MADE, requests, ListBooksResponse)
        yield _compared(environment, engine, "ListBooks(50)", product, "ready-made bytes", ready_made, target=0.6)


def _compared(
    environment: Environment,
    engine: Engine,
    name: str,
    product: GrpcWorkload,
    yardstick_name: str,
    yardstick: GrpcWorkload,
    target: float,
) -> Result:
    with environment.frontend_with_ceilings(engine) as server:

        def measured(workload: GrpcWorkload) -> Round:
            return environment.callers.round(server.address, [server.pid], workload, environment.scale.seconds)

        mine, other = in_turns(lambda: measured(product), lambda: measured(yardstick), environment.scale.pairs)
    return compared(name, engine, (name, mine), (yardstick_name, other), target)
