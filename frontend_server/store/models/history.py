"""What was done at the desk."""

from __future__ import annotations

import peewee

from service_kit.outbox import OutboxColumns


class HistoryEntry(OutboxColumns):
    """An entry of the history. Ids are empty if there is no such subject, and the user's after anonymisation."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    time = peewee.BigIntegerField()
    event = peewee.SmallIntegerField()
    user_id = peewee.CharField(36)
    loan_id = peewee.CharField(36)
    item_id = peewee.CharField(36)
    book_id = peewee.CharField(36)
    staff = peewee.TextField()
    detail = peewee.TextField()
    overridden = peewee.TextField()  # a JSON object: refusals, each with the reason of the override; or empty

    class Meta:
        table_name = "history"


HistoryEntry.add_index(HistoryEntry.user_id, HistoryEntry.key, name="history_by_user")
HistoryEntry.add_index(HistoryEntry.loan_id, HistoryEntry.key, name="history_by_loan")
HistoryEntry.add_index(HistoryEntry.item_id, HistoryEntry.key, name="history_by_item")
