"""A call that fails for any reason is explained in one sentence."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
import pytest

from library.admin.v1.status_service_pb2 import GetStatusRequest, Status
from library.admin.v1.status_service_pb2_grpc import StatusServiceServicer, StatusServiceStub
from library.admin.v1.status_service_pb2_grpc import add_StatusServiceServicer_to_server as add_to_server
from library_cli.channel import connected
from library_cli.grpc_errors import CallFailed, ServiceRefusal, nothing_answers, service_refusal
from library_domain.errors import BookRemoved, LoanLimitReached
from service_kit.errors import FieldInvalid, NotServing, ServiceError, combined
from service_kit.servicer import refuse

Ending = Callable[[grpc.ServicerContext], None]


class Ends(StatusServiceServicer):
    """A service whose every call ends in a certain way."""

    def __init__(self, ending: Ending) -> None:
        self.ending = ending

    def GetStatus(self, request: GetStatusRequest, context: grpc.ServicerContext) -> Status:
        self.ending(context)
        return Status()


@contextmanager
def serving(ending: Ending) -> Iterator[str]:
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        add_to_server(Ends(ending), server)
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(None).wait()


def failure(target: str, timeout: float = 10) -> str:
    with pytest.raises(CallFailed) as failed, connected(target) as channel:
        StatusServiceStub(channel).GetStatus(
            GetStatusRequest(), timeout=timeout, metadata=(("x-request-id", "request-7"),)
        )
    return str(failed.value)


def refusing(error: ServiceError) -> Ending:
    return lambda context: refuse(context, error, "test")


def test_an_error_of_the_services_has_its_reason_fields_and_request_id() -> None:
    with serving(refusing(FieldInvalid(("title", "is empty"), ("copies", "is 0")))) as target:
        assert failure(target) == (
            f"The service at {target} answered INVALID_ARGUMENT: title: is empty; copies: is 0 (request id request-7)"
        )


def test_fields_that_the_message_leaves_out_are_listed() -> None:
    error = FieldInvalid(("title", "is empty"), ("copies", "is 0"))
    error.args = ("bad request",)
    with serving(refusing(error)) as target:
        assert "bad request; title: is empty; copies: is 0 (request id" in failure(target)


def test_the_first_of_several_reasons_is_the_one() -> None:
    error = combined([BookRemoved(book_id="b-1"), LoanLimitReached(user_id="u-1", loan_limit=5)])
    with serving(refusing(error)) as target, pytest.raises(CallFailed) as failed, connected(target) as channel:
        StatusServiceStub(channel).GetStatus(GetStatusRequest(), timeout=10)
    assert isinstance(failed.value.__cause__, grpc.RpcError)
    assert service_refusal(failed.value.__cause__) == ServiceRefusal(
        "BOOK_REMOVED", "The book b-1 has left the catalogue.", {"book_id": "b-1"}
    )


def test_a_service_that_is_starting_is_not_taken_for_one_that_is_not_there() -> None:
    with serving(refusing(NotServing())) as target:
        assert "answered UNAVAILABLE: This server is starting or stopping" in failure(target)


def test_an_error_without_details_is_shown_as_it_is() -> None:
    with serving(lambda context: context.abort(grpc.StatusCode.DATA_LOSS, "two\nlines")) as target:
        assert failure(target) == f"The service at {target} answered DATA_LOSS: two lines"


def test_details_that_do_not_go_with_the_error_are_passed_over() -> None:
    def lie(context: grpc.ServicerContext) -> None:
        context.set_trailing_metadata((("grpc-status-details-bin", b"\x08\x05\x12\x03not"),))
        context.abort(grpc.StatusCode.ABORTED, "changed on the way")

    with serving(lie) as target:
        assert failure(target) == f"The service at {target} answered ABORTED: changed on the way"


def test_an_address_where_nothing_listens_is_reported() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{unused.getsockname()[1]}"
        assert failure(target) == (
            f"Nothing answers at {target}; is the service running there? Start the library with `library up`."
        )
    for address, is_here in [
        *(("localhost:1", True), ("[::1]:1", True), ("http://127.0.0.1:8080", True)),
        *(("admin:50052", False), ("192.0.2.1:1", False), ("https://library.example", False), ("[::1", False)),
    ]:
        assert ("`library up`" in nothing_answers(address, "service", "refused")) is is_here, address
    assert nothing_answers("a:1", "service", "no such host").endswith("running there? (no such host)")


def test_a_program_that_does_not_speak_grpc_is_recognised_and_its_bytes_are_not_shown() -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        target = f"127.0.0.1:{foreign.getsockname()[1]}"

        def answer() -> None:
            connection, _ = foreign.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"SSH-2.0-\xff\x1b[2J\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        assert failure(target) == (
            f"What answers at {target} is another program than this command needs: it does not speak gRPC."
        )
        thread.join()


def test_a_message_of_another_service_is_one_line_that_commands_nothing() -> None:
    with serving(lambda context: context.abort(grpc.StatusCode.DATA_LOSS, "a\x1b[2J\x00b\tc" + "d" * 7_000)) as target:
        message = failure(target)
        assert message.startswith(f"The service at {target} answered DATA_LOSS: a [2J b cddd")
        assert len(message) < 2_200


def test_an_answer_that_takes_too_long_is_reported() -> None:
    with serving(lambda context: time.sleep(1)) as target:
        assert failure(target, timeout=0.2).startswith(f"The service at {target} took too long to answer")


def test_another_service_at_the_address_is_reported() -> None:
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        target = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        assert f"What answers at {target} is another service" in failure(target)
        server.stop(None).wait()


def test_a_proxy_for_the_web_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("http_proxy", "grpc_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    with serving(refusing(NotServing())) as target:
        assert "answered UNAVAILABLE: This server is starting" in failure(target)
