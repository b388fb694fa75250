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
RETURNING title
"""
INCREMENT_LOAN_COUNT = """
UPDATE user_account SET active_loan_count = active_loan_count + 1
WHERE id = ? AND state = 1 AND active_loan_count < ? RETURNING key
"""
TAKE_REVISION = """
UPDATE counter SET revision = revision + ? WHERE id = 1 RETURNING revision
"""
INSERT_LOAN = """
INSERT INTO loan (id, book_id, user_id, book_title, days, borrow_time, due_time, renewal_count, fine_currency,
                  fine_nanos, revision, pushed_revision, park_reason)
VALUES (?, ?, ?, ?, ?, ?, ?, 0, '', 0, ?, 0, '')
"""


class BareLoans:
    """Lends through the driver alone, on a connection of the store, with its settings."""

    def __init__(self, store: Store) -> None:
        """Take a frontend's store."""
        self._store = store
        self._statements = [
            each.replace("?", store.database.param)
            for each in (RESERVE_COPY, INCREMENT_LOAN_COUNT, TAKE_REVISION, INSERT_LOAN)
        ]
        self._begin = "BEGIN" if store.is_postgresql else "BEGIN IMMEDIATE"
        # SQLite has one writer at a time, and the others poll.
        self._turn: contextlib.AbstractContextManager[Any] = (
            contextlib.nullcontext() if store.is_postgresql else threading.Lock()
        )

    def lend(self, book_id: str, user_id: str, days: int) -> None:
        """Take a copy, increment the loan count, take a revision, insert the loan, commit."""
        take_copy, take_place, take_revision, insert_loan = self._statements
        now = system_clock()
        with self._turn, self._store.reading():
            cursor = self._store.database.connection().cursor()
            cursor.execute(self._begin)
            ((title,),) = cursor.execute(take_copy, (book_id,)).fetchall()
            ((_,),) = cursor.execute(take_place, (user_id, 1_000_000)).fetchall()
            ((revision,),) = cursor.execute(take_revision, (1,)).fetchall()
            due_time = now + days * DAY
            cursor.execute(insert_loan, (new_id(), book_id, user_id, title, days, now, due_time, revision))
            cursor.execute("COMMIT")
