"""The calls about operations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any
from uuid import UUID

import grpc
from google.longrunning.operations_pb2 import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
    Operation,
    WaitOperationRequest,
)
from google.longrunning.operations_pb2_grpc import OperationsStub

from library.admin.v1.import_service_pb2 import (
    ImportProblem,
    ImportProgress,
    ListImportProblemsRequest,
    StartImportRequest,
)
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from library_cli.channel import ANSWER_SECONDS, pages
from library_cli.stopped import CommandStopped

PAGE_SIZE = 1_000
UPLOAD_SECONDS = 600.0
"""Deadline of an upload: how long a server lets a stream last."""

COLLECTION = "operations/"
_BEGINNING = re.compile("[0-9a-fA-F-]{1,36}")


class Imports:
    """The operations of an admin service."""

    def __init__(self, channel: grpc.Channel) -> None:
        self._imports = ImportServiceStub(channel)
        self._operations: Any = OperationsStub(channel)

    def start(self, messages: Iterable[StartImportRequest]) -> Operation:
        """Upload a file."""
        return self._imports.StartImport(iter(messages), timeout=UPLOAD_SECONDS)

    def get(self, identity: str) -> Operation:
        """Return an operation."""
        found: Operation = self._operations.GetOperation(
            GetOperationRequest(name=COLLECTION + identity), timeout=ANSWER_SECONDS
        )
        return found

    def is_dry_run(self, identity: str) -> bool:
        """Return whether an import only checked its file. An import that was removed from the list counts as none."""
        try:
            return progress_of(self.get(identity)).validate_only
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.NOT_FOUND:
                return False
            raise

    def wait(self, identity: str, seconds: int) -> Operation:
        """Return an operation when it has ended, or after some seconds."""
        request = WaitOperationRequest(name=COLLECTION + identity)
        request.timeout.FromSeconds(seconds)
        found: Operation = self._operations.WaitOperation(request, timeout=seconds + ANSWER_SECONDS)
        return found

    def all(self) -> Iterator[Operation]:
        """Yield all operations, the newest first."""
        for page in pages(self._operations.ListOperations, ListOperationsRequest(page_size=PAGE_SIZE)):
            yield from page.operations

    def cancel(self, identity: str) -> None:
        """Cancel an operation."""
        self._operations.CancelOperation(CancelOperationRequest(name=COLLECTION + identity), timeout=ANSWER_SECONDS)

    def delete(self, identity: str) -> None:
        """Delete an operation that has ended."""
        self._operations.DeleteOperation(DeleteOperationRequest(name=COLLECTION + identity), timeout=ANSWER_SECONDS)

    def problems(self, identity: str) -> Iterator[ImportProblem]:
        """Yield the problems of an operation, in the order of the file."""
        request = ListImportProblemsRequest(import_id=identity, page_size=PAGE_SIZE)
        for page in pages(self._imports.ListImportProblems, request):
            yield from page.problems

    def named(self, text: str) -> str:
        """Return the id of the operation whose id begins so. Raises `CommandStopped` for none, or for several."""
        text = text.strip().removeprefix(COLLECTION).lower()
        try:
            return str(UUID(text))
        except ValueError:
            pass
        found = (
            [id_of(each) for each in self.all() if id_of(each).startswith(text)] if _BEGINNING.fullmatch(text) else []
        )
        if not found:
            raise CommandStopped(f"No import has an id that begins with {text!r}: `library imports` lists them.")
        if len(found) > 1:
            raise CommandStopped(f"Several imports have an id that begins with {text!r}: {', '.join(found[:3])}.")
        return found[0]


def id_of(operation: Operation) -> str:
    """Return the id in the name of an operation."""
    return str(operation.name).removeprefix(COLLECTION)


def progress_of(operation: Operation) -> ImportProgress:
    """Return how far an operation is."""
    progress = ImportProgress()
    operation.metadata.Unpack(progress)
    return progress
