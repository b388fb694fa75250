"""The sync remembers the life of the database in which it was proved current."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE sync_state ADD COLUMN witness TEXT NOT NULL DEFAULT ''")
