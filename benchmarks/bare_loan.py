"""The statements of a loan in a bare transaction: its cost without rules, checks, messages and peewee."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from service_kit.clock import DAY, system_clock
from service_kit.ids import new_id
from service_kit.store import Store

RESERVE_COPY = """
UPDATE book SET on_loan = on_loan + 1, free_copies = free_copies - 1 WHERE id = ? AND (state = 1 AND free_copies > 0)
RETURNING title, state, (SELECT policy_version FROM sync_state)
"""
TAKE_FREE_ITEM = """
UPDATE item SET place = 2
WHERE key = (SELECT key FROM item WHERE book_id = ? AND state = 1 AND place = 1 ORDER BY barcode LIMIT 1)
  AND state = 1 AND place = 1
RETURNING id, book_id, barcode, item_type, branch, state
"""
INCREMENT_LOAN_COUNT = """
UPDATE user_account SET active_loan_count = active_loan_count + 1
WHERE id = ? AND state = 1 AND active_loan_count < ?
RETURNING id, state, active_loan_count, user_category, expire_time, blocked_until
"""
TAKE_REVISIONS = """
UPDATE counter SET revision = revision + ? WHERE id = 1 RETURNING revision
"""
INSERT_HISTORY = """
INSERT INTO history (id, time, event, user_id, loan_id, item_id, book_id, staff, detail, overridden, revision,
                     pushed_revision, park_reason)
VALUES (?, ?, 1, ?, ?, ?, ?, '', ?, '', ?, 0, '')
"""
INSERT_LOAN = """
INSERT INTO loan (id, book_id, user_id, book_title, days, borrow_time, due_time, renewal_count, fine_currency,
                  fine_nanos, item_id, barcode, item_type, branch, time_zone, rule_id, rule, assessed_nanos, revision,
                  pushed_revision, park_reason)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', 0, ?, ?, ?, ?, 'Etc/UTC', ?, ?, 0, ?, 0, '')
"""
RULE_ID, RULE = new_id(), bytes(100)
"""The snapshot of a rule has about this length; nothing reads it here."""

STATEMENTS = (RESERVE_COPY, TAKE_FREE_ITEM, INCREMENT_LOAN_COUNT, TAKE_REVISIONS, INSERT_HISTORY, INSERT_LOAN)


class BareLoans:
    """Lends through the driver alone, on a connection of the store, with its settings."""

    def __init__(self, store: Store) -> None:
        """Take a frontend's store."""
        self._store = store
        self._statements = [each.replace("?", store.database.param) for each in STATEMENTS]
        self._begin = "BEGIN" if store.is_postgresql else "BEGIN IMMEDIATE"
        # SQLite has one writer at a time, and the others poll.
        self._turn: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if store.is_postgresql else threading.Lock()
        )

    def lend(self, book_id: str, user_id: str, days: int) -> None:
        """Take a copy and its item, increment the loan count, take revisions, insert history and loan, commit."""
        take_copy, take_item, count_loan, take_revisions, insert_history, insert_loan = self._statements
        with self._turn, self._store.reading():
            cursor = self._store.database.connection().cursor()
            cursor.execute(self._begin)
            ((title, _, _),) = cursor.execute(take_copy, (book_id,)).fetchall()
            ((item_id, _, barcode, item_type, branch, _),) = cursor.execute(take_item, (book_id,)).fetchall()
            ((_, *_),) = cursor.execute(count_loan, (user_id, 1_000_000)).fetchall()
            now, loan_id = system_clock(), new_id()
            due_time = now + days * DAY
            ((revision,),) = cursor.execute(take_revisions, (2,)).fetchall()
            history = (new_id(), now, user_id, loan_id, item_id, book_id, "due 2026-12-24", revision)
            cursor.execute(insert_history, history)
            loan = (loan_id, book_id, user_id, title, days, now, due_time, item_id, barcode, item_type, branch)
            cursor.execute(insert_loan, (*loan, RULE_ID, RULE, revision - 1))
            cursor.execute("COMMIT")
