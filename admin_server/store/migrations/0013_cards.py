"""The replica of a user gets the card number, category, group, branch, end of membership, blocks and note."""

from __future__ import annotations

import peewee


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    keys = "TEXT COLLATE \"C\" NOT NULL DEFAULT ''" if is_postgresql else "TEXT NOT NULL DEFAULT ''"
    text = "TEXT NOT NULL DEFAULT ''"
    for column, kind in (
        ("card_number", "TEXT"),
        ("user_category", text),
        ("category_key", keys),
        ("user_group", text),
        ("group_key", keys),
        ("branch", text),
        ("expire_time", "BIGINT"),
        ("blocks", "BYTEA" if is_postgresql else "BLOB"),
        ("note", text),
    ):
        db.execute_sql(f"ALTER TABLE user_account ADD COLUMN {column} {kind}")
    for statement in (
        "CREATE INDEX user_account_card_number ON user_account (card_number)",
        "CREATE INDEX user_account_by_category ON user_account (category_key, key)",
        "CREATE INDEX user_account_by_group ON user_account (group_key, key)",
    ):
        db.execute_sql(statement)
