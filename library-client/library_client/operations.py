"""Long-running operations, such as imports: the parts of an upload, and how long each request waits for the end.

Nothing here calls a server or waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import BinaryIO

from library.admin.v1.import_service_pb2 import ImportConfig, StartImportRequest

try:
    from library.operations_pb2 import Operation, WaitOperationRequest
    from library.operations_pb2_grpc import OperationsStub
except ModuleNotFoundError:  # where the library itself is installed: its stubs import those of Google
    from google.longrunning.operations_pb2 import Operation, WaitOperationRequest
    from google.longrunning.operations_pb2_grpc import OperationsStub

__all__ = ["Operation", "OperationsStub", "Wait", "file_parts"]

PART_BYTES = 512 * 1024
"""Of a message of an upload; a server accepts 1,000,000."""

WAIT_SECONDS = 5.0
"""For which a server is asked to wait, which is less than the time of an attempt."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0
"""Seconds after an answer that came at once although the operation has not ended, as it may (AIP-151)."""


def file_parts(file: BinaryIO, config: ImportConfig | None = None) -> Iterator[StartImportRequest]:
    """Yield the messages that upload a file, for StartImport.

    For example `library.imports.StartImport(file_parts(file, ImportConfig(source="branch.mrc")))`. With a `request_id`
    in the config, an upload that is sent again returns the operation of the first one.
    """
    yield StartImportRequest(config=config, chunk=file.read(PART_BYTES))
    while part := file.read(PART_BYTES):
        yield StartImportRequest(chunk=part)


class Wait:
    """The requests that wait for the end of one operation."""

    def __init__(self, name: str, timeout: float | None, now: Callable[[], float] = time.monotonic) -> None:
        """Plan to wait for `timeout` seconds; None waits without a limit."""
        self._name, self._now = name, now
        self._deadline = None if timeout is None else now() + timeout
        self._pause = FIRST_PAUSE
        self._asked = now()

    def next_request(self) -> WaitOperationRequest:
        """Return the next request. Raises TimeoutError when the time is over; the operation goes on."""
        self._asked = self._now()
        left = WAIT_SECONDS if self._deadline is None else min(WAIT_SECONDS, self._deadline - self._asked)
        if left <= 0:
            raise TimeoutError(f"{self._name} has not ended in time; it goes on")
        request = WaitOperationRequest(name=self._name)
        request.timeout.FromMicroseconds(round(left * 1_000_000))
        return request

    def pause(self) -> float:
        """Return the seconds until the next request, after an answer that the operation has not ended."""
        if self._now() - self._asked >= 1.0:
            self._pause = FIRST_PAUSE
            return 0.0
        pause, self._pause = self._pause, min(2 * self._pause, LONGEST_PAUSE)
        return pause if self._deadline is None else max(min(pause, self._deadline - self._now()), 0.0)
