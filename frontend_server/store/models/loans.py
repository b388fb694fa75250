"""The loans that this service made."""

from __future__ import annotations

import peewee

from library_domain.default_policy import MAIN_BRANCH
from service_kit.outbox import OutboxColumns


class Loan(OutboxColumns):
    """A loan."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    book_id = peewee.CharField(36)
    user_id = peewee.CharField(36)
    book_title = peewee.TextField()
    days = peewee.IntegerField()
    borrow_time = peewee.BigIntegerField()
    due_time = peewee.BigIntegerField()
    return_time = peewee.BigIntegerField(null=True)
    renewal_count = peewee.IntegerField(default=0)
    fine_currency = peewee.CharField(3, default="")
    fine_nanos = peewee.BigIntegerField(default=0)
    item_id = peewee.CharField(36, default="", constraints=[peewee.Default("''")])
    barcode = peewee.TextField(default="", constraints=[peewee.Default("''")])
    item_type = peewee.TextField(default="", constraints=[peewee.Default("''")])
    branch = peewee.TextField(default=MAIN_BRANCH, constraints=[peewee.Default(f"'{MAIN_BRANCH}'")])
    time_zone = peewee.TextField(default="", constraints=[peewee.Default("''")])
    rule_id = peewee.TextField(default="", constraints=[peewee.Default("''")])
    rule = peewee.BlobField(null=True)  # a serialized library.v1.CirculationRule; NULL for a loan from before rules
    # The part of the fine that renewals have assessed: a return adds to it.
    assessed_nanos = peewee.BigIntegerField(default=0, constraints=[peewee.Default("0")])
    checkin_time = peewee.BigIntegerField(null=True)  # when the return was entered, which can be later than it was

    class Meta:
        table_name = "loan"
        indexes = ((("user_id", "key"), False), (("book_id", "key"), False))


# As in the queries: an engine uses a partial index only if the query contains its condition.
_IS_OPEN = peewee.SQL("return_time IS NULL")
Loan.add_index(Loan.key, where=_IS_OPEN, name="loan_open")
Loan.add_index(Loan.key, where=peewee.SQL("return_time IS NOT NULL"), name="loan_returned")
Loan.add_index(Loan.book_id, Loan.due_time, where=_IS_OPEN, name="loan_open_book")
IS_OPEN_OF_ITEM = peewee.SQL("return_time IS NULL AND item_id <> ''")
"""The condition for open loans with an item: the words of the index `loan_open_item`, so that queries can use it."""

# No item is lent twice at a time.
Loan.add_index(Loan.item_id, unique=True, where=IS_OPEN_OF_ITEM, name="loan_open_item")
