"""Indexes for the reports on loans."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    for statement in (
        "CREATE INDEX loan_open_due ON loan (due_time, key) WHERE return_time IS NULL",
        "CREATE INDEX loan_open_branch_due ON loan (branch, due_time, key) WHERE return_time IS NULL",
        "CREATE INDEX loan_borrow_time ON loan (borrow_time)",
    ):
        db.execute_sql(statement)
