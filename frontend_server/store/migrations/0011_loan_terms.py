"""A loan keeps its item and the terms under which it was lent: rule, branch and time zone.

A loan from before has no item and no rule. It was lent by the only branch that there was.
"""

from peewee import Database

COLUMNS = (
    "item_id VARCHAR(36) NOT NULL DEFAULT ''",
    "barcode TEXT NOT NULL DEFAULT ''",
    "item_type TEXT NOT NULL DEFAULT ''",
    "branch TEXT NOT NULL DEFAULT 'main'",
    "time_zone TEXT NOT NULL DEFAULT ''",
    "rule_id TEXT NOT NULL DEFAULT ''",
    "assessed_nanos BIGINT NOT NULL DEFAULT 0",
    "checkin_time BIGINT",
)


def up(migrator: object, db: Database) -> None:
    # A table's column is added without a look at its rows, so this is fast with any number of loans.
    for column in COLUMNS:
        db.execute_sql(f"ALTER TABLE loan ADD COLUMN {column}")
    db.execute_sql(f"ALTER TABLE loan ADD COLUMN rule {'BYTEA' if db.param == '%s' else 'BLOB'}")
    db.execute_sql("CREATE UNIQUE INDEX loan_open_item ON loan (item_id) WHERE return_time IS NULL AND item_id <> ''")
