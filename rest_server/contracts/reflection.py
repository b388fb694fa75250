"""Ask a gRPC server what it offers: the files of its contract, by server reflection of either version."""

from __future__ import annotations

import time
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionResponse

from rest_server.settings import Learning

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


def describe(channel: grpc.Channel, learning: Learning) -> Description:
    """Ask the server at the other end. Blocks, until the channel is closed if need be. Raises NotLearnt."""
    answers = _Answers(learning)
    try:
        try:
            return _described(channel, _Asking("v1alpha", answers))
        except grpc.RpcError as error:
            if _code(error) is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return _described(channel, _Asking("v1", answers))
    except grpc.RpcError as error:
        raise NotLearnt(f"{_code(error).name}: {getattr(error, 'details', str)()}") from error
    except KeyError as error:
        raise NotLearnt(f"its reflection names what it does not have: {error}") from error


def _described(channel: grpc.Channel, asking: _Asking) -> Description:
    database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, asking))
    services = tuple(name for name in database.get_services() if not name.startswith(PLUMBING))
    files: dict[str, FileDescriptorProto] = {}
    for service in services:
        try:
            described = database.FindFileContainingSymbol(service)
        except KeyError:  # listed, and not described: the others are
            continue
        _add_with_imports(files, described, database.FindFileByName)
    for message in (message for file in files.values() for message in file.message_type):
        _name_in_json(message)
    ordered = FileDescriptorSet(file=[files[name] for name in _imports_first(files)])
    return Description(services, ordered.SerializeToString(deterministic=True))


def _add_with_imports(
    files: dict[str, FileDescriptorProto], file: FileDescriptorProto, find: Callable[[str], FileDescriptorProto]
) -> None:
    """Add a file and all that it imports."""
    missing = [file]
    while missing:
        file = missing.pop()
        if file.name not in files:
            files[file.name] = file
            missing += [_found(name, find) for name in file.dependency if name not in files]


def _imports_first(files: dict[str, FileDescriptorProto]) -> Iterable[str]:
    """Give the names of the files, each behind those that it imports."""
    try:
        return list(TopologicalSorter({name: file.dependency for name, file in files.items()}).static_order())
    except CycleError as error:
        raise NotLearnt(f"its files import one another: {' > '.join(error.args[1])}") from error


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


class _Answers:
    """All answers to one look: how much they are and how long they take is bounded, as a server may be broken."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning
        self._end = time.monotonic() + learning.all_answers_seconds
        self._seen: set[int] = set()
        self._bytes = 0

    def seconds_left(self) -> float:
        """For the next answer."""
        return max(0.0, min(self._learning.answer_seconds, self._end - time.monotonic()))

    def bounded(self, answers: Iterator[ServerReflectionResponse]) -> Iterator[ServerReflectionResponse]:
        """Give answers on. Raises NotLearnt for an error, and when there were too many files."""
        for answer in answers:
            error = answer.error_response
            if error.error_code not in (0, grpc.StatusCode.NOT_FOUND.value[0]):
                raise NotLearnt(f"its reflection answers with error {error.error_code}: {error.error_message}")
            # Servers send files again that other answers had, so that these count once.
            for file in answer.file_descriptor_response.file_descriptor_proto:
                if hash(file) not in self._seen:
                    self._seen.add(hash(file))
                    self._bytes += len(file)
            most_files, most_bytes = self._learning.most_files, self._learning.most_bytes
            if len(self._seen) > most_files or self._bytes > most_bytes:
                raise NotLearnt(f"it describes more than {most_files} files or {most_bytes} bytes")
            yield answer


_Details = namedtuple("_Details", "method timeout metadata credentials wait_for_ready compression")


class _Asking(grpc.StreamStreamClientInterceptor):
    """Gives each question a deadline, which the library's client does not, and puts it to the version wanted.

    The messages of both versions are the same; the library has v1alpha only.
    """

    def __init__(self, version: str, answers: _Answers) -> None:
        self._method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        self._answers = answers

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        details = client_call_details
        seconds = self._answers.seconds_left()
        asked = _Details(self._method, seconds, details.metadata, details.credentials, None, None)
        return self._answers.bounded(continuation(asked, request_iterator))
