"""ListBooks with a query against ListBooks without one: pages of fifty books of the same server."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks.books import made_books
from benchmarks.callers import GrpcWorkload, Round
from benchmarks.environment import ENGINES, Environment
from benchmarks.frontend_with_ceilings import PAGE_SIZE
from benchmarks.reads import CATALOG
from benchmarks.results import Result, compared, in_turns
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest, ListBooksResponse

BOOKS_ASKED_FOR = 200

Query = Callable[[list[str]], str]
"""Makes a query from the words of a title."""

QUERIES: dict[str, Query] = {
    "one word": lambda words: words[0],
    "two words": lambda words: " ".join(words[:2]),
    "beginning of a word": lambda words: words[0][:3],
    "typing error": lambda words: words[0][:2] + "x" + words[0][3:],
}


def search(environment: Environment) -> Iterator[Result]:
    """Compare queries of each kind, made from titles in the store, with no query."""
    titles = [
        book.title.lower().split() for book in itertools.islice(made_books(environment.scale.books), BOOKS_ASKED_FOR)
    ]
    titles = [words for words in titles if len(words[0]) >= 6]
    method = f"{CATALOG}/ListBooks"
    plain = [ListBooksRequest(page_size=PAGE_SIZE).SerializeToString()] * len(titles)
    for engine in ENGINES:
        with environment.frontend_with_ceilings(engine) as server:

            def measured(requests: list[bytes], address: str = server.address, pid: int = server.pid) -> Round:
                workload = GrpcWorkload(method, requests, ListBooksResponse)
                return environment.callers.round(address, [pid], workload, environment.scale.seconds)

            for name, query in QUERIES.items():
                asked = [ListBooksRequest(page_size=PAGE_SIZE, query=query(words)) for words in titles]
                requests = [request.SerializeToString() for request in asked]
                mine, other = in_turns(partial(measured, requests), partial(measured, plain), environment.scale.pairs)
                yield compared(f"search, {name}", engine, (name, mine), ("ListBooks(50)", other))
