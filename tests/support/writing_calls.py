"""What the writing calls of both services share: values of a few, so that calls are about the same rows.

The tests of locks make all calls: `FrontendCalls.by_name` and `AdminCalls.by_name` have an entry for each.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping
from uuid import UUID

import grpc
from google.protobuf.message import Message

from frontend_server.sync.answers import AnswerRefused
from library.v1.audit_pb2 import AUDIT_RESULT_DONE, AuditEntry
from library_domain.access.audit import AuditTable
from library_domain.access.audited_objects import objects_of
from service_kit.change_record import CHANGE_RECORD
from service_kit.clock import Clock, timestamp
from service_kit.errors import ServiceError
from service_kit.ids import new_id

Call = Callable[[random.Random], object]

EMAILS = [f"patron{number}@example.org" for number in range(6)]
BARCODES = [f"B{number}" for number in range(40)]
WORDS = ("emma", "persuasion", "middlemarch", "villette", "shirley", "romola", "lavengro")


def refused_or_done(call: Call, chance: random.Random) -> object:
    """Make a call that may be refused, or may find the admin at fault; other errors are raised."""
    try:
        return call(chance)
    except (ServiceError, grpc.RpcError, AnswerRefused) as refusal:
        return refusal


def some_request_id(chance: random.Random) -> str:
    """Return no request id, or one of a few, which other calls use as well."""
    return chance.choice(["", str(UUID(int=chance.randrange(1_000, 1_040)))])


class Audited:
    """Writes an entry of the audit log with each change, as in the mode `token`."""

    def __init__(self, table: AuditTable, clock: Clock) -> None:
        self._table, self._clock = table, clock
        self.without: set[str] = set()
        """The methods of which no call has written an entry yet."""
        self._method = threading.local()

    def calls(self, by_name: Mapping[str, Call]) -> dict[str, Call]:
        """Return the calls; those of methods for clients add an entry to the log."""
        return {
            name: self._audited(name, call) if "/" in name and not name.startswith("library.sync.") else call
            for name, call in by_name.items()
        }

    def write(self, changed: Message | None) -> None:
        entry = AuditEntry(id=new_id(), time=timestamp(self._clock()), result=AUDIT_RESULT_DONE)
        entry.objects.extend(objects_of(changed))
        self._table.add([entry])
        self.without.discard(self._method.name)

    def end(self, *, committed: bool) -> None:
        pass

    def skip(self) -> None:
        pass

    def _audited(self, method: str, call: Call) -> Call:
        self.without.add(method)

        def make_call(chance: random.Random) -> object:
            self._method.name = method
            token = CHANGE_RECORD.set(self)
            try:
                return call(chance)
            finally:
                CHANGE_RECORD.reset(token)

        return make_call
