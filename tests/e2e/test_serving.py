"""What both servers serve in addition to the library: health and reflection; and streams that nobody closes."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.protobuf import descriptor_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library.admin.v1.status_service_pb2 import GetStatusRequest
from tests.support.processes import ServerProcess, Servers
from tests.support.stores import FreshDatabases

VERSIONS = ["v1", "v1alpha"]


@pytest.fixture(scope="module", params=["admin", "frontend"])
def server(request: pytest.FixtureRequest, module_servers: Servers, databases: FreshDatabases) -> ServerProcess:
    """Each server in turn, without the other."""
    return module_servers.start(request.param, databases.migrated(request.param, "sqlite"))


class Reflection:
    """One stream to the reflection service, open until the test closes it."""

    def __init__(self, channel: grpc.Channel, version: str) -> None:
        self._requests: queue.SimpleQueue[reflection_pb2.ServerReflectionRequest | None] = queue.SimpleQueue()
        method = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )
        self._answers = method(iter(self._requests.get, None), timeout=300)

    def ask(self, **question: Any) -> reflection_pb2.ServerReflectionResponse:
        self._requests.put(reflection_pb2.ServerReflectionRequest(**question))
        answer: reflection_pb2.ServerReflectionResponse = next(self._answers)
        return answer

    def services(self) -> list[str]:
        return [service.name for service in self.ask(list_services="").list_services_response.service]

    def close(self) -> None:
        self._requests.put(None)


@pytest.fixture
def streams(server: ServerProcess) -> Iterator[list[Reflection]]:
    """Twenty streams that were used once, as a prompt left open is; half of each version."""
    channel = server.channel()
    opened = [Reflection(channel, VERSIONS[number % 2]) for number in range(20)]
    yield opened
    for stream in opened:
        stream.close()


def test_health_covers_the_server_and_each_service(server: ServerProcess) -> None:
    channel = server.channel()
    check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined]  # its stubs forget it
    services = [name for name in Reflection(channel, "v1").services() if name.startswith("library.")]
    assert len(services) >= 4
    for name in ["", *services]:
        answer = check(health_pb2.HealthCheckRequest(service=name), timeout=60)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING, name
    with pytest.raises(grpc.RpcError) as refused:
        check(health_pb2.HealthCheckRequest(service="library.v9.NoService"), timeout=60)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND


def test_the_health_of_all_services_is_listed(server: ServerProcess) -> None:
    """grpcio-health-checking does not implement it: each call was UNIMPLEMENTED, and a traceback in the log."""
    messages: Any = health_pb2  # its stubs leave out what List takes and returns
    listing = server.channel().unary_unary(
        "/grpc.health.v1.Health/List",
        request_serializer=messages.HealthListRequest.SerializeToString,
        response_deserializer=messages.HealthListResponse.FromString,
    )
    statuses = {name: each.status for name, each in listing(messages.HealthListRequest(), timeout=60).statuses.items()}
    services = [name for name in Reflection(server.channel(), "v1").services() if not name.startswith("grpc.")]
    assert statuses == dict.fromkeys(["", *services], health_pb2.HealthCheckResponse.SERVING)
    assert "Traceback" not in server.log_tail()
    assert not [event for event in server.log_events() if event["level"] == "error"]


@pytest.mark.parametrize("version", VERSIONS)
def test_both_versions_of_reflection_list_services_and_comments(server: ServerProcess, version: str) -> None:
    reflection = Reflection(server.channel(), version)
    names = reflection.services()
    assert f"grpc.reflection.{version}.ServerReflection" in names
    for name in (name for name in names if name.startswith("library.")):
        (first, *_) = reflection.ask(file_containing_symbol=name).file_descriptor_response.file_descriptor_proto
        file = descriptor_pb2.FileDescriptorProto.FromString(first)
        methods = {
            # 6 is FileDescriptorProto.service, 2 is ServiceDescriptorProto.method: where the comment belongs to.
            file.service[location.path[1]].method[location.path[3]].name: location.leading_comments
            for location in file.source_code_info.location
            if len(location.path) == 4 and (location.path[0], location.path[2]) == (6, 2)
        }
        assert methods
        assert all(methods.values()), methods
    unknown = reflection.ask(file_containing_symbol="library.v9.NoService")
    assert unknown.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]
    reflection.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_reflection_sends_the_types_of_error_details_with_each_service(server: ServerProcess, version: str) -> None:
    """Clients that look for them only in the files that a service's file imports show base64 without them."""
    reflection = Reflection(server.channel(), version)
    for name in reflection.services():
        symbol = {"file_containing_symbol": name}
        asked = reflection.ask(**symbol).file_descriptor_response.file_descriptor_proto
        files = [descriptor_pb2.FileDescriptorProto.FromString(file) for file in asked]
        by_name = {file.name: file for file in files}
        assert len(by_name) == len(files)
        assert set(by_name) == {imported for file in files for imported in file.dependency} | {files[0].name}
        details = by_name["google/rpc/error_details.proto"]
        assert details.name in files[0].dependency
        assert {"ErrorInfo", "BadRequest", "ResourceInfo", "RequestInfo", "RetryInfo"} <= {
            message.name for message in details.message_type
        }
        named = reflection.ask(file_by_filename=files[0].name).file_descriptor_response.file_descriptor_proto
        assert named == asked
    plain = reflection.ask(file_by_filename="google/rpc/error_details.proto").file_descriptor_response
    assert len(plain.file_descriptor_proto) == 2  # and google/protobuf/duration.proto
    reflection.close()


def test_open_reflection_streams_do_not_block_other_calls(server: ServerProcess, streams: list[Reflection]) -> None:
    for stream in streams:
        assert stream.services()
    # All are open and answered, so none waits for another. Now the others:
    check = health_pb2_grpc.HealthStub(server.channel()).Check  # type: ignore[attr-defined]
    assert check(health_pb2.HealthCheckRequest(), timeout=60).status == health_pb2.HealthCheckResponse.SERVING
    assert Reflection(server.channel(), "v1").services()
    if server.name == "admin":
        admin = server.admin()
        admin.status.GetStatus(GetStatusRequest(), timeout=60)
        rows = [ImportBooksRequest(line=1, book=AddBookRequest(title="Emma"), validate_only=True)]
        (outcome,) = admin.catalog.ImportBooks(iter(rows), timeout=60).outcomes
        assert not outcome.problems
