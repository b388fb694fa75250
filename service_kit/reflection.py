"""Server reflection, v1 and v1alpha, with the comments of the contract, so that `grpcurl describe` is its manual."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from google.protobuf.descriptor import FileDescriptor
from google.rpc import error_details_pb2
from grpc_reflection.v1alpha import reflection, reflection_pb2

from service_kit.calls.steps.authentication import authenticate
from service_kit.calls.steps.errors import send_errors
from service_kit.calls.steps.faults import translate_faults
from service_kit.calls.steps.outcomes import log_outcomes
from service_kit.calls.steps.readiness import refuse_until_ready
from service_kit.calls.steps.step import Method
from service_kit.calls.steps.streams import read_streams_to_their_end
from service_kit.servicer import with_steps

V1ALPHA, V1 = "grpc.reflection.v1alpha", "grpc.reflection.v1"

_STEPS = (send_errors, log_outcomes, translate_faults)
_READ_STEPS = (*_STEPS, read_streams_to_their_end)
"""Without readiness: the contract can be read while the store is migrated."""
_CHECKED_STEPS = (*_STEPS, refuse_until_ready, authenticate, read_streams_to_their_end)
"""The store knows who may read the contract."""

# The types of error details. They are also in the pool by this import, for clients that ask for them by name.
_DETAILS = error_details_pb2.DESCRIPTOR


class _CommentedReflection(reflection.ReflectionServicer):
    """The stock servicer, with two changes to the files that it returns.

    Files of the contract have their comments, which Python's descriptors drop. A file with a service also imports the
    types of error details: grpcui decodes what an error carries only by the types that the file of the called method
    imports, and shows base64 instead of all others. No contract needs that import for itself.
    """

    def __init__(self, service_names: Iterable[str], contract: bytes) -> None:
        super().__init__(service_names)
        files = descriptor_pb2.FileDescriptorSet.FromString(contract).file
        commented = (file for file in files if file.HasField("source_code_info"))
        self._commented = {file.name: _with_details(file).SerializeToString() for file in commented}

    def ServerReflectionInfo(  # noqa: N802 - the contract's name
        self, request_iterator: Iterable[reflection_pb2.ServerReflectionRequest], context: Any
    ) -> Iterator[reflection_pb2.ServerReflectionResponse]:
        requests = (self._of_service(request) for request in request_iterator)
        for response in super().ServerReflectionInfo(requests, context):
            if response.HasField("file_descriptor_response"):
                files = response.file_descriptor_response.file_descriptor_proto
                files[:] = self._completed([descriptor_pb2.FileDescriptorProto.FromString(file) for file in files])
            yield response

    def _completed(self, files: list[descriptor_pb2.FileDescriptorProto]) -> Iterator[bytes]:
        """Yield the files, serialized, and after them what they import only here."""
        missing: list[FileDescriptor] = []
        if any(file.service for file in files):
            names = {file.name for file in files}
            missing = [file for file in (_DETAILS, *_DETAILS.dependencies) if file.name not in names]
        for file in files:
            yield self._commented.get(file.name) or _with_details(file).SerializeToString()
        for imported in missing:
            yield imported.serialized_pb

    @staticmethod
    def _of_service(request: reflection_pb2.ServerReflectionRequest) -> reflection_pb2.ServerReflectionRequest:
        """Ask for the service where a client asks for one of its methods, which Python's pool does not find."""
        service, _, _ = request.file_containing_symbol.rpartition(".")
        try:
            descriptor_pool.Default().FindServiceByName(service)
        except KeyError:
            return request
        return reflection_pb2.ServerReflectionRequest(host=request.host, file_containing_symbol=service)


def _with_details(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """Make a file with a service import the types of error details."""
    if file.service and _DETAILS.name not in file.dependency:
        file.dependency.append(_DETAILS.name)
    return file


def add_reflection(
    server: grpc.Server,
    service_names: Iterable[str],
    contract: bytes,
    check: Callable[[grpc.ServicerContext], object] | None = None,
) -> None:
    """Serve both versions of reflection. `check` raises a `ServiceError` for a call without a valid token.

    `contract` is a serialized FileDescriptorSet with source info. grpcio-reflection has only v1alpha, which Evans asks
    for; v1, which grpcurl and buf ask for, has the same messages under another package.
    """
    _add_v1_descriptors()
    names = [*service_names, f"{V1}.ServerReflection", f"{V1ALPHA}.ServerReflection"]
    servicer = _CommentedReflection(names, contract)

    method = Method("ServerReflectionInfo", request_streaming=True, response_streaming=True, is_read=True)
    if check is not None:
        method = replace(method, authenticate=lambda _servicer, _requests, context: check(context))
    steps = _READ_STEPS if check is None else _CHECKED_STEPS
    answer = functools.partial(with_steps(_CommentedReflection.ServerReflectionInfo, method, steps), servicer)
    handler = grpc.stream_stream_rpc_method_handler(
        answer,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    for package in (V1, V1ALPHA):
        service = grpc.method_handlers_generic_handler(f"{package}.ServerReflection", {"ServerReflectionInfo": handler})
        server.add_generic_rpc_handlers((service,))


def _add_v1_descriptors() -> None:
    """Put grpc/reflection/v1/reflection.proto into the pool. No stubs are made of it: they would shadow grpcio."""
    pool = descriptor_pool.Default()
    text = reflection_pb2.DESCRIPTOR.serialized_pb
    v1 = descriptor_pb2.FileDescriptorProto.FromString(text)
    v1.name = v1.name.replace("v1alpha", "v1")
    v1.package = V1
    for message in v1.message_type:
        for field in (field for field in message.field if field.type_name):
            field.type_name = field.type_name.replace(V1ALPHA, V1)
    for method in v1.service[0].method:
        method.input_type = method.input_type.replace(V1ALPHA, V1)
        method.output_type = method.output_type.replace(V1ALPHA, V1)
    v1.ClearField("options")
    pool.AddSerializedFile(v1.SerializeToString())
