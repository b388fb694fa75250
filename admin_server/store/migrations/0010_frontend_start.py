"""The admin keeps the last start of the frontend; empty until it pushes rows with one."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE frontend ADD COLUMN start_id TEXT NOT NULL DEFAULT ''")
