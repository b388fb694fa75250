"""Streams and calls that a test cancels, and what their server logs of them."""

from __future__ import annotations

import itertools
import json
import queue
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, ListBooksRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from service_kit.store import open_store
from tests.support.clients import AdminClient, open_channel
from tests.support.processes import ServerProcess, ServingProcess

SECONDS = 100.0
IMPORT = "/library.admin.v1.CatalogService/ImportBooks"
NUMBERS = itertools.count(1)

ENDED = ("call cancelled", "refused", "answered", "done, but the call was cancelled", "internal error")
"""The events that the log has for the end of a call."""


def row(title: str) -> ImportBooksRequest:
    return ImportBooksRequest(line=1, book=AddBookRequest(title=title))


def count(server: ServerProcess, title: str) -> int:
    """How many books have this word in the title."""
    found, token = 0, ""
    while True:
        request = ListBooksRequest(query=title, page_size=1_000, page_token=token)
        page = server.admin().catalog.ListBooks(request, timeout=SECONDS)
        found, token = found + len(page.books), page.next_page_token
        if not token:
            return found


def end_of(server: ServingProcess, request_id: str) -> dict[str, Any]:
    """Wait until the server has logged the end of a call; return that line."""
    deadline = time.monotonic() + SECONDS
    while True:
        for event in server.log_events():
            if event.get("request_id") == request_id and event["event"] in ENDED:
                return event
        assert time.monotonic() < deadline, f"no end of {request_id} in the log: {server.log_tail()}"
        time.sleep(0.02)


@contextmanager
def without_complaints(*servers: ServingProcess) -> Iterator[None]:
    """See that nothing goes into the logs but events, at info at most."""
    sizes = [server.log.stat().st_size for server in servers]
    yield
    for server, size in zip(servers, sizes, strict=True):
        written = server.log.read_bytes()[size:].decode()
        for line in written.splitlines():
            assert line.startswith("{"), written
            assert json.loads(line)["level"] in ("debug", "info"), line
            assert "Traceback" not in line


class Stream:
    """An import whose rows are sent one by one, with a request id for the log."""

    def __init__(self, server: ServerProcess, timeout: float = SECONDS) -> None:
        self.request_id = str(uuid.uuid4())
        self.title = f"Stream{next(NUMBERS)}x"
        self.channel = open_channel(server.address)
        self.admin = AdminClient(self.channel)
        # Before there is a connection, gRPC queues calls and sends them in any order. The server must not see the call
        # of `send` before the stream: a stream that ends before the server has accepted it leaves no line in its log.
        self.admin.status.GetStatus(GetStatusRequest(), timeout=SECONDS)
        self._rows: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        call: Any = self.channel.stream_unary(IMPORT)
        metadata = (("x-request-id", self.request_id),)
        self.call = call.future(iter(self._rows.get, None), timeout=timeout, metadata=metadata)

    def send(self, rows: int) -> None:
        """Send rows, and wait until the server has got them or most of them."""
        for _ in range(rows):
            self.send_bytes(row(self.title).SerializeToString())
        # Sent later on the same connection: when it is answered, the import has begun.
        self.admin.status.GetStatus(GetStatusRequest(), timeout=SECONDS)

    def send_bytes(self, message: bytes) -> None:
        self._rows.put(message)

    def half_close(self) -> None:
        self._rows.put(None)

    def close(self) -> None:
        self._rows.put(None)
        self.channel.close()


@contextmanager
def locked(url: str) -> Iterator[None]:
    """Let nobody write to an admin's store."""
    store = open_store(url)
    try:
        with store.writing():
            store.database.execute_sql("UPDATE counter SET revision = revision")
            if store.is_postgresql:
                store.database.execute_sql("LOCK TABLE book IN EXCLUSIVE MODE")  # reading goes on
            yield
    finally:
        store.close()
