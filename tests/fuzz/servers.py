"""Both services and library-rest as processes, called with anything, and what came of the calls."""

from __future__ import annotations

import http.client
import json
import os
import sys
import tempfile
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from library.sync.v1.sync_service_pb2 import RECORD_RESULT_REFUSED
from library_domain.pairing import Credentials
from rest_server.contracts.contract import compiled
from rest_server.contracts.http_rules import HttpRule
from rest_server.contracts.reflection import describe
from rest_server.settings import Learning
from service_kit.store import open_store
from tests.fuzz.http_requests import HttpRequest, method_name
from tests.fuzz.known import Known
from tests.support.processes import ROOT, ServerProcess, ServingProcess
from tests.support.rest import RestProcess

CALL_SECONDS = 100.0
"""Only a call that hangs takes longer."""

MOST_REVISION = 2**45
"""The highest revision of a row that the contract allows."""

FAULTS = ("INTERNAL", "UNKNOWN", "DATA_LOSS", "DEADLINE_EXCEEDED", "UNAVAILABLE", "CANCELLED", "UNIMPLEMENTED")
"""Statuses that no request may cause while all is well around the services."""

NO_SOURCE = b"The source "
"""How the message begins of an error that is right: no other catalogue can be reached from here."""


def is_fault(status: str, message: bytes) -> bool:
    """Return whether a call ended as none may."""
    return status in FAULTS and not (status == "UNAVAILABLE" and message.startswith(NO_SOURCE))


@dataclass
class Method:
    """A method of one of the services, as reflection describes it."""

    service: ServerProcess
    descriptor: MethodDescriptor
    package: str = ""
    """Another package than the descriptor's, for the second version of reflection."""

    @property
    def name(self) -> str:
        """As calls have it: `package.Service/Method`."""
        service = self.descriptor.containing_service
        full_name = f"{self.package}.{service.name}" if self.package else service.full_name
        return f"{full_name}/{self.descriptor.name}"

    @property
    def is_plumbing(self) -> bool:
        """Whether it is of health or of reflection; two servers have these, so the address distinguishes them."""
        full_name: str = self.descriptor.containing_service.full_name
        return full_name.startswith("grpc.")

    @property
    def input(self) -> Descriptor:
        """The request."""
        return self.descriptor.input_type


@dataclass
class Library:
    """The processes, and the known values in their stores."""

    admin: ServerProcess
    frontend: ServerProcess
    rest: RestProcess
    known: Known = field(default_factory=Known)
    counts: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """Calls, by way (`gRPC`, `HTTP`), method and status."""
    methods: dict[str, Method] = field(default_factory=dict)
    rules: list[HttpRule] = field(default_factory=list)
    latest: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=300))
    """The latest calls, for the report of a failure: it may be one of them that led to it."""

    def __post_init__(self) -> None:
        self._credentials = credentials_of(self.frontend)
        self.known.add("frontend_id", self._credentials.frontend_id)
        self._pids = {process.name: process.pid for process in self._processes()}
        self._channels = {service.name: service.channel() for service in (self.admin, self.frontend)}
        for service in (self.admin, self.frontend):
            description = describe(self._channels[service.name], Learning())
            pool = descriptor_pool.DescriptorPool()
            for file in FileDescriptorSet.FromString(description.files).file:
                pool.AddSerializedFile(file.SerializeToString())
            for name in description.services:
                methods = [Method(service, one) for one in pool.FindServiceByName(name).methods]
                self.methods.update({method.name: method for method in methods})
            self.rules += compiled(service.address, description).rules
            for plumbing in plumbing_of(service):
                self.methods[f"{service.name} {plumbing.name}"] = plumbing

    def call(self, method: Method, requests: Sequence[bytes], *, with_secret: bool = True) -> tuple[str, bytes]:
        """Call with bytes; return the status, and the (first) answer or the message of the error.

        The sync methods of the admin get the secret of the frontend, if that is wanted.
        """
        is_sync = method.descriptor.containing_service.full_name == "library.sync.v1.SyncService"
        metadata = self._credentials.metadata() if is_sync and with_secret else ()
        self.latest.append(
            {"gRPC": method.name, "requests": [each.hex() for each in requests], "with_secret": bool(metadata)}
        )
        try:
            answer = self._answer(method, requests, metadata)
        except grpc.RpcError as error:
            call: Any = error
            status, body = call.code().name, str(call.details()).encode()
        else:
            status, body = "OK", answer
            self.known.learn(self.parsed(method, answer))
        self.latest[-1]["status"] = status
        self.counts["gRPC", method.name, status] += 1
        return status, body

    def _answer(self, method: Method, requests: Sequence[bytes], metadata: Any) -> bytes:
        channel: Any = self._channels[method.service.name]
        takes_many, returns_many = method.descriptor.client_streaming, method.descriptor.server_streaming
        kind = f"{'stream' if takes_many else 'unary'}_{'stream' if returns_many else 'unary'}"
        sent = iter(requests) if takes_many else requests[0]
        answer = getattr(channel, kind)(f"/{method.name}")(sent, timeout=CALL_SECONDS, metadata=metadata)
        if not returns_many:
            made: bytes = answer
            return made
        first: bytes = next(answer, b"")
        if takes_many:
            for _ in answer:  # until the end, which comes, since the requests have ended
                pass
        answer.cancel()
        return first

    def ask(self, rule: HttpRule, request: HttpRequest) -> tuple[int, bytes]:
        """Ask over HTTP; return the status and the body."""
        self.latest.append({"HTTP": request.verb, "path": request.path, "headers": request.headers})
        self.latest[-1]["body"] = None if request.body is None else request.body.hex()
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
        self.latest[-1]["status"] = status
        self.counts["HTTP", name, str(status)] += 1
        output = self.methods[name].descriptor.output_type
        if status == 200 and answer.headers["Content-Encoding"] is None and output.full_name != "google.api.HttpBody":
            made: Message = message_factory.GetMessageClass(output)()
            json_format.Parse(body, made, descriptor_pool=output.file.pool)  # what is answered is JSON of its type
            self.known.learn(made)
        return status, body

    def check_recorded(self, method: Method, request: bytes, answer: bytes) -> None:
        """See that a call that pushes rows took none that cannot be shown: some client would fail at it for ever."""
        pushed: Any = message_factory.GetMessageClass(method.input)()
        pushed.ParseFromString(request)
        answered: Any = self.parsed(method, answer)
        if pushed.start_ids and answered.start_id not in pushed.start_ids:
            assert not answered.outcomes, "no row of another copy of the store is recorded"
            return
        for row, outcome in zip(pushed.states, answered.outcomes, strict=True):
            if outcome.result == RECORD_RESULT_REFUSED:
                continue
            assert 1 <= row.revision <= MOST_REVISION, (row, outcome)
            try:
                json_format.MessageToJson(row)
            except ValueError as error:
                raise AssertionError(f"{method.name} took what cannot be shown: {row}") from error

    @staticmethod
    def parsed(method: Method, answer: bytes) -> Message:
        """Read an answer."""
        made: Message = message_factory.GetMessageClass(method.descriptor.output_type)()
        try:
            made.ParseFromString(answer)
        except DecodeError as error:
            raise AssertionError(f"{method.name} answers what is not a message") from error
        try:
            json_format.MessageToJson(made)
        except ValueError as error:  # for instance an invalid time: other clients fail at it
            raise AssertionError(f"{method.name} answers what cannot be shown: {made}") from error
        return made

    def list_everything(self) -> Iterator[tuple[str, int]]:
        """Read all pages of all lists; pass up each list's name and how many rows it has."""
        for method in self.methods.values():
            if method.descriptor.name.startswith("List") and not method.is_plumbing:
                yield method.name, sum(self._rows(method, request) for request in self._first_requests(method))

    def _first_requests(self, method: Method) -> Iterator[Any]:
        """Yield the request of a list, or that for each import."""
        make: Any = message_factory.GetMessageClass(method.input)
        if "import_id" not in method.input.fields_by_name:
            yield make()
            return
        operations = self.methods["google.longrunning.Operations/ListOperations"]
        status, body = self.call(operations, [b""])
        assert status == "OK", body
        listed: Any = self.parsed(operations, body)
        for operation in listed.operations:
            yield make(import_id=operation.name.removeprefix("operations/"))

    def _rows(self, method: Method, request: Any) -> int:
        for name in ("user_id", "book_id"):
            if name in method.input.fields_by_name and self.call(method, [request.SerializeToString()])[0] != "OK":
                setattr(request, name, next(iter(self.known._values[name]), str(uuid.UUID(int=7))))
        if "group_by" in method.input.fields_by_name:
            request.group_by = 1
        rows = 0
        while True:
            status, body = self.call(method, [request.SerializeToString()])
            assert status == "OK", (method.name, request, body)
            answer: Any = self.parsed(method, body)
            rows += sum(len(value) for one, value in answer.ListFields() if one.is_repeated)
            if "cursor" in method.input.fields_by_name:
                request.cursor = answer.next_cursor
                more = answer.has_more
            elif "page_token" in method.input.fields_by_name:
                request.page_token = answer.next_page_token
                more = bool(request.page_token)
            else:
                more = False  # there are few, in one answer
            if not more:
                return rows

    def check_alive(self) -> None:
        """Check that all processes are those that were started."""
        for process in self._processes():
            assert process.is_running, process.log_tail()
            assert process.pid == self._pids[process.name]

    def check_sync(self) -> None:
        """Check that the services still agree: after any push, new users still reach the admin."""
        status, body = self.call(self.methods["library.frontend.v1.SyncService/SyncNow"], [b""])
        assert status == "OK", body
        status, body = self.call(self.methods["library.frontend.v1.SyncService/GetSyncStatus"], [b""])
        assert status == "OK", body
        answer: Any = self.parsed(self.methods["library.frontend.v1.SyncService/GetSyncStatus"], body)
        assert (answer.last_pull_error, answer.last_push_error, answer.resyncing) == ("", "", False), answer
        assert (answer.waiting_user_count, answer.waiting_loan_count) == (0, 0), answer

    def check_logs(self) -> None:
        """See that no server logged a fault of its own."""
        for process in self._processes():
            faults = [event for event in process.log_events() if event.get("level") in ("error", "critical")]
            assert not faults, (process.name, faults[:5])
            assert "Traceback" not in process.log.read_text(errors="replace")

    def keep_latest(self) -> Path:
        """Write the latest calls, the last of which failed, into a file; return its name."""
        folder = ROOT / "build" / "fuzz"
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(
            "w", encoding="ascii", dir=folder, prefix="failure-", suffix=".jsonl", delete=False
        ) as file:
            file.writelines(json.dumps(call) + "\n" for call in self.latest)
        return Path(file.name)

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


def plumbing_of(service: ServerProcess) -> list[Method]:
    """The methods of health and reflection, which the contract does not have."""
    health: Any = health_pb2.DESCRIPTOR.services_by_name["Health"]
    reflection: Any = reflection_pb2.DESCRIPTOR.services_by_name["ServerReflection"]
    methods = [Method(service, health.methods_by_name[name]) for name in ("Check", "Watch")]
    return methods + [Method(service, reflection.methods[0], package) for package in ("", "grpc.reflection.v1")]


def credentials_of(frontend: ServerProcess) -> Credentials:
    """Read from its store what the frontend proves to the admin who it is by."""
    with closing(open_store(frontend.database_url)) as store, store.reading():
        [row] = store.database.execute_sql("SELECT frontend_id, secret FROM sync_state").fetchall()
    return Credentials(*row)


def write_report(text: str) -> None:
    """Print a report, and add it to the file that LIBRARY_FUZZ_REPORT names."""
    print(text, file=sys.stderr)
    if name := os.environ.get("LIBRARY_FUZZ_REPORT"):
        with Path(name).open("a", encoding="utf-8") as file:
            file.write(text + "\n\n")
