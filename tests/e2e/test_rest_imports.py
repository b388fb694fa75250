"""Uploads, operations and pictures over HTTP, by the contract of the admin, before a server of the tests."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import grpc
import pytest
from google.api.httpbody_pb2 import HttpBody
from google.longrunning.operations_pb2 import CancelOperationRequest, WaitOperationRequest
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import ErrorInfo
from google.rpc.status_pb2 import Status

from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_MARC,
    ImportConfig,
    ImportProgress,
    ImportState,
    ImportSummary,
)
from tests.support.import_target import ImportTarget, operation
from tests.support.processes import Servers
from tests.support.rest import RestProcess, RestServers
from tests.support.rest_limits import Connection, assert_nothing_went_wrong, chunk
from tests.support.stores import FreshDatabases
from tests.sync.agreement import eventually

UPLOAD = "/admin/v1/imports:upload"
BYTES = bytes(range(256))
CONFIG = "config.format=IMPORT_FORMAT_MARC&config.source=branch%20library.mrc&config.matchTitle=true"
BOOK = "0193b8a2-5c00-7a1e-9c4d-1f2e3d4c5b6a"
PNG = b"\x89PNG\r\n\x1a\n" + BYTES * 20


@pytest.fixture(scope="module")
def started() -> Iterator[ImportTarget]:
    target = ImportTarget()
    yield target
    target.stop()


@pytest.fixture
def target(started: ImportTarget) -> ImportTarget:
    """The server, with nothing seen yet."""
    started.part_came.clear()
    started.is_for_early_answers = False
    for seen in (started.uploads, started.ended, started.asked, started.operations, started.pictures):
        seen.clear()
    return started


@pytest.fixture(scope="module")
def rest_of_all(module_rest_servers: RestServers, started: ImportTarget) -> RestProcess:
    return module_rest_servers.start([started.address], STREAM_BYTES="3000000")


@pytest.fixture
def rest(rest_of_all: RestProcess, target: ImportTarget) -> Iterator[RestProcess]:
    yield rest_of_all
    assert_nothing_went_wrong(rest_of_all)


# --- uploads ---


def content_of(target: ImportTarget) -> bytes:
    (seen,) = target.uploads
    return b"".join(request.file.data for request in seen)


def test_a_file_is_uploaded_in_parts_and_the_query_configures_the_import(
    rest: RestProcess, target: ImportTarget
) -> None:
    answer = rest.request("POST", f"{UPLOAD}?{CONFIG}", BYTES * 8_000, {"Content-Type": "application/marc"})
    assert answer.status == 200, answer.body
    assert answer.json()["name"] == "operations/started"
    assert answer.json()["metadata"] == {
        "@type": "type.googleapis.com/library.admin.v1.ImportProgress",
        "importId": "started",
        "source": "branch library.mrc",
        "state": "IMPORT_STATE_UNSPECIFIED",
        "format": "IMPORT_FORMAT_UNSPECIFIED",
        "validateOnly": False,
        "totalBytes": "2048000",
        "doneBytes": "0",
        "problem": "",
    }
    assert content_of(target) == BYTES * 8_000
    (seen,) = target.uploads
    first, *others = seen
    assert len(others) > 2
    assert first.config == ImportConfig(format=IMPORT_FORMAT_MARC, source="branch library.mrc", match_title=True)
    assert first.file.content_type == "application/marc"
    assert not any(request.HasField("config") or request.file.content_type for request in others)


@pytest.mark.parametrize("content_type", ["application/octet-stream", "text/plain; charset=latin-1", ""])
def test_any_type_is_taken_and_passed_on(rest: RestProcess, target: ImportTarget, content_type: str) -> None:
    answer = rest.request("POST", UPLOAD, b"{no JSON", {"Content-Type": content_type})
    assert answer.status == 200, answer.body
    assert [request.file for request in target.uploads[0]] == [HttpBody(content_type=content_type, data=b"{no JSON")]


def test_an_upload_in_chunks_has_no_announced_size(rest: RestProcess, target: ImportTarget) -> None:
    with Connection(rest) as connection:
        connection.send(f"POST {UPLOAD}?{CONFIG} HTTP/1.1", "Transfer-Encoding: chunked")
        for part in (b"a", BYTES * 1_000, b"z"):
            connection.socket.sendall(chunk(part))
        connection.socket.sendall(chunk(b""))
        assert connection.answer().status == 200
    assert content_of(target) == b"a" + BYTES * 1_000 + b"z"


@pytest.mark.parametrize("lines", [("Content-Length: 0",), (), ("Transfer-Encoding: chunked",)], ids=str)
def test_an_empty_body_is_one_message_with_the_config(
    rest: RestProcess, target: ImportTarget, lines: tuple[str, ...]
) -> None:
    with Connection(rest) as connection:
        end = chunk(b"") if lines and "chunked" in lines[0] else b""
        connection.send(f"POST {UPLOAD}?config.source=a HTTP/1.1", *lines, body=end)
        assert connection.answer().status == 200
    assert [(request.config.source, request.file.data) for request in target.uploads[0]] == [("a", b"")]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("config.format=MARC", {"config.format"}),
        ("config.nothing=1", {"config.nothing"}),
        ("config=1", {"config"}),
        ("file.data=YQ==", {"file.data"}),
        ("config.matchTitle=maybe&config.format=9999999999", {"config.matchTitle", "config.format"}),
    ],
)
def test_a_wrong_query_is_refused_by_its_names(
    rest: RestProcess, target: ImportTarget, query: str, fields: set[str]
) -> None:
    answer = rest.request("POST", f"{UPLOAD}?{query}", BYTES * 4_000, {"Content-Type": "application/marc"})
    assert (answer.status, set(answer.refusal.fields)) == (400, fields), answer.body
    assert not any(target.uploads)


def test_a_name_of_an_enum_is_not_cut(rest: RestProcess) -> None:
    answer = rest.request("POST", f"{UPLOAD}?config.format=MARC", b"a")
    names = "IMPORT_FORMAT_UNSPECIFIED, IMPORT_FORMAT_MARC, IMPORT_FORMAT_MARC_XML, IMPORT_FORMAT_MARC_JSON, "
    assert answer.refusal.fields == {"config.format": f"must be one of {names}IMPORT_FORMAT_JSON_LINES"}


@pytest.mark.parametrize("announces", [True, False])
def test_a_file_over_the_limit_is_refused(rest: RestProcess, target: ImportTarget, announces: bool) -> None:
    with Connection(rest) as connection:
        if announces:
            connection.send(f"POST {UPLOAD} HTTP/1.1", "Content-Length: 3000001", "Expect: 100-continue")
        else:
            connection.send(f"POST {UPLOAD} HTTP/1.1", "Transfer-Encoding: chunked")
            for _ in range(31):
                connection.socket.sendall(chunk(b"x" * 100_000))
        answer = connection.answer()
    assert (answer.status, answer.refusal.reason) == (413, "BODY_TOO_LARGE")
    # The call is cancelled before it begins if the size was announced.
    eventually(lambda: len(target.ended) == len(target.uploads), "the target knows that the file is not complete")
    assert "complete" not in target.ended


def test_an_encoded_file_is_refused_as_the_target_would_not_know(rest: RestProcess) -> None:
    answer = rest.request("POST", UPLOAD, BYTES, {"Content-Encoding": "gzip"})
    assert (answer.status, answer.refusal.reason) == (415, "ENCODING_UNSUPPORTED")


def test_an_early_refusal_is_answered_while_the_client_still_sends(rest: RestProcess, target: ImportTarget) -> None:
    target.is_for_early_answers = True
    with Connection(rest) as connection:
        connection.send(f"POST {UPLOAD} HTTP/1.1", "Transfer-Encoding: chunked", body=chunk(BYTES))
        assert target.part_came.wait(100)
        connection.socket.sendall(chunk(BYTES))
        answer = connection.answer()
        assert (answer.status, answer.refusal.message) == (429, "too large")
        connection.socket.sendall(chunk(BYTES) * 100 + chunk(b""))
        connection.send("GET /v1/operations HTTP/1.1")
        assert connection.answer().json() == {"operations": [], "nextPageToken": "", "unreachable": []}


def test_a_client_that_disconnects_cancels_its_upload(rest: RestProcess, target: ImportTarget) -> None:
    connection = Connection(rest)
    connection.send(f"POST {UPLOAD} HTTP/1.1", "Content-Length: 1000000", body=BYTES)
    assert target.part_came.wait(100)
    connection.reset()
    eventually(lambda: target.ended == ["cancelled"], "the target knows that the file is not complete")


def test_a_key_for_retries_goes_into_the_config(rest: RestProcess, target: ImportTarget) -> None:
    refused = rest.request("POST", UPLOAD, BYTES, {"Idempotency-Key": BOOK})
    assert refused.refusal.reason == "IDEMPOTENCY_KEY_UNUSABLE"
    assert rest.request("POST", f"{UPLOAD}?config.requestId={BOOK}", BYTES).status == 200
    assert target.uploads[0][0].config.request_id == BOOK


def test_curl_uploads_a_file(rest: RestProcess, target: ImportTarget, tmp_path: Path) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    file = tmp_path / "branch.mrc"
    file.write_bytes(BYTES * 8_000)  # over a megabyte, so curl waits for 100 Continue
    sent = [curl, "-sS", "--data-binary", f"@{file}", "-H", "Content-Type: application/marc", f"{rest.url}{UPLOAD}"]
    done = subprocess.run(sent, capture_output=True, timeout=100, check=True)
    assert json.loads(done.stdout)["name"] == "operations/started"
    assert content_of(target) == BYTES * 8_000


def test_a_file_can_be_sent_in_lines_of_json(rest: RestProcess, target: ImportTarget) -> None:
    lines = '{"config": {"source": "a"}, "chunk": "YWI="}\n{"chunk": "Yw=="}\n'
    answer = rest.request("POST", "/admin/v1/imports:start", lines, {"Content-Type": "application/x-ndjson"})
    assert answer.status == 200, answer.body
    assert [request.chunk for request in target.uploads[0]] == [b"ab", b"c"]


# --- operations ---


def test_an_operation_is_read_with_its_progress_and_its_response(rest: RestProcess, target: ImportTarget) -> None:
    progress = ImportProgress(import_id="a", state=ImportState.IMPORT_STATE_SUCCEEDED, done_bytes=2**40)
    target.operations["operations/a"] = operation("a", progress, ImportSummary(record_count=3))
    answer = rest.request("GET", "/v1/operations/a")
    assert answer.status == 200, answer.body
    read = answer.json()
    assert (read["name"], read["done"], "error" in read) == ("operations/a", True, False)
    assert read["metadata"]["@type"] == "type.googleapis.com/library.admin.v1.ImportProgress"
    assert (read["metadata"]["state"], read["metadata"]["doneBytes"]) == ("IMPORT_STATE_SUCCEEDED", str(2**40))
    assert read["response"]["@type"] == "type.googleapis.com/library.admin.v1.ImportSummary"
    assert (read["response"]["recordCount"], read["response"]["addedCount"]) == ("3", "0")
    assert rest.request("GET", "/v1/operations").json()["operations"] == [read]


def packed(message: Any) -> Packed:
    made = Packed()
    made.Pack(message)
    return made


UNKNOWN = Packed(type_url="type.googleapis.com/nowhere.v1.Part", value=b"\x0a\x01a")
GARBLED = Packed(type_url="type.googleapis.com/library.admin.v1.ImportSummary", value=b"\xff")
DETAILS = [
    pytest.param(
        packed(ErrorInfo(reason="FILE_UNREADABLE", domain="library")),
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "FILE_UNREADABLE",
            "domain": "library",
            "metadata": {},
        },
        id="an error of google.rpc",
    ),
    pytest.param(packed(Duration(seconds=3)), {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "3s"}),
    pytest.param(
        UNKNOWN, {"@type": "type.googleapis.com/nowhere.v1.Part", "value": "CgFh"}, id="a type that is unknown"
    ),
    pytest.param(
        GARBLED,
        {"@type": "type.googleapis.com/library.admin.v1.ImportSummary", "value": "/w=="},
        id="bytes that are not of its type",
    ),
    pytest.param(
        packed(UNKNOWN),
        {
            "@type": "type.googleapis.com/google.protobuf.Any",
            "value": {"@type": "type.googleapis.com/nowhere.v1.Part", "value": "CgFh"},
        },
        id="an unknown type in another one",
    ),
    pytest.param(
        packed(Status(code=3, details=[UNKNOWN])),
        {
            "@type": "type.googleapis.com/google.rpc.Status",
            "code": 3,
            "message": "",
            "details": [{"@type": "type.googleapis.com/nowhere.v1.Part", "value": "CgFh"}],
        },
        id="an unknown type in a message",
    ),
]


@pytest.mark.parametrize(("detail", "written"), DETAILS)
def test_details_of_every_type_are_written(
    rest: RestProcess, target: ImportTarget, detail: Packed, written: object
) -> None:
    failed = operation("a", ImportProgress(import_id="a"))
    failed.error.CopyFrom(Status(code=9, message="no", details=[detail, packed(ImportSummary())]))
    target.operations["operations/a"] = failed
    answer = rest.request("GET", "/v1/operations/a")
    assert answer.status == 200, answer.body
    assert answer.json()["metadata"]["importId"] == "a"
    details = answer.json()["error"]["details"]
    assert details[0] == written
    assert details[1]["@type"] == "type.googleapis.com/library.admin.v1.ImportSummary"


def test_metadata_of_an_unknown_type_does_not_hide_the_operation(rest: RestProcess, target: ImportTarget) -> None:
    made = operation("a", ImportProgress())
    made.metadata.CopyFrom(UNKNOWN)
    target.operations["operations/a"] = made
    read = rest.request("GET", "/v1/operations").json()["operations"][0]
    assert read["metadata"] == {"@type": "type.googleapis.com/nowhere.v1.Part", "value": "CgFh"}


def test_any_in_any_without_end_is_answered(rest: RestProcess, target: ImportTarget) -> None:
    nested = UNKNOWN
    for _ in range(2_000):
        nested = packed(nested)
    made = operation("a", ImportProgress())
    made.metadata.CopyFrom(nested)
    target.operations["operations/a"] = made
    assert rest.request("GET", "/v1/operations/a").status == 200


def test_an_operation_is_cancelled_and_deleted_by_its_name(rest: RestProcess, target: ImportTarget) -> None:
    target.operations["operations/a"] = operation("a", ImportProgress())
    assert rest.request("POST", "/v1/operations/a:cancel").json() == {}
    assert target.asked == [CancelOperationRequest(name="operations/a")]
    assert rest.request("DELETE", "/v1/operations/a").json() == {}
    assert rest.request("GET", "/v1/operations/a").status == 404


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("DELETE", "/v1/operations", "operations"),
        ("POST", "/v1/operations:cancel", "operations"),
        ("GET", "/v1/operations/a/b", "operations/a/b"),
        ("GET", "/v1/operations/a%2Fb", "operations/a%2Fb"),
        ("GET", "/v1/operations/a%20b", "operations/a b"),
        ("GET", "/v1/operations/a:b", "operations/a:b"),
    ],
)
def test_a_name_is_all_segments_and_an_unknown_one_is_not_found(
    rest: RestProcess, target: ImportTarget, verb: str, path: str, name: str
) -> None:
    """By the grammar `**` is any number of segments, also none, so the target decides what `operations` names."""
    answer = rest.request(verb, path)
    assert (answer.status, answer.refusal.code) == (404, grpc.StatusCode.NOT_FOUND)
    assert [request.name for request in target.asked] == [name]


def test_an_operation_is_waited_for_at_the_path_of_its_method(rest: RestProcess, target: ImportTarget) -> None:
    target.operations["operations/a"] = operation("a", ImportProgress())
    path = "/google.longrunning.Operations/WaitOperation"
    answer = rest.request("POST", path, {"name": "operations/a", "timeout": "2.5s"})
    assert answer.json()["name"] == "operations/a"
    timeout = Duration(seconds=2, nanos=500_000_000)
    assert target.asked == [WaitOperationRequest(name="operations/a", timeout=timeout)]


# --- pictures ---


def test_a_picture_is_answered_as_it_is_with_a_tag(rest: RestProcess, target: ImportTarget) -> None:
    target.pictures[BOOK] = HttpBody(content_type="image/png", data=PNG)
    path = f"/admin/v1/books/{BOOK}/cover"
    answer = rest.request("GET", path, headers={"Accept-Encoding": "gzip"})
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "image/png", PNG)
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    tag = answer.headers["ETag"]
    again = rest.request("GET", path, headers={"If-None-Match": tag})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    target.pictures[BOOK].data += b"more"
    assert rest.request("GET", path, headers={"If-None-Match": tag}).status == 200


def test_the_head_of_a_picture_has_its_size(rest: RestProcess, target: ImportTarget) -> None:
    target.pictures[BOOK] = HttpBody(content_type="image/png", data=PNG)
    answer = rest.request("HEAD", f"/admin/v1/books/{BOOK}/cover")
    assert (answer.status, answer.body) == (200, b"")
    assert (answer.headers["Content-Type"], answer.headers["Content-Length"]) == ("image/png", str(len(PNG)))


def test_a_picture_with_a_script_is_shown_without_it(rest: RestProcess, target: ImportTarget) -> None:
    svg = b'<svg xmlns="http://www.w3.org/2000/svg"><script>fetch("/v1/users")</script></svg>'
    target.pictures[BOOK] = HttpBody(content_type="image/svg+xml", data=svg)
    answer = rest.request("GET", f"/admin/v1/books/{BOOK}/cover")
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'; ")
    assert answer.headers["Content-Security-Policy"].endswith("; sandbox")


def test_a_picture_that_is_not_there_is_not_found(rest: RestProcess) -> None:
    answer = rest.request("GET", f"/admin/v1/books/{BOOK}/cover")
    assert (answer.status, answer.headers.get_content_type()) == (404, "application/json")


# --- the admin itself ---


def test_the_admin_imports_a_file_by_curl_and_has_no_operation_without_an_id(
    servers: Servers, rest_servers: RestServers, databases: FreshDatabases, tmp_path: Path
) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    rest = rest_servers.start([servers.start("admin", databases.migrated("admin", "sqlite")).address])
    file = tmp_path / "books.jsonl"
    file.write_text('{"title": "Emma"}\n{"title": ""}\n')
    key = {"config.source": "books.jsonl", "config.requestId": BOOK}
    sent = [curl, "-sS", "--data-binary", f"@{file}", f"{rest.url}{UPLOAD}?{urlencode(key)}"]
    first, again = (
        json.loads(subprocess.run(sent, capture_output=True, timeout=100, check=True).stdout) for _ in range(2)
    )
    assert first["name"] == again["name"], "sent again with its request id"
    wait = {"name": first["name"], "timeout": "20s"}
    path = "/google.longrunning.Operations/WaitOperation"
    eventually(lambda: rest.request("POST", path, wait).json()["done"], "the import ends")
    ended = rest.request("GET", f"/v1/{first['name']}").json()
    assert (ended["response"]["addedCount"], ended["response"]["refusedCount"]) == ("1", "1")
    identity = first["name"].removeprefix("operations/")
    (problem,) = rest.request("GET", f"/admin/v1/imports/{identity}/problems").json()["problems"]
    assert (problem["record"], problem["field"]) == ("2", "title")
    for verb, unknown in (("DELETE", ""), ("POST", ":cancel"), ("GET", "/"), ("GET", f"/{BOOK}")):
        answer = rest.request(verb, f"/v1/operations{unknown}")
        assert (answer.status, answer.refusal.reason) == (404, "OPERATION_NOT_FOUND"), unknown
