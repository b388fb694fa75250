"""Ask a gRPC server what it offers: the files of its contract, by server reflection of either version."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from service_kit.channel import open_channel

ANSWER_SECONDS = 10.0
"""How long a server may take for one answer."""

PLUMBING = "grpc."
"""Services below this are how gRPC runs (health, reflection) and no part of what is offered."""


class NotLearnt(Exception):
    """The server did not tell what it offers; the message says why."""


@dataclass(frozen=True)
class Description:
    """What a server says of itself. Two that are equal describe the same contract."""

    services: tuple[str, ...]
    """Full names, in the server's order."""
    files: bytes
    """A serialized FileDescriptorSet, each file behind those that it imports, with comments if the server has them."""


def describe(target: str) -> Description:
    """Ask the server at HOST:PORT. Blocks. Raises NotLearnt."""
    with open_channel(target) as channel:
        try:
            try:
                return _described(channel, "v1alpha")
            except grpc.RpcError as error:
                if _code(error) is not grpc.StatusCode.UNIMPLEMENTED:
                    raise
                return _described(channel, "v1")
        except grpc.RpcError as error:
            raise NotLearnt(f"{_code(error).name}: {getattr(error, 'details', str)()}") from error
        except KeyError as error:
            raise NotLearnt(f"its reflection names what it does not have: {error}") from error


def _described(channel: grpc.Channel, version: str) -> Description:
    database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, _Asking(version)))
    services = tuple(name for name in database.get_services() if not name.startswith(PLUMBING))
    files: dict[str, FileDescriptorProto] = {}
    for service in services:
        try:
            described = database.FindFileContainingSymbol(service)
        except KeyError:  # listed, and not described: the others are
            continue
        for file in _with_imports(described, database.FindFileByName, files):
            files[file.name] = file
    for message in (message for file in files.values() for message in file.message_type):
        _name_in_json(message)
    return Description(services, FileDescriptorSet(file=files.values()).SerializeToString(deterministic=True))


def _with_imports(
    file: FileDescriptorProto, find: Callable[[str], FileDescriptorProto], known: dict[str, FileDescriptorProto]
) -> Iterator[FileDescriptorProto]:
    """Give the file behind all that it imports, but for those that are known."""
    if file.name in known:
        return
    for name in file.dependency:
        yield from _with_imports(_found(name, find), find, known)
    yield file


def _found(name: str, find: Callable[[str], FileDescriptorProto]) -> FileDescriptorProto:
    try:
        return find(name)
    except KeyError:
        # Some servers leave out what everybody has.
        file = FileDescriptorProto()
        descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
        return file


def _name_in_json(message: Any) -> None:
    """Give fields their names in JSON, which protoc writes and reflection may lack."""
    for field in message.field:
        if not field.json_name:
            first, *others = field.name.split("_")
            field.json_name = first + "".join(word[:1].upper() + word[1:] for word in others)
    for nested in message.nested_type:
        _name_in_json(nested)


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    code: grpc.StatusCode = getattr(error, "code", lambda: grpc.StatusCode.UNKNOWN)()
    return code


_Details = namedtuple("_Details", "method timeout metadata credentials wait_for_ready compression")


class _Asking(grpc.StreamStreamClientInterceptor):
    """Gives each question a deadline, which the library's client does not, and puts it to the version wanted.

    The messages of both versions are the same; the library has v1alpha only.
    """

    def __init__(self, version: str) -> None:
        self._method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        details = client_call_details
        asked = _Details(self._method, ANSWER_SECONDS, details.metadata, details.credentials, None, None)
        return continuation(asked, request_iterator)
