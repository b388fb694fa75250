"""google.longrunning.Operations and ImportService over gRPC: waiting, access, cancelled uploads, a stopping server."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
    WaitOperationRequest,
)
from google.longrunning.operations_pb2_grpc import OperationsStub

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import ImportConfig, StartImportRequest
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from service_kit.ids import new_id
from tests.support.clients import Refusal, refusal_of
from tests.support.import_operations import json_lines, messages, progress, some_books, summary
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases

MANY_WAITERS = 60


@pytest.fixture
def admin(servers: Servers, databases: FreshDatabases) -> ServerProcess:
    return servers.start("admin", databases.migrated("admin", "sqlite"))


def operations(server: ServerProcess) -> Any:
    return OperationsStub(server.channel())


def started(server: ServerProcess, count: int = 10) -> Operation:
    stub = ImportServiceStub(server.channel())
    return stub.StartImport(messages(json_lines(some_books(count)), ImportConfig(), 900_000), timeout=60)


def test_a_call_waits_for_the_end(admin: ServerProcess) -> None:
    operation = started(admin)
    while not operation.done:
        operation = operations(admin).WaitOperation(WaitOperationRequest(name=operation.name), timeout=100)
    assert summary(operation).added_count == 10


def test_waiting_ends_after_the_timeout_of_the_request(admin: ServerProcess) -> None:
    operation = started(admin, 20_000)
    request = WaitOperationRequest(name=operation.name)
    request.timeout.FromMilliseconds(300)
    began = time.monotonic()
    assert not operations(admin).WaitOperation(request, timeout=60).done
    assert time.monotonic() - began >= 0.3
    operations(admin).CancelOperation(CancelOperationRequest(name=operation.name), timeout=60)


def test_many_calls_that_wait_keep_no_other_call_waiting(admin: ServerProcess) -> None:
    operation = started(admin, 20_000)
    stub = operations(admin)
    request = WaitOperationRequest(name=operation.name)
    waiting = [stub.WaitOperation.future(request, timeout=100) for _ in range(MANY_WAITERS)]
    assert admin.admin().catalog.AddBook(AddBookRequest(title="Meanwhile"), timeout=60).title == "Meanwhile"
    assert stub.GetOperation(GetOperationRequest(name=operation.name), timeout=60).name == operation.name
    assert len(stub.ListOperations(ListOperationsRequest(), timeout=60).operations) == 1
    answered = [call for call in waiting if call.done()]
    assert all(call.exception() is None for call in answered)
    stub.CancelOperation(CancelOperationRequest(name=operation.name), timeout=60)
    for call in waiting:
        assert call.exception(timeout=100) is None


def test_a_server_that_stops_ends_the_waiting_and_goes_on_after_its_next_start(admin: ServerProcess) -> None:
    operation = started(admin, 3_000)
    call = operations(admin).WaitOperation.future(WaitOperationRequest(name=operation.name), timeout=100)
    time.sleep(0.2)
    began = time.monotonic()
    assert admin.stop() == 0
    assert time.monotonic() - began < 9  # less than the grace: nobody is waited for
    assert call.exception(timeout=10) is None or call.exception().code() is grpc.StatusCode.UNAVAILABLE
    admin.start()
    while not operation.done:
        operation = operations(admin).WaitOperation(WaitOperationRequest(name=operation.name), timeout=100)
    assert summary(operation).added_count == 3_000


def test_a_cancelled_upload_leaves_nothing(admin: ServerProcess) -> None:
    stub = ImportServiceStub(admin.channel())
    sent, go_on = threading.Event(), threading.Event()

    def parts() -> Iterator[StartImportRequest]:
        yield from messages(json_lines(some_books(30_000)), ImportConfig(), 900_000)
        sent.set()
        go_on.wait(60)

    call = stub.StartImport.future(parts(), timeout=100)
    assert sent.wait(60)
    call.cancel()
    go_on.set()
    assert list(operations(admin).ListOperations(ListOperationsRequest(), timeout=60).operations) == []
    again = started(admin)
    assert not progress(again).summary.record_count


@pytest.mark.parametrize(
    ("method", "request_", "fields"),
    [
        ("GetOperation", GetOperationRequest(name="x"), ["name"]),
        ("ListOperations", ListOperationsRequest(name="x", filter="x", page_size=-1), ["name", "filter", "page_size"]),
        ("WaitOperation", WaitOperationRequest(name=""), ["name"]),
    ],
)
def test_all_problems_of_a_request_are_named(
    admin: ServerProcess, method: str, request_: Any, fields: list[str]
) -> None:
    refusal = refused(lambda: getattr(operations(admin), method)(request_, timeout=60))
    assert (refusal.code, list(refusal.fields)) == (grpc.StatusCode.INVALID_ARGUMENT, fields)


def test_an_unknown_operation_is_not_found(admin: ServerProcess) -> None:
    request = GetOperationRequest(name=f"operations/{new_id()}")
    assert refused(lambda: operations(admin).GetOperation(request, timeout=60)).reason == "OPERATION_NOT_FOUND"


def refused(call: Callable[[], object]) -> Refusal:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return refusal_of(error.value)
