"""GetBook and ListBooks against handlers of the same server that need no store."""

from __future__ import annotations

import random
from collections.abc import Iterator

from benchmarks.books import SEED
from benchmarks.callers import PROCESSES, GrpcWorkload, Round
from benchmarks.frontend_with_ceilings import NO_OP, PAGE_SIZE, READY_MADE
from benchmarks.ground import ENGINES, Engine, Ground
from benchmarks.results import Result, compared, in_turns
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.v1.book_pb2 import Book

CATALOG = "/library.frontend.v1.CatalogService"


def get_book(ground: Ground) -> Iterator[Result]:
    """Books by id, at random, against an empty reply."""
    for engine in ENGINES:
        _, ids = ground.frontend_store(engine)
        chosen = random.Random(SEED).choices(ids, k=20_000)
        requests = [GetBookRequest(id=book_id).SerializeToString() for book_id in chosen]
        product = GrpcWorkload(f"{CATALOG}/GetBook", requests, Book)
        yield _compared(ground, engine, "GetBook", product, "no-op", GrpcWorkload(NO_OP, requests), target=0.8)


def list_books(ground: Ground) -> Iterator[Result]:
    """The first fifty books that can be borrowed, against a reply of the same bytes made before."""
    for engine in ENGINES:
        requests = [ListBooksRequest(page_size=PAGE_SIZE).SerializeToString()] * PROCESSES
        product = GrpcWorkload(f"{CATALOG}/ListBooks", requests, ListBooksResponse)
        ready_made = GrpcWorkload(READY_MADE, requests, ListBooksResponse)
        yield _compared(ground, engine, "ListBooks(50)", product, "ready-made bytes", ready_made, target=0.6)


def _compared(
    ground: Ground,
    engine: Engine,
    name: str,
    product: GrpcWorkload,
    yardstick_name: str,
    yardstick: GrpcWorkload,
    target: float,
) -> Result:
    with ground.frontend_with_ceilings(engine) as server:

        def measured(workload: GrpcWorkload) -> Round:
            return ground.callers.round(server.address, [server.pid], workload, ground.scale.seconds)

        mine, other = in_turns(lambda: measured(product), lambda: measured(yardstick), ground.scale.pairs)
    return compared(name, engine, (name, mine), (yardstick_name, other), target)
