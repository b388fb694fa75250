"""Many calls on one connection, as library-rest makes them, some of them cancelled or too late for their client."""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest
from tests.support.processes import Servers
from tests.support.stores import FreshDatabases

CALLS, THREADS = 2_000, 16


@pytest.mark.parametrize("cancelled", [False, True])
def test_no_call_is_refused_because_of_calls_that_are_over(
    servers: Servers, databases: FreshDatabases, cancelled: bool
) -> None:
    """Found by the soak: a server that keeps calls that are over counts them among the streams of their connection.

    In CPython a reference cycle is enough, as it waits for the garbage collector.
    """
    catalog = servers.start("admin", databases.migrated("admin", "sqlite")).admin().catalog

    def call(number: int) -> str:
        chance = random.Random(number)
        try:
            if cancelled and chance.random() < 0.3:
                catalog.AddBook(AddBookRequest(title="Emma"), timeout=chance.uniform(0.001, 0.05))
            elif cancelled and chance.random() < 0.3:
                catalog.ListBooks.future(ListBooksRequest()).cancel()
            else:
                catalog.ListBooks(ListBooksRequest(page_size=1), timeout=100)
        except grpc.RpcError as error:
            code = error.code()
            return str(error) if code is grpc.StatusCode.UNAVAILABLE else str(code)
        return "done"

    with ThreadPoolExecutor(THREADS) as threads:
        outcomes = Counter(threads.map(call, range(CALLS)))
    assert outcomes["done"] >= CALLS / 4
    allowed = {"done", *(str(code) for code in (grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED))}
    assert outcomes.keys() <= allowed, outcomes
