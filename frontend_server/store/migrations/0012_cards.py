"""Users get a card number, a category, a group, a branch, an end of membership, blocks and a note.

Each user from before gets a card number of the library's own series and a new revision, so that it is pushed to the
admin's replica. An e-mail address can be empty: `email_key` is unique only where there is an address.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import peewee

from service_kit.full_text import create_word_index, drop_word_index

BATCH = 2_000

SERIES = 2
"""The row of `counter` with the last card number of the series."""


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # many users take their time
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
        ("blocked_until", "BIGINT NOT NULL DEFAULT 0"),
        ("note", text),
    ):
        db.execute_sql(f"ALTER TABLE user_account ADD COLUMN {column} {kind}")
    # Without its indexes the table is written much faster.
    drop_word_index(db, "user_account", "words")
    for index in ("user_account_email_key", "user_account_due"):
        db.execute_sql(f"DROP INDEX {index}")
    fill(db)
    create_word_index(db, "user_account", "key", "words")
    is_due = "(revision <> pushed_revision AND park_reason = '')"
    for statement in (
        f"CREATE INDEX user_account_due ON user_account (revision) WHERE {is_due}",
        "CREATE UNIQUE INDEX user_account_email_key ON user_account (email_key) WHERE (email_key <> '' AND state <> 2)",
        "CREATE UNIQUE INDEX user_account_card_number ON user_account (card_number)",
        "CREATE INDEX user_account_by_category ON user_account (category_key, key)",
        "CREATE INDEX user_account_by_group ON user_account (group_key, key)",
    ):
        db.execute_sql(statement)
    if is_postgresql:
        db.execute_sql("ANALYZE user_account")


def fill(db: peewee.Database) -> None:
    """Give each user a card number and a revision, some users at a time."""
    mark = db.param
    db.execute_sql(f"INSERT INTO counter (id, revision) VALUES ({SERIES}, 0) ON CONFLICT DO NOTHING")
    number = db.execute_sql(f"SELECT revision FROM counter WHERE id = {SERIES}").fetchall()[0][0]
    revision = db.execute_sql("SELECT revision FROM counter WHERE id = 1").fetchall()[0][0]
    update = (
        f"UPDATE user_account SET card_number = {mark}, words = words || {mark}, revision = {mark}, park_reason = '' "
        f"WHERE key = {mark}"
    )
    for users in batches(db):
        cards = [card_number(number + count) for count in range(1, len(users) + 1)]
        rows = [
            (card, f" {card}", revision + count, key)
            for count, (card, key) in enumerate(zip(cards, users, strict=True), 1)
        ]
        db.cursor().executemany(update, rows)
        number += len(users)
        revision += len(users)
    for row, last in ((SERIES, number), (1, revision)):
        db.execute_sql(f"UPDATE counter SET revision = {mark} WHERE id = {mark}", (last, row))


def batches(db: peewee.Database) -> Iterator[list[Any]]:
    """Yield the keys of all users, some at a time."""
    last = 0
    query = f"SELECT key FROM user_account WHERE key > {db.param} ORDER BY key LIMIT {BATCH}"
    while keys := [key for (key,) in db.execute_sql(query, (last,)).fetchall()]:
        last = keys[-1]
        yield keys


def card_number(number: int) -> str:
    """Return a card number of the series: 2, the library's number 0001, eight digits, the check digit (Luhn)."""
    digits = f"20001{number:08}"
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits), 1)]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return digits + str(-total % 10)
