"""Entries of the audit log as rows. What names the caller and the objects has columns, so that it can be erased."""

from __future__ import annotations

import json
from typing import Any, Protocol

from library.v1.audit_pb2 import AuditEntry
from service_kit.clock import micros, timestamp

OWN_COLUMNS = ("id", "time", "caller_user_id", "credential_id", "address", "objects")


class AuditRow(Protocol):
    """A row with the columns that `audit_columns` names. The time is in microseconds since 1970."""

    id: str
    time: int
    caller_user_id: str
    credential_id: str
    address: str
    objects: str
    """A JSON list."""
    message: bytes
    """All other fields, serialized."""


def audit_columns(entry: AuditEntry) -> dict[str, Any]:
    """Convert a message to the columns of a row."""
    rest = AuditEntry()
    rest.CopyFrom(entry)
    for name in OWN_COLUMNS:
        rest.ClearField(name)  # type: ignore[arg-type]
    return {
        "id": entry.id,
        "time": micros(entry.time),
        "caller_user_id": entry.caller_user_id.lower(),
        "credential_id": entry.credential_id,
        "address": entry.address,
        "objects": json.dumps(list(entry.objects)),
        "message": rest.SerializeToString(),
    }


def audit_message(row: AuditRow) -> AuditEntry:
    """Convert a row to the message. Raises one of `DAMAGE` for a damaged row."""
    entry = AuditEntry.FromString(bytes(row.message))
    entry.id, entry.caller_user_id = row.id, row.caller_user_id
    entry.credential_id, entry.address = row.credential_id, row.address
    entry.time.CopyFrom(timestamp(row.time))
    entry.objects.extend(objects_in(row.objects))
    return entry


def objects_in(text: str) -> list[str]:
    """Return the objects in the column of a row. One that was erased is an empty text there, and is left out."""
    return [each for each in json.loads(text) if each]


def as_stored(text: str) -> str:
    """Return an object as the column of a row contains it, in quotes."""
    return json.dumps(text)
