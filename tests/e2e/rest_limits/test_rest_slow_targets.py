"""A target that does not answer, and a large import."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from signal import SIGCONT, SIGSTOP
from typing import Any

from tests.support.processes import Servers
from tests.support.rest import Answer, RestProcess, RestServers
from tests.support.rest_limits import (
    NDJSON,
    SOON,
    assert_nothing_went_wrong,
)
from tests.support.stores import FreshDatabases
from tests.sync.agreement import eventually


@contextmanager
def frozen(server: Any) -> Iterator[None]:
    """It keeps its connections, and sends nothing on them."""
    server.send(SIGSTOP)
    try:
        yield
    finally:
        server.send(SIGCONT)


def test_a_frozen_target_does_not_delay_calls_of_others(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    frontend_url = databases.migrated("frontend", "sqlite")
    frontend = servers.start("frontend", frontend_url, ADMIN_TARGET=admin.address)
    rest = rest_servers.start([frontend.address, admin.address], TIMEOUT="1", CONTRACT_INTERVAL="0.5")
    with frozen(admin), ThreadPoolExecutor() as pool:
        waiting = [pool.submit(seconds_of, rest, "/admin/v1/books") for _ in range(5)]
        for _ in range(5):
            seconds, answer = seconds_of(rest, "/v1/books")
            assert answer.status == 200
            assert seconds < 1
            time.sleep(0.2)
        for call in waiting:
            seconds, answer = call.result()
            assert (answer.status, answer.refusal.reason) == (504, "DEADLINE_EXCEEDED")
            assert 1 <= seconds < 1 + SOON
        # Its contract is known.
        assert rest.request("GET", "/healthz").status == 200
    eventually(lambda: rest.request("GET", "/admin/v1/books").status == 200, "it answers again")
    assert_nothing_went_wrong(rest)


def seconds_of(rest: RestProcess, path: str) -> tuple[float, Answer]:
    begin = time.monotonic()
    answer = rest.request("GET", path)
    return time.monotonic() - begin, answer


ROWS = 2_000


def row(number: int) -> Mapping[str, Any]:
    """A row as `library import` would send it."""
    isbn = f"978{number:09d}"
    weighted = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(isbn))
    return {
        "line": number,
        "book": {
            "title": f"Title no. {number} “of” many, — åäö 書",
            "authors": ["A. Author", "B. Author"],
            "isbn": f"{isbn}{-weighted % 10}",
            "publisher": "A Publisher",
            "category": "Fiction",
            "publishedYear": 1990,
            "copies": 2,
        },
    }


def test_books_are_imported_by_the_thousand_and_a_bad_line_is_named(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    rest = rest_servers.start([admin.address])
    lines = [json.dumps(row(number)) for number in range(1, ROWS + 1)]
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert answer.status == 200, answer.body[:1000]
    outcomes = answer.json()["outcomes"]
    assert [outcome["line"] for outcome in outcomes] == list(range(1, ROWS + 1))
    assert {outcome["result"] for outcome in outcomes} == {"IMPORT_RESULT_ADDED"}
    listed = rest.request("GET", "/admin/v1/books?page_size=1000&query=1500").json()["books"]
    assert [book["title"] for book in listed] == [row(1500)["book"]["title"]]
    lines[1_499] = '{"book": {"title": "No end"'
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert (answer.status, answer.refusal.reason) == (400, "BODY_INVALID")
    assert "line 1500" in str(answer.refusal.message)
    lines[1_499] = '{"book": {"title": "No end", "pages": "many"}}'
    answer = rest.request("POST", "/admin/v1/books:import", "\n".join(lines), NDJSON)
    assert answer.status == 400
    assert list(answer.refusal.fields) == ["line 1500: book.pages"]
    assert_nothing_went_wrong(rest)
