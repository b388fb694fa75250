"""A gRPC server whose reflection returns what a test sets, true or not."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_reflection.v1alpha import reflection_pb2_grpc
from grpc_reflection.v1alpha.reflection_pb2 import ServerReflectionRequest, ServerReflectionResponse

STOP_SECONDS = 60.0


class MisdescribedServer(reflection_pb2_grpc.ServerReflectionServicer):
    """Has nothing but reflection, which returns files as they are. Only those of google are added to them."""

    def __init__(self, files: Iterable[FileDescriptorProto] = (), *, answer_seconds: float = 0.0) -> None:
        """Start it. Each answer takes as long."""
        self.left_out = ""
        """A file that it does not have."""
        self.answer_seconds = answer_seconds
        self.sends_imports = False
        """Whether an answer has the files that its file imports, as some servers' have each time."""
        self.asked = threading.Event()
        """Set when a question has come."""
        self._stopping = threading.Event()
        self.say(files)
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        add: Any = reflection_pb2_grpc.add_ServerReflectionServicer_to_server
        add(self, self._server)
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def say(self, files: Iterable[FileDescriptorProto]) -> None:
        """Say this from now on; a service is taken to be in the file that has it last."""
        described = list(files)
        self.say_bytes(
            {file.name: file.SerializeToString() for file in described},
            {f"{file.package}.{service.name}": file.name for file in described for service in file.service},
        )

    def say_bytes(self, files: Mapping[str, bytes], services: Mapping[str, str]) -> None:
        """The same, of files that may be invalid: by their names, and of services the names of their files."""
        self._files, self._services = dict(files), dict(services)

    def stop(self) -> None:
        """End it at once, and wait for the end."""
        self._stopping.set()
        assert self._server.stop(0).wait(STOP_SECONDS)

    def ServerReflectionInfo(
        self, request_iterator: Iterator[ServerReflectionRequest], context: grpc.ServicerContext
    ) -> Iterator[ServerReflectionResponse]:
        """Answer as grpc/reflection/v1alpha/reflection.proto has it."""
        for question in request_iterator:
            self.asked.set()
            self._stopping.wait(self.answer_seconds)
            answer = ServerReflectionResponse(original_request=question)
            if question.WhichOneof("message_request") == "list_services":
                for service in self._services:
                    answer.list_services_response.service.add(name=service)
            else:
                name = question.file_by_filename or self._services.get(question.file_containing_symbol, "")
                found = self._found(name)
                if found:
                    answer.file_descriptor_response.file_descriptor_proto.extend(found)
                else:
                    answer.error_response.error_code = grpc.StatusCode.NOT_FOUND.value[0]
            yield answer

    def _found(self, name: str) -> Sequence[bytes]:
        if name == self.left_out:
            return []
        if name in self._files:
            own = self._files[name]
            imported = FileDescriptorProto.FromString(own).dependency if self.sends_imports else ()
            return [own, *(self._files[file] for file in imported if file in self._files)]
        if not name.startswith("google/"):
            return []
        return [descriptor_pool.Default().FindFileByName(name).serialized_pb]
