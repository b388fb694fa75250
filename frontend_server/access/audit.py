"""The audit log of the frontend: entries wait here for the push, and stay for some weeks after it."""

from __future__ import annotations

from collections.abc import Iterable

import peewee

from frontend_server.store.models import AuditEntry
from library.v1 import audit_pb2
from library_domain.access.audit_rows import as_stored, audit_columns
from service_kit.cleanups import Deletion
from service_kit.clock import DAY
from service_kit.revisions import take_revisions
from service_kit.statements import Statement, param, tuples
from service_kit.store import Store

DAYS_KEPT = 30
"""How long an entry that the admin has recorded is kept: a resync sends it again to an admin from an older backup."""

COLUMNS = ("id", "time", "caller_user_id", "credential_id", "address", "objects", "message", "revision")
INSERT = Statement(AuditEntry.insert(**{name: param(name) for name in COLUMNS}))

OLD = Deletion(
    AuditEntry.key,
    (AuditEntry.time < param("before")) & (AuditEntry.revision == AuditEntry.pushed_revision),
    AuditEntry.time,
)


class AuditTable:
    """The table of entries, as `library_domain.access.audit` writes it."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, entries: Iterable[audit_pb2.AuditEntry]) -> None:
        """Insert entries within the present transaction. This takes a revision for each."""
        for entry in entries:
            INSERT.rows(**audit_columns(entry), revision=take_revisions())

    def delete_old(self, now: int) -> int:
        """Delete some entries that the admin has had for long enough; return how many those were."""
        with self._store.writing():
            return OLD.run(self._store, before=now - DAYS_KEPT * DAY)


def lock_entries_about(store: Store, user_id: str) -> None:
    """Lock the entries by a user and about a user, within the present transaction, which has locked `sync_state`."""
    query = AuditEntry.select(AuditEntry.key).where(_is_by(user_id) | _is_about(user_id)).order_by(AuditEntry.key)
    tuples(store.locking(query))


def forget_user(user_id: str, card_number: str) -> None:
    """Remove who a user was from the entries by the user and about the user, which `lock_entries_about` has locked.

    The entries share a revision, and are pushed again.
    """
    again = {"revision": take_revisions(), "park_reason": ""}
    nobody = {"caller_user_id": "", "credential_id": "", "address": ""}
    AuditEntry.update(**nobody, **again).where(_is_by(user_id)).execute()
    objects = peewee.fn.REPLACE(AuditEntry.objects, as_stored(user_id), as_stored(""))
    if card_number:
        objects = peewee.fn.REPLACE(objects, as_stored(card_number), as_stored(""))
    AuditEntry.update(objects=objects, **again).where(_is_about(user_id)).execute()


def _is_by(user_id: str) -> peewee.Expression:
    return AuditEntry.caller_user_id == user_id


def _is_about(user_id: str) -> peewee.Expression:
    return AuditEntry.objects.contains(as_stored(user_id))
