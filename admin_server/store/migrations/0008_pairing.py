"""The admin keeps the SHA-256 of the secret of the frontend that it is paired with; empty until its next call."""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE frontend ADD COLUMN secret_hash TEXT NOT NULL DEFAULT ''")
