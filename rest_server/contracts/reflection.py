"""Read the files of a server's contract by server reflection, v1 or v1alpha."""

from __future__ import annotations

import re
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
"""Prefix of gRPC's own services (health, reflection), which are left out."""

_TOKEN = re.compile(r"[!-~]{1,4096}")


class ContractUnread(Exception):
    """The contract of a server cannot be read; the message has the reason."""


@dataclass(frozen=True)
class Description:
    """A server's description of its contract. Equal descriptions are of the same contract."""

    services: tuple[str, ...]
    """Full names, in the server's order."""
    files: bytes
    """A serialized FileDescriptorSet. Each file comes after its imports, and has comments if the server sends them."""


def describe(channel: grpc.Channel, learning: Learning) -> Description:
    """Read the description. Blocks until it is complete or the channel is closed. Raises ContractUnread."""
    answers = _Answers(learning)
    metadata = _token_metadata(learning)
    try:
        try:
            return _described(channel, _Asking("v1alpha", answers, metadata))
        except grpc.RpcError as error:
            if _code(error) is not grpc.StatusCode.UNIMPLEMENTED:
                raise
            return _described(channel, _Asking("v1", answers, metadata))
    except grpc.RpcError as error:
        raise ContractUnread(f"{_code(error).name}: {getattr(error, 'details', str)()}") from error
    except KeyError as error:
        raise ContractUnread(f"its reflection refers to what it lacks: {error}") from error


def _token_metadata(learning: Learning) -> tuple[tuple[str, str], ...]:
    """Return the metadata with the token. The file is read each time, as it can be replaced. Raises ContractUnread."""
    if learning.token_file is None:
        return ()
    try:
        token = learning.token_file.read_text().strip()
    except (OSError, UnicodeError) as error:
        problem = getattr(error, "strerror", None) or "it is not a text"
        raise ContractUnread(f"{learning.token_file} cannot be read: {problem}") from None
    if not _TOKEN.fullmatch(token):
        raise ContractUnread(f"{learning.token_file} does not contain a token, on one line")
    return (("authorization", f"Bearer {token}"),)


def _described(channel: grpc.Channel, asking: _Asking) -> Description:
    database = ProtoReflectionDescriptorDatabase(grpc.intercept_channel(channel, asking))
    services = tuple(name for name in database.get_services() if not name.startswith(PLUMBING))
    files: dict[str, FileDescriptorProto] = {}
    for service in services:
        try:
            described = database.FindFileContainingSymbol(service)
        except KeyError:  # a service that is listed and not described
            continue
        _add_with_imports(files, described, database.FindFileByName)
    for message in (message for file in files.values() for message in file.message_type):
        _name_in_json(message)
    ordered = FileDescriptorSet(file=[files[name] for name in _imports_first(files)])
    return Description(services, ordered.SerializeToString(deterministic=True))


def _add_with_imports(
    files: dict[str, FileDescriptorProto], file: FileDescriptorProto, find: Callable[[str], FileDescriptorProto]
) -> None:
    missing = [file]
    while missing:
        file = missing.pop()
        if file.name not in files:
            files[file.name] = file
            missing += [_found(name, find) for name in file.dependency if name not in files]


def _imports_first(files: dict[str, FileDescriptorProto]) -> Iterable[str]:
    """Return the names of the files, each after its imports."""
    try:
        return list(TopologicalSorter({name: file.dependency for name, file in files.items()}).static_order())
    except CycleError as error:
        raise ContractUnread(f"its files import one another: {' > '.join(error.args[1])}") from error


def _found(name: str, find: Callable[[str], FileDescriptorProto]) -> FileDescriptorProto:
    try:
        return find(name)
    except KeyError:
        # Some servers leave out the files of protobuf and googleapis.
        file = FileDescriptorProto()
        descriptor_pool.Default().FindFileByName(name).CopyToProto(file)
        return file


def _name_in_json(message: Any) -> None:
    """Set the fields' names in JSON, which protoc writes and reflection can lack."""
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
    """All answers for one description. Their size and time are bounded, as a server can be broken."""

    def __init__(self, learning: Learning) -> None:
        self._learning = learning
        self._end = time.monotonic() + learning.all_answers_seconds
        self._seen: set[int] = set()
        self._bytes = 0

    def seconds_left(self) -> float:
        return max(0.0, min(self._learning.answer_seconds, self._end - time.monotonic()))

    def bounded(self, answers: Iterator[ServerReflectionResponse]) -> Iterator[ServerReflectionResponse]:
        """Pass answers on. Raises ContractUnread for an error, and for too many files or bytes."""
        for answer in answers:
            error = answer.error_response
            if error.error_code not in (0, grpc.StatusCode.NOT_FOUND.value[0]):
                raise ContractUnread(f"its reflection answers with error {error.error_code}: {error.error_message}")
            # Servers can send a file with several answers; it counts once.
            for file in answer.file_descriptor_response.file_descriptor_proto:
                if hash(file) not in self._seen:
                    self._seen.add(hash(file))
                    self._bytes += len(file)
            most_files, most_bytes = self._learning.most_files, self._learning.most_bytes
            if len(self._seen) > most_files or self._bytes > most_bytes:
                raise ContractUnread(f"it describes more than {most_files} files or {most_bytes} bytes")
            yield answer


_Details = namedtuple("_Details", "method timeout metadata credentials wait_for_ready compression")


class _Asking(grpc.StreamStreamClientInterceptor):
    """Sets a deadline for each question, and the version of reflection.

    grpcio-reflection's client has neither: it waits without end, and calls v1alpha. Both versions have the same
    messages.
    """

    def __init__(self, version: str, answers: _Answers, metadata: tuple[tuple[str, str], ...]) -> None:
        self._method = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
        self._answers, self._metadata = answers, metadata

    def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        details = client_call_details
        seconds = self._answers.seconds_left()
        asked = _Details(self._method, seconds, self._metadata, details.credentials, None, None)
        return self._answers.bounded(continuation(asked, request_iterator))
