"""The audit log: entries of this service, and those that the frontend pushes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import peewee

from admin_server.store.models import AuditEntry, AuditObject, Frontend
from library.admin.v1.staff_service_pb2 import ListAuditEntriesRequest
from library.v1 import audit_pb2, user_pb2
from library_domain.access.audit_rows import as_stored, audit_columns, audit_message, objects_in
from library_domain.access.audited_objects import same_object
from service_kit.cleanups import ROWS
from service_kit.clock import DAY, micros
from service_kit.paging import page, page_size, row_position
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store
from service_kit.unreadable import read_rows

DAYS_KEPT = 400
"""How long entries are kept: a year, and a month in which it is looked at."""

OWN_METHODS = ("library.admin.", "library.sync.")
"""How the names of this service's methods begin."""

COLUMNS = ("id", "time", "result", "caller_user_id", "credential_id", "address", "objects", "message", "revision")
INSERT = Statement(AuditEntry.insert(**{name: param(name) for name in COLUMNS}).returning(AuditEntry.key))
INSERT_OBJECT = Statement(AuditObject.insert(object=param("object"), entry_key=param("entry_key")))
_OLD = AuditEntry.select(AuditEntry.key).where(AuditEntry.time < param("before")).order_by(AuditEntry.time)
DELETE_OLD = Statement(AuditEntry.delete().where(AuditEntry.key.in_(_OLD.limit(ROWS))).returning(AuditEntry.key))


class AuditTable:
    """The table of entries, as `library_domain.access.audit` writes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, entries: Iterable[audit_pb2.AuditEntry]) -> None:
        """Insert entries of this service within the present transaction."""
        for entry in entries:
            [(key,)] = INSERT.rows(**entry_columns(entry), revision=0)
            _insert_objects(key, entry.objects)

    def delete_old(self, now: int) -> int:
        """Delete some entries that have been kept long enough; return how many those were."""
        with self._store.writing():
            self._store.locking(Frontend.select()).first()  # before many rows: see docs/locks.md
            keys = [key for (key,) in DELETE_OLD.rows(before=now - DAYS_KEPT * DAY)]
            AuditObject.delete().where(AuditObject.entry_key.in_(keys)).execute()
        return len(keys)


# --- entries that the frontend pushes ---


def entry_columns(entry: audit_pb2.AuditEntry) -> dict[str, Any]:
    """Convert a message to the columns of its row but for the revision."""
    return {**audit_columns(entry), "result": entry.result}


def entry_problems(entry: audit_pb2.AuditEntry) -> list[str]:
    """Return why an entry of the frontend cannot be recorded. It must not pass for one of this service.

    A repair of the store sets revisions to 0, also that of a frontend's entry. So the method shows whose it is.
    """
    if entry.method.startswith(OWN_METHODS):
        return ["method is one of the admin service"]
    query = AuditEntry.select(AuditEntry.message).where(AuditEntry.id == entry.id, AuditEntry.revision == 0)
    methods = [audit_pb2.AuditEntry.FromString(bytes(message)).method for (message,) in tuples(query)]
    is_own = any(not method or method.startswith(OWN_METHODS) for method in methods)
    return ["id is that of an entry of the admin service"] if is_own else []


def index_entries(entries: Sequence[audit_pb2.AuditEntry]) -> None:
    """Make these entries, as they are recorded now, the ones that are found by their objects.

    What was recorded may be a newer version than these messages: one from which a user was erased.
    """
    ids = [entry.id for entry in entries]
    rows = tuples(AuditEntry.select(AuditEntry.key, AuditEntry.objects).where(AuditEntry.id.in_(ids)))
    AuditObject.delete().where(AuditObject.entry_key.in_([key for key, _ in rows])).execute()
    for key, objects in rows:
        _insert_objects(key, objects_in(objects))


def forget_erased_users(users: Sequence[user_pb2.User]) -> None:
    """Remove the erased ones of these users from the entries of the time before they were erased.

    The entry of the erasure itself is kept: it has the id, which by then is the id of nobody known.
    """
    for user in users:
        if user.state == user_pb2.USER_STATE_CLOSED and not user.card_number:
            _forget_user(user.id, micros(user.update_time))


def _forget_user(user_id: str, before: int) -> None:
    nobody = {"caller_user_id": "", "credential_id": "", "address": ""}
    AuditEntry.update(**nobody).where(AuditEntry.caller_user_id == user_id, AuditEntry.time < before).execute()
    about = AuditObject.select(AuditObject.entry_key).where(AuditObject.object == user_id)
    without_user = peewee.fn.REPLACE(AuditEntry.objects, as_stored(user_id), as_stored(""))
    changed = AuditEntry.update(objects=without_user).where(AuditEntry.key.in_(about), AuditEntry.time < before)
    keys = [key for (key,) in tuples(changed.returning(AuditEntry.key))]
    AuditObject.delete().where(AuditObject.object == user_id, AuditObject.entry_key.in_(keys)).execute()


def _insert_objects(entry_key: int, objects: Iterable[str]) -> None:
    INSERT_OBJECT.many({"object": each, "entry_key": entry_key} for each in objects)


# --- listing ---


def list_audit_entries(store: Store, request: ListAuditEntriesRequest) -> tuple[list[audit_pb2.AuditEntry], str]:
    """Return a page of entries, the last recorded first, and the token of the next page. Raises `FieldInvalid`."""
    query = entries_query(request).limit(page_size(request) + 1)
    with store.reading():
        rows = read_rows(query, AuditEntry)
    return page(request, rows, audit_message, lambda row: row.key)


def entries_query(request: ListAuditEntriesRequest) -> Any:
    """Return the query for the entries of a page and all that follow, in their order."""
    query = AuditEntry.select()
    key: Any = AuditEntry.key
    if request.object:
        key = AuditObject.entry_key
        query = query.join(AuditObject, on=(key == AuditEntry.key)).where(
            AuditObject.object == same_object(request.object)
        )
    if request.caller_user_id:
        query = query.where(AuditEntry.caller_user_id == request.caller_user_id.lower())
    if request.result:
        query = query.where(AuditEntry.result == request.result)
    if before := row_position(request):
        query = query.where(key < before)
    return query.order_by(key.desc())
