"""A target that answers before its stream has ended: the client gets that answer, even if it has more to send."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import pytest

from rest_server.errors import HTTP_STATUS
from tests.support.processes import Servers
from tests.support.rest import Answer, RestProcess, RestServers, refusal_in
from tests.support.rest_limits import IN_CHUNKS, NDJSON, Connection, chunk
from tests.support.stores import FreshDatabases
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.process import ServerInAProcess
from tests.support.transcoding.server import TranscodedServer
from tests.sync.agreement import eventually

GATHER = Rule('post: "/v1/early" body: "*"', takes="stream Everything", returns="Everything", method="Gather")
TALK = Rule('post: "/v1/early:talk" body: "*"', takes="stream Everything", method="Talk")
UPLOAD = Rule(
    'post: "/v1/early:raw" body: "*"', takes="stream google.api.HttpBody", returns="Everything", method="Upload"
)
ECHO = Rule('get: "/v1/echo/{text}"', method="Echo")
RULES = [GATHER, TALK, UPLOAD, ECHO]

LINES = 4_000
"""Many more than are read before the target's answer comes."""

CODES = [
    grpc.StatusCode.OK,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNAUTHENTICATED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.ABORTED,
]


def early(contract: Contract) -> Callable[[Iterator[Any], grpc.ServicerContext], Iterator[Any]]:
    """Make a method that ends its call at the message whose name is the status, with what is behind it unread."""

    def behaviour(requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        for request in requests:
            is_raw = request.DESCRIPTOR.name == "HttpBody"
            name = request.content_type.removeprefix("text/") if is_raw else request.name
            if name == "OK":
                yield contract.message_type("Everything")(text="enough")
                return
            if name in grpc.StatusCode.__members__:
                context.abort(grpc.StatusCode[name], "this is the answer")

    return behaviour


@pytest.fixture(scope="module")
def server() -> Iterator[TranscodedServer]:
    contract = Contract(RULES)
    ending = early(contract)
    started = TranscodedServer(contract, behaviours={"Gather": ending, "Talk": ending, "Upload": ending})
    yield started
    started.stop()


@pytest.fixture(scope="module")
def rest(module_rest_servers: RestServers, server: TranscodedServer) -> RestProcess:
    return module_rest_servers.start([server.address])


def body_that_ends_at(line: int, code: grpc.StatusCode) -> bytes:
    lines = [b'{"text": "%s"}' % (b"x" * 100)] * LINES
    lines[line] = json.dumps({"name": code.name}).encode()
    return b"\n".join(lines)


def check(answer: Answer, code: grpc.StatusCode) -> None:
    if code is grpc.StatusCode.OK:
        assert (answer.status, answer.lines()[0]["text"]) == (200, "enough"), answer.body
        return
    assert answer.status == HTTP_STATUS[code], answer.body
    refusal = refusal_in(answer.lines()[0])
    assert refusal.code is code
    assert "this is the answer" in refusal.message


@pytest.mark.parametrize("line", [0, 1, 1_000], ids="at line {}".format)
@pytest.mark.parametrize("path", ["/v1/early", "/v1/early:talk"])
@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_an_answer_before_the_end_of_the_body_is_the_answer(
    rest: RestProcess, code: grpc.StatusCode, path: str, line: int
) -> None:
    body = body_that_ends_at(line, code)
    for _ in range(2):  # which of the two comes first, the answer or the failure to send on, is a matter of chance
        check(rest.request("POST", path, body, NDJSON), code)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_an_answer_before_the_end_of_raw_content_is_the_answer(rest: RestProcess, code: grpc.StatusCode) -> None:
    answer = rest.request("POST", "/v1/early:raw", b"x" * 5_000_000, {"Content-Type": f"text/{code.name}"})
    check(answer, code)


@pytest.mark.parametrize("code", CODES, ids=lambda code: code.name)
def test_an_answer_comes_although_the_client_goes_on_sending(rest: RestProcess, code: grpc.StatusCode) -> None:
    """And the connection can be used again once the rest of the body is there."""
    with Connection(rest) as connection:
        first = json.dumps({"name": code.name}).encode() + b"\n"
        connection.socket.sendall(IN_CHUNKS % b"early" + chunk(first))
        check(connection.answer(), code)
        connection.socket.sendall(chunk(b'{"text": "a"}\n' * 10_000) * 10 + b"0\r\n\r\n")
        connection.send("GET /v1/echo/a HTTP/1.1")
        assert connection.answer().json()["text"] == "a"


def test_a_body_that_goes_on_for_too_long_after_its_answer_loses_its_connection(
    rest_servers: RestServers, server: TranscodedServer
) -> None:
    rest = rest_servers.start([server.address], STREAM_BYTES="3000000", TIMEOUT="1000")
    with Connection(rest) as connection:
        connection.socket.sendall(IN_CHUNKS % b"early" + chunk(b'{"name": "ABORTED"}\n'))
        check(connection.answer(), grpc.StatusCode.ABORTED)
        more = chunk(b'{"text": "a"}\n' * 20_000)
        sent = 0

        def send_more() -> bytes:
            nonlocal sent
            sent += len(more)
            return more

        connection.seconds_until_closed(send_more)
        # What the system takes ahead of the server counts here, too.
        assert 3_000_000 <= sent < 40_000_000


def test_a_bad_line_after_an_answer_changes_nothing(rest: RestProcess) -> None:
    body = b'{"name": "RESOURCE_EXHAUSTED"}\n' + b'{"text": "a"}\n' * LINES + b"no JSON\n"
    for _ in range(5):
        answer = rest.request("POST", "/v1/early", body, NDJSON)
        # Which of the two was first is a matter of chance; anything else is wrong.
        assert (answer.status, answer.refusal.reason) in [(429, ""), (400, "BODY_INVALID")], answer.body


def test_a_target_that_dies_in_the_middle_of_a_stream_is_unavailable(rest_servers: RestServers) -> None:
    target = ServerInAProcess([GATHER])
    rest = rest_servers.start([target.address])
    with ThreadPoolExecutor(1) as calling, Connection(rest) as connection:
        connection.socket.sendall(IN_CHUNKS % b"early" + chunk(b'{"text": "a"}\n'))
        # The stream is on its way when another call has gone there and back.
        assert rest.request("GET", "/v1/echo/a").status == 200
        sending = calling.submit(lambda: connection.socket.sendall(chunk(b'{"text": "a"}\n' * 50) * 1_000))
        target.kill()
        died = connection.answer()
        sending.result(100)
    assert (died.status, died.refusal.code, died.refusal.reason) == (
        503,
        grpc.StatusCode.UNAVAILABLE,
        "TARGET_UNAVAILABLE",
    )


def test_none_of_these_is_logged_as_a_fault(rest: RestProcess) -> None:
    assert [event for event in rest.log_events() if event["level"] in ("error", "critical")] == []


# --- the library's own import ---


def row(number: int, title: str = "A Title") -> Mapping[str, Any]:
    return {"line": number, "book": {"title": title, "copies": 1}}


@pytest.mark.slow
def test_an_import_of_too_many_lines_is_refused_as_over_grpc(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases
) -> None:
    admin = servers.start("admin", databases.migrated("admin", "sqlite"))
    rest = rest_servers.start([admin.address], TIMEOUT="100")
    # A trial run, which is as long and writes nothing.
    lines = "\n".join(json.dumps({**row(number), "validateOnly": True}) for number in range(1, 100_001))
    answer = rest.request("POST", "/admin/v1/books:import", lines, NDJSON)
    assert (answer.status, answer.refusal.reason) == (429, "IMPORT_TOO_LONG"), answer.body[:1000]
    assert answer.refusal.metadata == {"row_limit": "20000"}
    # The target goes away in the middle of another one.
    with Connection(rest) as connection:
        begin = b"POST /admin/v1/books:import HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        line = json.dumps(row(1)).encode() + b"\n"
        connection.socket.sendall(begin + chunk(line * 600))
        eventually(lambda: rest.request("GET", "/admin/v1/books").json()["books"] != [], "the first rows are in")
        admin.kill()
        died = connection.answer()
    assert (died.status, died.refusal.reason) == (503, "TARGET_UNAVAILABLE")
