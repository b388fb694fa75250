"""Both services and library-rest as processes, called with anything, and what came of the calls."""

from __future__ import annotations

import http.client
import json
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, Message

from rest_server.contract import compiled
from rest_server.http_rules import HttpRule
from rest_server.reflection import describe
from tests.fuzz.http_requests import HttpRequest, method_name
from tests.fuzz.known import Known
from tests.support.processes import ServerProcess, ServingProcess
from tests.support.rest import RestProcess

CALL_SECONDS = 100.0
"""What only a hang takes."""

FAULTS = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED", "UNIMPLEMENTED")
"""Statuses that no request may cause while all is well around the services."""


@dataclass
class Method:
    """A method of one of the services, as reflection describes it."""

    service: ServerProcess
    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """As calls have it: `package.Service/Method`."""
        return f"{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def input(self) -> Descriptor:
        """The request."""
        return self.descriptor.input_type


@dataclass
class Library:
    """The processes, and what is known of what they hold."""

    admin: ServerProcess
    frontend: ServerProcess
    rest: RestProcess
    known: Known = field(default_factory=Known)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Calls, by way (`gRPC`, `HTTP`), method and status."""
    methods: dict[str, Method] = field(default_factory=dict)
    rules: list[HttpRule] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._pids = {process.name: process.pid for process in self._processes()}
        self._channels = {service.name: service.channel() for service in (self.admin, self.frontend)}
        for service in (self.admin, self.frontend):
            description = describe(self._channels[service.name])
            pool = descriptor_pool.DescriptorPool()
            for file in FileDescriptorSet.FromString(description.files).file:
                pool.AddSerializedFile(file.SerializeToString())
            for name in description.services:
                methods = [Method(service, one) for one in pool.FindServiceByName(name).methods]
                self.methods.update({method.name: method for method in methods})
            self.rules += compiled(service.address, description).rules

    def call(self, method: Method, requests: Sequence[bytes]) -> tuple[str, bytes]:
        """Call with bytes; return the status, and the answer or the message of the error."""
        channel: Any = self._channels[method.service.name]
        path = f"/{method.name}"
        answer: bytes
        try:
            if method.descriptor.client_streaming:
                answer = channel.stream_unary(path)(iter(requests), timeout=CALL_SECONDS)
            else:
                answer = channel.unary_unary(path)(requests[0], timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            call: Any = error
            status, told = call.code().name, str(call.details()).encode()
        else:
            status, told = "OK", answer
            self.known.learn(self.parsed(method, answer))
        self.counts["gRPC", method.name, status] += 1
        return status, told

    def ask(self, rule: HttpRule, request: HttpRequest) -> tuple[int, bytes]:
        """Ask over HTTP; return the status and the body."""
        connection = http.client.HTTPConnection(self.rest.address, timeout=CALL_SECONDS)
        try:
            connection.putrequest(request.verb, request.path, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value.encode("latin-1"))
            if request.body is not None:
                connection.putheader("Content-Length", str(len(request.body)))
            connection.endheaders(request.body)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        finally:
            connection.close()
        name = method_name(rule)
        self.counts["HTTP", name, str(status)] += 1
        if status == 200 and answer.headers["Content-Encoding"] is None:
            made: Message = message_factory.GetMessageClass(self.methods[name].descriptor.output_type)()
            json_format.Parse(body, made)  # what is answered is JSON of its type
            self.known.learn(made)
        return status, body

    @staticmethod
    def parsed(method: Method, answer: bytes) -> Message:
        """Read an answer."""
        made: Message = message_factory.GetMessageClass(method.descriptor.output_type)()
        try:
            made.ParseFromString(answer)
        except DecodeError as error:
            raise AssertionError(f"{method.name} answers what is not a message") from error
        return made

    def list_everything(self) -> Iterator[tuple[str, int]]:
        """Read all pages of all lists; pass up each list's name and how many rows it has."""
        for method in self.methods.values():
            if method.descriptor.name.startswith("List"):
                yield method.name, self._rows(method)

    def _rows(self, method: Method) -> int:
        request: Any = message_factory.GetMessageClass(method.input)()
        for name in ("user_id", "book_id"):
            if name in method.input.fields_by_name and self.call(method, [request.SerializeToString()])[0] != "OK":
                setattr(request, name, next(iter(self.known._values[name]), ""))
        rows = 0
        while True:
            status, told = self.call(method, [request.SerializeToString()])
            assert status == "OK", (method.name, request, told)
            answer: Any = self.parsed(method, told)
            rows += sum(len(value) for one, value in answer.ListFields() if one.is_repeated)
            if "cursor" in method.input.fields_by_name:
                request.cursor = answer.next_cursor
                more = answer.has_more
            else:
                request.page_token = getattr(answer, "next_page_token", "")
                more = bool(request.page_token)
            if not more:
                return rows

    def check_alive(self) -> None:
        """See that all processes are those that were started."""
        for process in self._processes():
            assert process.is_running, process.log_tail()
            assert process.pid == self._pids[process.name]

    def report(self, title: str) -> str:
        """Put the counts into words, a line for each method."""
        lines = [title]
        for way, name in sorted({(way, name) for way, name, _ in self.counts}):
            of_method = {status: count for (w, n, status), count in self.counts.items() if (w, n) == (way, name)}
            lines.append(f"{way} {name}: {json.dumps(dict(sorted(of_method.items())))}")
        lines.append(f"calls: {sum(self.counts.values())}")
        return "\n".join(lines)

    def _processes(self) -> list[ServingProcess]:
        return [self.admin, self.frontend, self.rest]


def write_report(text: str) -> None:
    """Print a report, and add it to the file that LIBRARY_FUZZ_REPORT names."""
    print(text, file=sys.stderr)
    if name := os.environ.get("LIBRARY_FUZZ_REPORT"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text + "\n\n")
