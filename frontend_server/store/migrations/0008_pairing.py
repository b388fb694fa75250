"""The frontend keeps the secret by which the admin knows it. The next start makes one."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE sync_state ADD COLUMN secret TEXT NOT NULL DEFAULT ''")
