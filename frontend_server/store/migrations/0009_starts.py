"""The frontend keeps the ids of its starts, by which the admin notices another copy of the store."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE sync_state ADD COLUMN start_ids TEXT NOT NULL DEFAULT ''")
