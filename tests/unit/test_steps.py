"""The steps around a method work for methods of all four kinds, in a server and under grpcio-testing."""

from __future__ import annotations

import contextlib
import logging
import threading
import uuid
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import grpc
import peewee
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from library.admin.v1.catalog_service_pb2 import DESCRIPTOR as CATALOG
from library.admin.v1.catalog_service_pb2 import GetBookRequest
from library.v1.book_pb2 import Book
from library_domain.contract import contract_descriptors
from library_domain.errors import BookNotFound, BookRemoved, SyncSecretWrong
from service_kit.calls.steps import STEPS
from service_kit.calls.steps.step import Hooks, Method, MethodCall, Step
from service_kit.errors import FieldInvalid, combined
from service_kit.server import Limits, Server, Service
from service_kit.servicer import instrument_servicer
from tests.support.clients import Refusal, open_channel, refusal_of
from tests.support.servicers import ServicerRunner
from tests.support.waiting import wait_until

SECONDS = 100.0
ID = str(uuid.UUID(int=7))
KINDS = {"Unary": (False, False), "Sent": (True, False), "Received": (False, True), "Both": (True, True)}
"""The methods, by whether the client and the server send a stream."""


def _described() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="test/steps.proto", package="test", syntax="proto3")
    file.dependency.extend([CATALOG.name, Book.DESCRIPTOR.file.name])
    service = file.service.add(name="Steps")
    for name, (client_streaming, server_streaming) in KINDS.items():
        service.method.add(
            name=name,
            input_type=f".{GetBookRequest.DESCRIPTOR.full_name}",
            output_type=f".{Book.DESCRIPTOR.full_name}",
            client_streaming=client_streaming,
            server_streaming=server_streaming,
        )
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name).services_by_name["Steps"]


SERVICE = _described()
ERRORS: dict[str, Callable[[], Exception]] = {
    "refused": lambda: combined([BookNotFound(book_id=ID), BookRemoved(book_id=ID)]),
    "store": lambda: peewee.OperationalError("the store has gone"),
    "fault": lambda: RuntimeError("a secret"),
}
ENDLESS = ("endless", "yes")
ORDER: list[str] = []
"""What the extra step has seen."""


def note(method: Method) -> Hooks:
    """A step that only tests have."""

    def failed(call: MethodCall, error: Exception) -> Exception:
        ORDER.append(type(error).__name__)
        return error

    return Hooks(
        before=lambda call: ORDER.append(f"before {method.name}"),
        after=lambda call: ORDER.append("after"),
        failed=failed,
    )


def with_extra_step() -> tuple[Step, ...]:
    names = [step.__name__ for step in STEPS]
    place = names.index("authenticate") + 1
    return (*STEPS[:place], note, *STEPS[place:])


def check_metadata(_servicer: object, _request: object, context: grpc.ServicerContext) -> None:
    if dict(context.invocation_metadata()).get("caller") == "unknown":
        raise SyncSecretWrong(problem="it is wrong", frontend_id="-")


def own_rule(request: GetBookRequest) -> None:
    raise FieldInvalid(("other", "is wrong, too"))


@instrument_servicer(
    SERVICE, rules={"Unary": [own_rule], "Received": [own_rule]}, authenticate=check_metadata, steps=with_extra_step()
)
class Steps:
    """Answers each request with a book, and then raises what the metadata names."""

    def Unary(self, request: Any, context: Any) -> Book:
        fail(context)
        return Book(id=request.id)

    def Sent(self, requests: Iterator[Any], context: Any) -> Book:
        book = Book(id=",".join(request.id for request in requests))
        fail(context)
        return book

    def Received(self, request: Any, context: Any) -> Iterator[Book]:
        yield Book(id=request.id)
        while ENDLESS in context.invocation_metadata():
            yield Book(id=request.id)
        fail(context)

    def Both(self, requests: Iterator[Any], context: Any) -> Iterator[Book]:
        for request in requests:
            yield Book(id=request.id)
        fail(context)


def fail(context: grpc.ServicerContext) -> None:
    name = dict(context.invocation_metadata()).get("fails")
    if name:
        raise ERRORS[str(name)]()


def add_to_server(servicer: Any, server: grpc.Server) -> None:
    makers = {
        (False, False): grpc.unary_unary_rpc_method_handler,
        (True, False): grpc.stream_unary_rpc_method_handler,
        (False, True): grpc.unary_stream_rpc_method_handler,
        (True, True): grpc.stream_stream_rpc_method_handler,
    }
    handlers = {
        name: makers[kind](getattr(servicer, name), GetBookRequest.FromString, Book.SerializeToString)
        for name, kind in KINDS.items()
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE.full_name, handlers),))


Metadata = Sequence[tuple[str, str]]
Call = Callable[[str, Sequence[Any], Metadata], list[str] | Refusal]
"""Calls a method with some requests and metadata; returns the ids in its answers, or why it was refused."""


@contextlib.contextmanager
def serving(*, is_open: bool = True) -> Iterator[tuple[Server, grpc.Channel]]:
    server = Server(Limits(threads=2, concurrent_calls=8, grace_seconds=1), contract_descriptors())
    server.add([Service(SERVICE, Steps(), add_to_server)])
    address = server.listen("127.0.0.1:0")
    if is_open:
        server.open()
    try:
        with open_channel(address) as channel:
            yield server, channel
    finally:
        server.drain()


def stub_of(channel: grpc.Channel, method: str) -> Any:
    """A stub that sends and receives streams, for any method: on the wire they are all the same."""
    path = f"/{SERVICE.full_name}/{method}"
    return channel.stream_stream(path, GetBookRequest.SerializeToString, Book.FromString)


def call_over(channel: grpc.Channel, method: str, requests: Sequence[Any], metadata: Metadata = ()) -> Any:
    try:
        return list(stub_of(channel, method)(iter(requests), timeout=SECONDS, metadata=metadata))
    except grpc.RpcError as error:
        return refusal_of(error)


@pytest.fixture(scope="module")
def in_a_server() -> Iterator[Callable[..., Any]]:
    with serving() as (_, channel):
        yield partial(call_over, channel)


@pytest.fixture(scope="module")
def under_grpcio_testing() -> Callable[..., Any]:
    runner = ServicerRunner([Service(SERVICE, Steps(), add_to_server)])
    return lambda method, *arguments: runner.call_any_kind(f"{SERVICE.full_name}/{method}", *arguments)


@pytest.fixture(params=["in_a_server", "under_grpcio_testing"])
def call(request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture) -> Call:
    ORDER.clear()
    caplog.set_level(logging.DEBUG)
    make: Callable[..., Any] = request.getfixturevalue(request.param)

    def call(method: str, requests: Sequence[Any], metadata: Metadata) -> list[str] | Refusal:
        answers = make(method, requests, metadata)
        return answers if isinstance(answers, Refusal) else [book.id for book in answers]

    return call


def logged(caplog: pytest.LogCaptureFixture, request_id: str) -> list[dict[str, Any]]:
    lines: list[Any] = [record.msg for record in caplog.records]
    return [line for line in lines if isinstance(line, dict) and line.get("request_id") == request_id]


every_kind = pytest.mark.parametrize("method", KINDS)


@every_kind
def test_a_call_that_is_answered_goes_through_all_steps(
    call: Call, method: str, caplog: pytest.LogCaptureFixture
) -> None:
    requests = [GetBookRequest(id=ID.upper())] * (3 if KINDS[method][0] else 1)
    answers = call(method, requests, [("x-request-id", f"answered-{method}")])
    assert isinstance(answers, list)
    assert ",".join(answers) == ",".join([ID] * len(requests)), "the check has put the ids into lower case"
    assert [f"before test.Steps/{method}", "after"] == ORDER
    (line,) = logged(caplog, f"answered-{method}")
    assert (line["event"], line["method"]) == ("answered", f"test.Steps/{method}")
    assert 0 <= line["seconds"] < SECONDS


@every_kind
@pytest.mark.parametrize(
    ("fails", "code", "reason", "further", "events", "seen"),
    [
        ("refused", "NOT_FOUND", "BOOK_NOT_FOUND", ["BOOK_REMOVED"], ["refused"], "BookNotFound"),
        ("store", "UNAVAILABLE", "STORE_UNAVAILABLE", [], ["store unavailable", "refused"], "OperationalError"),
        ("fault", "INTERNAL", "INTERNAL", [], ["internal error", "refused"], "RuntimeError"),
    ],
)
def test_an_error_is_translated_logged_and_sent(
    call: Call,
    method: str,
    caplog: pytest.LogCaptureFixture,
    fails: str,
    code: str,
    reason: str,
    further: list[str],
    events: list[str],
    seen: str,
) -> None:
    refusal = call(method, [GetBookRequest(id=ID)], [("x-request-id", f"{fails}-{method}"), ("fails", fails)])
    assert isinstance(refusal, Refusal)
    assert (refusal.code.name, refusal.reason, refusal.further_reasons) == (code, reason, further)
    assert refusal.request_id == f"{fails}-{method}"
    assert "secret" not in refusal.message
    assert ORDER[1:] == [seen], "it is inside the step that translates the error"
    lines = logged(caplog, f"{fails}-{method}")
    assert [line["event"] for line in lines] == events
    assert (lines[-1]["reason"], lines[-1]["status"]) == (reason, code)
    assert lines[-1].get("further_reasons", []) == further
    assert lines[-1]["seconds"] >= 0


@every_kind
def test_a_request_that_breaks_a_rule_is_refused(call: Call, method: str) -> None:
    requests = [GetBookRequest(id=ID), GetBookRequest(id="7")] if KINDS[method][0] else [GetBookRequest(id="7")]
    refusal = call(method, requests, ())
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "FIELD_INVALID"
    assert set(refusal.fields) == ({"id"} if KINDS[method][0] else {"id", "other"})
    assert [f"before test.Steps/{method}", "FieldInvalid"] == ORDER


@every_kind
def test_a_caller_who_is_not_known_gets_no_further(call: Call, method: str) -> None:
    refusal = call(method, [GetBookRequest(id="7")], [("caller", "unknown")])
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SYNC_SECRET_WRONG")
    assert ORDER == [], "a step sees no error of the steps around it"


def test_calls_are_refused_until_the_server_is_open() -> None:
    with serving(is_open=False) as (server, channel):
        for method in KINDS:
            refusal = call_over(channel, method, [GetBookRequest(id=ID)])
            assert isinstance(refusal, Refusal)
            assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_SERVING")
        check: Any = channel.unary_unary("/grpc.health.v1.Health/Check")
        request = HealthCheckRequest(service=SERVICE.full_name).SerializeToString()
        health = HealthCheckResponse.FromString(check(request, timeout=SECONDS))
        assert health.status == HealthCheckResponse.NOT_SERVING
        server.open()
        assert call_over(channel, "Unary", [GetBookRequest(id=ID)]) == [Book(id=ID)]


def test_an_answer_of_reflection_is_logged_at_debug_like_a_read(caplog: pytest.LogCaptureFixture) -> None:
    """`library-rest` reads the contract of each server every few seconds."""
    caplog.set_level(logging.DEBUG)
    with serving() as (_, channel):
        read: Any = channel.stream_stream("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
        assert list(read(iter([b"\x3a\x00"]), timeout=SECONDS, metadata=(("x-request-id", "reflection"),)))
    (line,) = logged(caplog, "reflection")
    assert (line["event"], line["level"]) == ("answered", "debug")


# Not a method of two streams: once it has sent a message, a cancelled stream of requests can look like one that the
# client has ended (https://github.com/grpc/grpc/issues/33038). Then the call is logged as answered.
@pytest.mark.parametrize("method", ["Sent", "Received"])
def test_a_stream_that_its_client_cancels_is_logged_as_cancelled(method: str, caplog: pytest.LogCaptureFixture) -> None:
    ORDER.clear()
    caplog.set_level(logging.DEBUG)
    is_over = threading.Event()

    def requests() -> Iterator[GetBookRequest]:
        yield GetBookRequest(id=ID)
        if KINDS[method][0]:
            is_over.wait(SECONDS)

    with serving() as (_, channel):
        stream = stub_of(channel, method)(requests(), timeout=SECONDS, metadata=(("x-request-id", method), ENDLESS))
        if KINDS[method][1]:
            assert next(stream).id == ID
        wait_until(lambda: bool(ORDER))  # the call has reached the server
        stream.cancel()
        wait_until(lambda: bool(logged(caplog, method)))
        is_over.set()
    assert [line["event"] for line in logged(caplog, method)] == ["call cancelled"]
    assert ORDER[1:] == ["CallCancelled"]
