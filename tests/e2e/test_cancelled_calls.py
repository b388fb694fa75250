"""Calls that clients give up or spoil: no part of a stream is stored as the whole, and nothing is logged as a fault.

Each call has a request id, by which its line is found in the server's log.
"""

from __future__ import annotations

import itertools
import json
import queue
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import grpc
import pytest

from library.admin.v1.catalog_service_pb2 import (
    AddBookRequest,
    GetBookRequest,
    ImportBooksResponse,
    ListBooksRequest,
    RemoveBookRequest,
)
from library.admin.v1.status_service_pb2 import GetStatusRequest
from tests.support.cancelled_calls import NUMBERS, SECONDS, Stream, count, end_of, locked, without_complaints
from tests.support.clients import AdminClient, open_channel, refusal_of
from tests.support.processes import ServerProcess, Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.stores import Engine, FreshDatabases

BATCH = 500


@pytest.fixture(scope="module")
def server(module_servers: Servers, databases: FreshDatabases, engine: Engine) -> ServerProcess:
    return module_servers.start("admin", databases.migrated("admin", engine))


@pytest.fixture
def admin(server: ServerProcess) -> Iterator[AdminClient]:
    with open_channel(server.address) as channel:
        yield AdminClient(channel)


@pytest.fixture(scope="module")
def rest(server: ServerProcess, module_rest_servers: RestServers) -> RestProcess:
    return module_rest_servers.start([server.address])


@pytest.mark.parametrize("rows", [0, 1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 7])
def test_only_full_batches_of_a_cancelled_stream_are_stored(server: ServerProcess, rows: int) -> None:
    """Several times: of one cancelled stream in six, grpcio reports only that it has ended."""
    with without_complaints(server):
        for _ in range(12 if rows < BATCH else 3):
            stream = Stream(server)
            stream.send(rows)
            stream.call.cancel()
            ended = end_of(server, stream.request_id)
            assert (ended["event"], ended["level"]) == ("call cancelled", "info")
            assert ended["method"] == "library.admin.v1.CatalogService/ImportBooks"
            assert count(server, stream.title) in range(0, rows + 1, BATCH)
            stream.close()


def test_a_stream_cancelled_between_batches_keeps_those_before(server: ServerProcess) -> None:
    stream = Stream(server)
    stream.send(BATCH)
    deadline = time.monotonic() + SECONDS
    while count(server, stream.title) < BATCH:
        assert time.monotonic() < deadline
    stream.call.cancel()
    assert end_of(server, stream.request_id)["event"] == "call cancelled"
    assert count(server, stream.title) == BATCH
    stream.close()


def cancel(stream: Stream) -> None:
    stream.call.cancel()


def lose_the_connection(stream: Stream) -> None:
    stream.channel.close()


def wait_for_the_deadline(stream: Stream) -> None:
    assert stream.call.code() is grpc.StatusCode.DEADLINE_EXCEEDED


WAYS: dict[str, Callable[[Stream], None]] = {
    "cancel": cancel,
    "lost connection": lose_the_connection,
    "deadline": wait_for_the_deadline,
}


@pytest.mark.parametrize("way", WAYS)
def test_a_stream_that_breaks_off_is_logged_as_cancelled(server: ServerProcess, way: str) -> None:
    with without_complaints(server):
        for _ in range(6):
            stream = Stream(server, timeout=0.5 if way == "deadline" else SECONDS)
            stream.send(3)
            WAYS[way](stream)
            assert end_of(server, stream.request_id)["event"] == "call cancelled"
            assert count(server, stream.title) == 0
            stream.close()


def test_a_stream_that_is_ended_and_cancelled_is_never_stored_in_part(server: ServerProcess) -> None:
    with without_complaints(server):
        for _ in range(10):
            stream = Stream(server)
            stream.send(7)
            stream.half_close()
            stream.call.cancel()
            is_in = end_of(server, stream.request_id)["event"] != "call cancelled"
            assert count(server, stream.title) == (7 if is_in else 0)
            stream.close()


@pytest.mark.parametrize("rows", [0, 3, BATCH, BATCH + 1])
def test_a_complete_stream_is_answered(server: ServerProcess, rows: int) -> None:
    with without_complaints(server):
        stream = Stream(server)
        stream.send(rows)
        stream.half_close()
        assert len(ImportBooksResponse.FromString(stream.call.result()).outcomes) == rows
        assert end_of(server, stream.request_id)["event"] == "answered"
        assert count(server, stream.title) == rows
        stream.close()


def test_a_message_in_a_stream_that_is_over_4_mb_ends_it(server: ServerProcess) -> None:
    with without_complaints(server):
        for _ in range(6):
            stream = Stream(server)
            stream.send(3)
            stream.send_bytes(b"\0" * (4 * 1024 * 1024 + 1))
            assert stream.call.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert end_of(server, stream.request_id)["event"] == "call cancelled"
            assert count(server, stream.title) == 0
            stream.close()


GARBAGE = [b"\xff", b"\x0a\x05a", b"no protobuf at all"]
NOT_UTF8 = b"\x12\x03\x0a\x01\xff"
"""The second field is a message with a text, or a text."""


@pytest.mark.parametrize("garbage", [*GARBAGE, NOT_UTF8])
def test_bytes_in_a_stream_that_are_not_a_message_are_refused(server: ServerProcess, garbage: bytes) -> None:
    with without_complaints(server):
        stream = Stream(server)
        stream.send(3)
        stream.send_bytes(garbage)
        refusal = refusal_of(stream.call.exception())
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_UNREADABLE")
        assert end_of(server, stream.request_id)["event"] == "refused"
        assert count(server, stream.title) == 0
        stream.close()


@pytest.mark.parametrize("garbage", GARBAGE)
@pytest.mark.parametrize(
    "method",
    [
        "/library.admin.v1.CatalogService/AddBook",
        "/library.admin.v1.CatalogService/GetBook",
        "/library.sync.v1.SyncService/RecordStates",
        "/grpc.health.v1.Health/Check",
        "/grpc.health.v1.Health/Watch",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
    ],
)
def test_bytes_that_are_not_a_message_are_refused(server: ServerProcess, method: str, garbage: bytes) -> None:
    with without_complaints(server), open_channel(server.address) as channel:
        call: Any = channel.stream_stream(method)
        with pytest.raises(grpc.RpcError) as refused:
            list(call(iter([garbage]), timeout=SECONDS))
        refusal = refusal_of(refused.value)
        assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_UNREADABLE")


@pytest.mark.parametrize("way", ["cancel", "lost connection", "deadline"])
@pytest.mark.parametrize("kind", ["right", "refused"])
def test_a_call_that_its_client_abandons_ends_without_complaints(server: ServerProcess, way: str, kind: str) -> None:
    title, request_id = f"Unary{next(NUMBERS)}x", str(uuid.uuid4())
    metadata = (("x-request-id", request_id),)
    with without_complaints(server), open_channel(server.address) as channel:
        client = AdminClient(channel)
        timeout = 0.5 if way == "deadline" else SECONDS
        with locked(server.database_url):
            if kind == "right":
                call = client.catalog.AddBook.future(AddBookRequest(title=title), timeout=timeout, metadata=metadata)
            else:
                request = RemoveBookRequest(id=str(uuid.uuid4()))
                call = client.catalog.RemoveBook.future(request, timeout=timeout, metadata=metadata)
            client.status.GetStatus(GetStatusRequest(), timeout=SECONDS)  # sent later, so the other one has begun
            if way == "cancel":
                call.cancel()
            elif way == "lost connection":
                channel.close()
            else:
                assert call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            server.admin().status.GetStatus(GetStatusRequest(), timeout=SECONDS)  # so the server has seen it
        ended = end_of(server, request_id)
    assert ended["level"] == "info"
    # Nothing is committed for a client that does not wait any more. What is refused may be refused before that is seen.
    assert ended["event"] in (("call cancelled", "refused") if kind == "refused" else ("call cancelled",))
    assert count(server, title) == 0


def test_reflection_that_is_left_open_or_cancelled_logs_nothing(server: ServerProcess) -> None:
    with without_complaints(server):
        for version, way in itertools.product(("v1", "v1alpha"), ("cancel", "close", "deadline")):
            with open_channel(server.address) as channel:
                questions: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
                method: Any = channel.stream_stream(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo")
                answers = method(iter(questions.get, None), timeout=0.5 if way == "deadline" else SECONDS)
                questions.put(b"\x3a\x00")  # list_services: ""
                assert next(answers)
                if way == "cancel":
                    answers.cancel()
                elif way == "close":
                    channel.close()
                with suppress(grpc.RpcError):
                    list(answers)
                questions.put(None)
        server.admin().catalog.ListBooks(ListBooksRequest(), timeout=SECONDS)


# --- over HTTP: library-rest cancels its call of the admin ---


BAD_LINES = {
    "a wrong type": b'{"line": 3, "book": {"title": 7}}',
    "no JSON": b"{",
    "an unknown field": b'{"nothing": 1}',
    "not UTF-8": b"\xff",
    "too large": b'"' + b"x" * (4 * 1024 * 1024 + 1) + b'"',
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_bad_line_of_a_stream_is_logged_as_the_clients_mistake(
    server: ServerProcess, rest: RestProcess, line: str
) -> None:
    with without_complaints(server, rest):
        for _ in range(3):
            title, request_id = f"Lines{next(NUMBERS)}x", str(uuid.uuid4())
            good = json.dumps({"line": 1, "book": {"title": title}}).encode()
            body = b"\n".join([good, good, BAD_LINES[line], good])
            headers = {"Content-Type": "application/x-ndjson", "X-Request-Id": request_id}
            answer = rest.request("POST", "/admin/v1/books:import", body, headers)
            assert answer.status in (400, 413)
            assert end_of(server, request_id)["event"] == "call cancelled"
            assert end_of(rest, request_id)["level"] == "info"
            assert count(server, title) == 0


def http_head(request_id: str, *headers: str) -> bytes:
    lines = ["POST /admin/v1/books:import HTTP/1.1", "Host: localhost", "Content-Type: application/x-ndjson"]
    return "\r\n".join([*lines, f"X-Request-Id: {request_id}", *headers, "", ""]).encode()


@pytest.mark.parametrize("way", ["gone", "timeout"])
def test_an_http_client_that_stops_in_the_middle_of_a_stream(
    server: ServerProcess, rest: RestProcess, way: str
) -> None:
    with without_complaints(server, rest):
        for _ in range(5):
            title, request_id = f"Parts{next(NUMBERS)}x", str(uuid.uuid4())
            good = json.dumps({"line": 1, "book": {"title": title}}).encode() + b"\n"
            host, _, port = rest.address.rpartition(":")
            with socket.create_connection((host, int(port)), timeout=SECONDS) as connection:
                limit = ["Grpc-Timeout: 400m"] if way == "timeout" else []
                connection.sendall(http_head(request_id, "Content-Length: 100000", *limit) + 3 * good)
                if way == "timeout":
                    assert connection.recv(100).startswith(b"HTTP/1.1 504")
                else:
                    server.admin().status.GetStatus(GetStatusRequest(), timeout=SECONDS)
            end = end_of(rest, request_id)
            assert (end["level"], end["status"]) == ("info", 504 if way == "timeout" else 499)
            if any(event.get("request_id") == request_id for event in server.log_events()):
                assert end_of(server, request_id)["event"] == "call cancelled"
            assert count(server, title) == 0


def test_a_short_time_for_a_unary_call_over_http(server: ServerProcess, rest: RestProcess) -> None:
    title, request_id = f"Short{next(NUMBERS)}x", str(uuid.uuid4())
    with without_complaints(server, rest):
        with locked(server.database_url):
            headers = {"Grpc-Timeout": "300m", "X-Request-Id": request_id}
            answer = rest.request("POST", "/admin/v1/books", {"title": title}, headers)
        assert answer.status == 504
        assert end_of(server, request_id)["level"] == "info"
        assert end_of(rest, request_id)["level"] == "info"
    assert rest.request("GET", "/admin/v1/books").status == 200


def test_the_server_goes_on(admin: AdminClient) -> None:
    book = admin.catalog.AddBook(AddBookRequest(title="Emma"), timeout=SECONDS)
    assert admin.catalog.GetBook(GetBookRequest(id=book.id), timeout=SECONDS).title == "Emma"
