"""The loans that the frontend pushed."""

from __future__ import annotations

import peewee

from library_domain.default_policy import MAIN_BRANCH


class Loan(peewee.Model):
    """A loan, as the frontend pushed it in its version `revision`. Its book or user may be unknown here."""

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
    revision = peewee.BigIntegerField()  # the frontend's

    class Meta:
        table_name = "loan"
        indexes = ((("user_id", "key"), False), (("book_id", "key"), False))


# As in the queries: an engine uses a partial index only if the query contains its condition.
_IS_OPEN = peewee.SQL("return_time IS NULL")
Loan.add_index(Loan.key, where=_IS_OPEN, name="loan_open")
Loan.add_index(Loan.key, where=peewee.SQL("return_time IS NOT NULL"), name="loan_returned")
Loan.add_index(Loan.user_id, Loan.key, where=_IS_OPEN, name="loan_open_user")
Loan.add_index(Loan.book_id, Loan.due_time, where=_IS_OPEN, name="loan_open_book")
Loan.add_index(Loan.item_id, where=_IS_OPEN, name="loan_open_item")
# For reports.
Loan.add_index(Loan.due_time, Loan.key, where=_IS_OPEN, name="loan_open_due")
Loan.add_index(Loan.branch, Loan.due_time, Loan.key, where=_IS_OPEN, name="loan_open_branch_due")
Loan.add_index(Loan.borrow_time, name="loan_borrow_time")
