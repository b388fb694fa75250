"""A loan has its item and the branch that lent it. A loan from before has no item."""

from peewee import Database

COLUMNS = (
    "item_id VARCHAR(36) NOT NULL DEFAULT ''",
    "barcode TEXT NOT NULL DEFAULT ''",
    "item_type TEXT NOT NULL DEFAULT ''",
    "branch TEXT NOT NULL DEFAULT 'main'",
    "time_zone TEXT NOT NULL DEFAULT ''",
    "rule_id TEXT NOT NULL DEFAULT ''",
)


def up(migrator: object, db: Database) -> None:
    # A table's column is added without a look at its rows, so this is fast with any number of loans.
    for column in COLUMNS:
        db.execute_sql(f"ALTER TABLE loan ADD COLUMN {column}")
    db.execute_sql("CREATE INDEX loan_open_item ON loan (item_id) WHERE return_time IS NULL")
