"""`library_client`: what it sends again, what it raises, and that it goes with the contract and its stubs."""

from __future__ import annotations

import pickle
import re
import socket
import tomllib
import uuid
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Unpack

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RequestInfo, RetryInfo
from grpc_status import rpc_status

import library_client
import library_client.aio
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, ImportBooksResponse
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest, ListBooksResponse
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.v1.error_reason_pb2 import ErrorReason
from library.v1.loan_pb2 import Loan
from library_client import LibraryError, Options, errors, retries
from library_client.retries import Attempts
from library_client.settings import Limits
from tests.support.changing_methods import CHANGING_METHODS, WITHOUT_REQUEST_ID
from tests.support.client_kinds import KINDS, Kind
from tests.support.scripted_servers import ScriptedServer, hang, refuse, refuse_with, scripted_server
from tests.unit.test_http_paths import METHODS, rules, verb

CLIENT = Path(__file__).parents[2] / "library-client"
BORROW = "lending.BorrowBook"
BORROWING = BorrowBookRequest(book_id=str(uuid.UUID(int=1)), user_id=str(uuid.UUID(int=2)), days=7)

every_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: type(kind).__name__)


@pytest.fixture(scope="module")
def running() -> Iterator[ScriptedServer]:
    with scripted_server() as server:
        yield server


@pytest.fixture
def server(running: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> ScriptedServer:
    """A server with an empty script; clients do not pause for long before they call it again."""
    monkeypatch.setattr(retries, "FIRST_PAUSE", 0.01)
    running.script, running.received, running.tokens = [], [], []
    return running


def info(reason: str, domain: str = "lending-library", **metadata: str) -> ErrorInfo:
    return ErrorInfo(reason=reason, domain=domain, metadata=metadata)


UNAVAILABLE = refuse(grpc.StatusCode.UNAVAILABLE, info("STORE_UNAVAILABLE"))
BUSY = refuse(
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    info("SERVER_BUSY", limit="calls"),
    RetryInfo(retry_delay=Duration(nanos=20_000_000)),
)
NO_COPY = refuse(
    grpc.StatusCode.FAILED_PRECONDITION,
    info("NO_COPY_AVAILABLE", next_available_time="2026-12-06T00:00:00Z"),
    info("LOAN_LIMIT_REACHED", loan_limit="5"),  # a further reason for which the call is refused
    RequestInfo(request_id="in-the-log"),
    message="Every copy is on loan.",
)


def lent(context: grpc.ServicerContext) -> Loan:
    return Loan(id="lent")


def failure(
    kind: Kind,
    address: str,
    method: str = BORROW,
    request: object = BORROWING,
    call_timeout: float | None = None,
    **options: Unpack[Options],
) -> LibraryError:
    with pytest.raises(LibraryError) as raised:
        kind.call(address, method, request, call_timeout, **options)
    return raised.value


@every_kind
def test_a_change_is_sent_again_under_one_request_id(kind: Kind, server: ScriptedServer) -> None:
    for _ in range(2):
        server.script += [UNAVAILABLE, BUSY, UNAVAILABLE, lent]
        assert kind.call(server.address, BORROW, BORROWING).id == "lent"
    assert not BORROWING.request_id, "the caller's message stays as it is"
    ids = [BorrowBookRequest.FromString(request).request_id for request in server.received]
    assert [uuid.UUID(each).version for each in ids] == [4] * 8
    assert [len(set(ids[:4])), len(set(ids[4:])), len(set(ids))] == [1, 1, 2], "another call is another request"
    server.script.append(lent)
    kind.call(server.address, BORROW, BorrowBookRequest(request_id="mine"))
    assert BorrowBookRequest.FromString(server.received[-1]).request_id == "mine"


@every_kind
def test_what_reads_is_sent_again_and_a_change_without_request_id_is_not(kind: Kind, server: ScriptedServer) -> None:
    server.script += [UNAVAILABLE, lambda context: ListBooksResponse(next_page_token="more")]
    assert kind.call(server.address, "catalog.ListBooks", ListBooksRequest()).next_page_token == "more"
    server.script += [UNAVAILABLE]
    error = failure(kind, server.address, "sync.SyncNow", SyncNowRequest())
    assert (type(error), error.request_id, error.is_outcome_unknown) == (errors.StoreUnavailable, "", True)
    assert len(server.received) == 3


@every_kind
def test_a_refusal_is_raised_by_its_reason_and_not_sent_again(kind: Kind, server: ScriptedServer) -> None:
    server.script += [UNAVAILABLE, NO_COPY]
    with pytest.raises(errors.NoCopyAvailable, match="Every copy is on loan") as raised:
        kind.call(server.address, BORROW, BORROWING)
    copies: list[Any] = [raised.value, pickle.loads(pickle.dumps(raised.value))]
    for error in copies:
        assert rpc_status.from_call(error).message == str(error)
        assert (type(error), error.reason) == (errors.NoCopyAvailable, "NO_COPY_AVAILABLE")
        assert error.metadata == {"next_available_time": "2026-12-06T00:00:00Z"}
        assert error.refusals == (
            ("NO_COPY_AVAILABLE", {"next_available_time": "2026-12-06T00:00:00Z"}),
            ("LOAN_LIMIT_REACHED", {"loan_limit": "5"}),
        )
        assert (error.code(), error.log_id) == (grpc.StatusCode.FAILED_PRECONDITION, "in-the-log")
        assert error.request_id == BorrowBookRequest.FromString(server.received[0]).request_id
        assert not error.is_outcome_unknown, "had the first attempt been done, there would be an answer"
    problem = BadRequest.FieldViolation(field="days", description="is too long")
    server.script += [
        refuse(grpc.StatusCode.INVALID_ARGUMENT, info("FIELD_INVALID"), BadRequest(field_violations=[problem]))
    ]
    refused = failure(kind, server.address)
    assert (type(refused), refused.violations) == (errors.FieldInvalid, (("days", "is too long"),))


@every_kind
def test_a_reason_that_is_not_known_is_a_library_error(kind: Kind, server: ScriptedServer) -> None:
    code = grpc.StatusCode.FAILED_PRECONDITION
    for answer, reason in (
        (refuse(code, info("OF_A_NEWER_VERSION")), "OF_A_NEWER_VERSION"),
        (refuse(code, info("NO_COPY_AVAILABLE", domain="another-service")), ""),
        (refuse(code), ""),
        (refuse_with(code, b"\xff not a message"), ""),
        (refuse_with(grpc.StatusCode.RESOURCE_EXHAUSTED, b""), ""),
    ):
        server.script.append(answer)
        error = failure(kind, server.address)
        assert (type(error), error.reason) == (LibraryError, reason)
        assert str(error) == "Refused."
    assert len(server.received) == 5


@every_kind
def test_an_unknown_outcome_is_reported_as_unknown(kind: Kind, server: ScriptedServer) -> None:
    server.script += [UNAVAILABLE, BUSY, BUSY]
    error = failure(kind, server.address, attempts=3)
    assert (type(error), error.is_outcome_unknown, error.retry_after) == (errors.ServerBusy, True, 0.02)
    assert BorrowBookRequest.FromString(server.received[0]).request_id == error.request_id
    server.script += [BUSY, BUSY]
    assert not failure(kind, server.address, attempts=2).is_outcome_unknown
    server.script += [UNAVAILABLE, refuse(grpc.StatusCode.INTERNAL, info("INTERNAL"))]
    assert failure(kind, server.address).is_outcome_unknown
    of_a_proxy = refuse(grpc.StatusCode.PERMISSION_DENIED)
    server.script += [of_a_proxy, UNAVAILABLE, of_a_proxy]
    assert [failure(kind, server.address).is_outcome_unknown for _ in range(2)] == [False, True]
    assert not server.script
    with socket.create_server(("127.0.0.1", 0)) as taken:
        nobody_there = f"127.0.0.1:{taken.getsockname()[1]}"
    nobody = failure(kind, nobody_there, attempts=2)
    assert (nobody.code(), nobody.is_outcome_unknown) == (grpc.StatusCode.UNAVAILABLE, False)


@every_kind
def test_an_attempt_that_hangs_leaves_time_for_another(
    kind: Kind, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retries, "ATTEMPT_SECONDS", 0.2)
    server.script += [hang, *[lent] * 6]  # on a slow machine some of these come too late
    assert kind.call(server.address, BORROW, BORROWING).id == "lent"
    server.script.clear()
    server.script += [hang]
    late = failure(kind, server.address, attempts=1, timeout=0.2)
    assert (late.code(), late.is_outcome_unknown) == (grpc.StatusCode.DEADLINE_EXCEEDED, True)
    server.script += [hang]
    late = failure(kind, server.address, call_timeout=0.1)
    assert late.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    in_an_hour = RetryInfo(retry_delay=Duration(seconds=3600))
    server.script += [refuse(grpc.StatusCode.RESOURCE_EXHAUSTED, info("SERVER_BUSY"), in_an_hour)]
    assert failure(kind, server.address).retry_after == 3600, "raised at once: it would be too late"


@every_kind
def test_a_stream_is_sent_once_and_its_errors_have_reasons(kind: Kind, server: ScriptedServer) -> None:
    rows = [ImportBooksRequest(line=line, book=AddBookRequest(title="Emma")) for line in (1, 2)]
    server.script += [lambda context: ImportBooksResponse()]
    assert kind.import_books(server.address, rows) == ImportBooksResponse()
    assert server.received == [b"".join(row.SerializeToString() for row in rows)]
    for code, reason, is_outcome_unknown in (
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "IMPORT_TOO_LONG", True),
        (grpc.StatusCode.UNAVAILABLE, "NOT_SERVING", True),
        (grpc.StatusCode.INVALID_ARGUMENT, "MESSAGE_UNREADABLE", False),
    ):
        server.script.append(refuse(code, info(reason)))
        with pytest.raises(errors.BY_REASON[reason]) as raised:
            kind.import_books(server.address, rows)
        assert raised.value.is_outcome_unknown == is_outcome_unknown
        assert not server.script


def test_pauses_grow_and_attempts_end_before_the_deadline() -> None:
    now = 0.0
    attempts = Attempts("/x/BorrowBook", BORROWING, None, Limits(timeout=12, attempts=100), lambda: now)
    pauses = []
    with suppress(LibraryError):
        while True:
            assert 0 < attempts.next_timeout() <= min(10, 12 - now)
            pauses.append(attempts.pause_after(LibraryError(grpc.StatusCode.UNAVAILABLE)))
            now += pauses[-1]
    for pause, longest in zip(pauses, (0.2, 0.4, 0.8, 1.6, 3.2, 3.2, 3.2, 3.2), strict=False):
        assert longest / 2 <= pause <= longest
    assert len(pauses) >= 5


@pytest.mark.parametrize("module", [library_client, library_client.aio])
def test_options_that_cannot_be_meant_are_refused(module: Any) -> None:
    for wrong in ({"timeout": 0}, {"attempts": 0}):
        with pytest.raises(ValueError, match="a call needs time and an attempt"):
            module.Frontend("127.0.0.1:1", **wrong)
    with pytest.raises(TypeError, match="timout"):
        module.Frontend("127.0.0.1:1", timout=3)


def test_every_reason_has_its_exception() -> None:
    reasons = {name.removeprefix("ERROR_REASON_") for name, number in ErrorReason.items() if number}
    assert errors.BY_REASON.keys() == reasons
    for reason, error in errors.BY_REASON.items():
        assert error.__name__ == reason.title().replace("_", "")
        assert getattr(errors, error.__name__) is error
        assert (issubclass(error, LibraryError), issubclass(error, grpc.RpcError), error.reason) == (True, True, reason)
        assert error.__doc__


def test_all_methods_but_those_that_change_something_without_an_id_are_sent_again() -> None:
    for method in METHODS:
        reads = all(verb(rule) == "get" for rule in rules(method))
        assert bool(retries.READING.match(method.rpartition("/")[2])) == reads, method
    operations = ("GetOperation", "ListOperations", "WaitOperation", "CancelOperation", "DeleteOperation")
    assert [name for name in operations if retries.READING.match(name)] == list(operations[:3])
    for method, described in CHANGING_METHODS.items():
        has_id = "request_id" in described.input_type.fields_by_name
        assert has_id == (method not in WITHOUT_REQUEST_ID), method


@every_kind
def test_a_token_goes_with_each_attempt(kind: Kind, server: ScriptedServer) -> None:
    tokens = iter(["first", "second"])
    server.script = [UNAVAILABLE, lent]
    kind.call(server.address, BORROW, BORROWING, token=lambda: next(tokens))
    assert server.tokens == ["Bearer first", "Bearer second"]


@every_kind
def test_a_token_goes_with_a_stream(kind: Kind, server: ScriptedServer) -> None:
    server.script = [lambda _: ImportBooksResponse()]
    kind.import_books(server.address, [ImportBooksRequest()], token="mine")
    assert server.tokens == ["Bearer mine"]


@every_kind
def test_no_token_is_sent_without_one(kind: Kind, server: ScriptedServer) -> None:
    server.script = [lent, lent]
    kind.call(server.address, BORROW, BORROWING)
    kind.call(server.address, BORROW, BORROWING, token=lambda: "")
    assert server.tokens == [None, None]


def test_the_package_asks_for_the_versions_that_its_stubs_need() -> None:
    needed = tomllib.loads((CLIENT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    stubs = CLIENT / "stubs" / "library" / "v1"
    grpcio = re.search(r"GRPC_GENERATED_VERSION = '(.*)'", (stubs / "loan_pb2_grpc.py").read_text())
    protobuf = re.search(r"Protobuf Python Version: (.*)", (stubs / "loan_pb2.py").read_text())
    assert grpcio
    assert protobuf
    assert [each.partition(",")[0] for each in needed] == [f"grpcio>={grpcio[1]}", f"protobuf>={protobuf[1]}"]
