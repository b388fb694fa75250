"""Reads over HTTP and JSON through library-rest, against the same by gRPC alone, and against FastAPI."""

from __future__ import annotations

import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from google.protobuf import json_format
from google.protobuf.message import Message

from benchmarks.books import SEED
from benchmarks.callers import PROCESSES, GrpcWorkload, Round, Workload
from benchmarks.environment import Environment, opened
from benchmarks.frontend_with_ceilings import PAGE_SIZE
from benchmarks.http_workload import HttpWorkload
from benchmarks.reads import CATALOG
from benchmarks.results import Result, compared, in_turns
from frontend_server.browse.catalog import get_book, list_books
from frontend_server.store.models import bind
from library.frontend.v1.catalog_service_pb2 import GetBookRequest, ListBooksRequest, ListBooksResponse
from library.v1.book_pb2 import Book
from service_kit.store import Store

AHEAD = 1.0
"""The target ratio to FastAPI."""


@dataclass(frozen=True)
class _Server:
    """A server of the reads."""

    name: str
    address: str
    pids: Sequence[int]
    """All processes of a call."""


@dataclass(frozen=True)
class _Read:
    """A read, by gRPC and by HTTP."""

    name: str
    by_grpc: GrpcWorkload
    by_http: HttpWorkload


def rest(environment: Environment) -> Iterator[Result]:
    """Compare GetBook and ListBooks on SQLite: library-rest and each yardstick in turns, with the same frontend."""
    url, ids = environment.frontend_store("SQLite")
    with opened(url) as store:
        bind(store)
        reads = [_get_book(store, ids), _list_books(store)]
        columns = _books_in_columns(environment, store)
    with ExitStack() as ending:
        frontend = ending.enter_context(environment.frontend_with_ceilings("SQLite"))
        orm = ending.enter_context(environment.process("fastapi_with_orm", str(columns)))
        gateway = ending.enter_context(environment.process("fastapi_before_grpc", frontend.address))
        product = environment.rest_servers.start([frontend.address])
        ending.callback(product.stop)
        through_rest = _Server("library-rest", product.address, [product.pid, frontend.pid])
        direct = _Server("gRPC", frontend.address, [frontend.pid])
        with_orm = _Server("FastAPI, SQLAlchemy", orm.address, [orm.pid])
        before_grpc = _Server("FastAPI before gRPC", gateway.address, [gateway.pid, frontend.pid])
        for read in reads:
            yield _against_grpc(environment, read, through_rest, direct)
            for yardstick in (with_orm, before_grpc):
                mine, other = _in_turns(environment, (through_rest, read.by_http), (yardstick, read.by_http))
                name = f"{read.name} over HTTP"
                yield compared(name, "SQLite", (through_rest.name, mine), (yardstick.name, other), AHEAD)


def _against_grpc(environment: Environment, read: _Read, through_rest: _Server, direct: _Server) -> Result:
    def in_turns_by(processes: int) -> tuple[list[Round], list[Round]]:
        return _in_turns(environment, (through_rest, read.by_http), (direct, read.by_grpc), processes)

    alone, together = in_turns_by(1), in_turns_by(PROCESSES)
    mine, other = together
    result = compared(f"{read.name} over HTTP", "SQLite", (through_rest.name, mine), (direct.name, other))
    remarks = [f"one caller: {_added_latency(*alone)}", f"{PROCESSES} callers: {_added_latency(*together)}"]
    return replace(result, remarks=remarks)


def _added_latency(mine: Sequence[Round], direct: Sequence[Round]) -> str:
    """Return the time that HTTP adds, and the callers' own time, which is a part of it."""
    lines = []
    for name, percent in (("median", 50), ("p99", 99)):
        through, straight = _median(mine, percent), _median(direct, percent)
        added = statistics.median(
            via.latency_micros(percent) - alone.latency_micros(percent) for via, alone in zip(mine, direct, strict=True)
        )
        lines.append(f"{name} {through:,.0f} µs instead of {straight:,.0f}, {added:+,.0f}")
    spent = [statistics.median(each.caller_cpu_micros for each in rounds) for rounds in (mine, direct)]
    return "; ".join(lines) + f"; the caller itself spends {spent[0]:,.0f} µs of it, and {spent[1]:,.0f} with gRPC"


def _median(rounds: Sequence[Round], percent: int) -> float:
    return statistics.median(each.latency_micros(percent) for each in rounds)


def _in_turns(
    environment: Environment,
    product: tuple[_Server, Workload],
    yardstick: tuple[_Server, Workload],
    processes: int = PROCESSES,
) -> tuple[list[Round], list[Round]]:
    def measured(server: _Server, workload: Workload) -> Callable[[], Round]:
        return lambda: environment.callers.round(
            server.address, server.pids, workload, environment.scale.seconds, processes
        )

    return in_turns(measured(*product), measured(*yardstick), environment.scale.pairs)


def _get_book(store: Store, ids: Sequence[str]) -> _Read:
    chosen = random.Random(SEED).choices(ids, k=20_000)
    requests = [GetBookRequest(id=book_id).SerializeToString() for book_id in chosen]
    expected = [_in_json(get_book(store, book_id)) for book_id in chosen[:PROCESSES]]
    paths = [f"/v1/books/{book_id}" for book_id in chosen]
    return _Read(
        "GetBook", GrpcWorkload(f"{CATALOG}/GetBook", requests, Book), HttpWorkload.of("GET a book", paths, expected)
    )


def _list_books(store: Store) -> _Read:
    request = ListBooksRequest(page_size=PAGE_SIZE)
    expected = _in_json(list_books(store, request))
    return _Read(
        f"ListBooks({PAGE_SIZE})",
        GrpcWorkload(f"{CATALOG}/ListBooks", [request.SerializeToString()] * PROCESSES, ListBooksResponse),
        HttpWorkload.of("GET books", [f"/v1/books?page_size={PAGE_SIZE}"] * PROCESSES, [expected] * PROCESSES),
    )


def _in_json(message: Message) -> Any:
    """Return the JSON of google.protobuf, so that library-rest and FastAPI are not compared with themselves."""
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def _books_in_columns(environment: Environment, store: Store) -> Path:
    """Fill the table of FastAPI with an ORM with the frontend's books."""
    from benchmarks import fastapi_with_orm  # noqa: PLC0415 - each worker of the tests imports this module: FastAPI is slow

    file = environment.folder / "columns.db"
    fastapi_with_orm.fill(file, _all_books(store))
    return file


def _all_books(store: Store) -> Iterator[Book]:
    page = ListBooksResponse()
    while not page.books or page.next_page_token:
        request = ListBooksRequest(page_size=1_000, page_token=page.next_page_token, include_unavailable=True)
        page = list_books(store, request)
        yield from page.books
