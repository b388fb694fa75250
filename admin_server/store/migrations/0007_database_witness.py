"""Epochs remember the life of the database in which they began, so that processes of a store begin one only."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE epoch ADD COLUMN witness TEXT NOT NULL DEFAULT ''")
