"""Users are found by words and by address, compared as mail does; a closed account frees its address.

A search reads the column `words`, which is indexed by word; see `library_domain.users` for what is in it.

`email_key` was the address in NFC and case-folded, which took `groß@example.org` for `gross@example.org`. Should two
users have one key by the new rule, the one who enrolled first gets it, and the other keeps the old key. Nobody is lost
and nothing has to be decided here: the two keep their accounts, and no third one can enrol with the address.
"""

from __future__ import annotations

from peewee import Database

from library_domain.emails import email_key
from library_domain.users import user_words
from service_kit.full_text import create_word_index


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE user_account ADD COLUMN words TEXT NOT NULL DEFAULT ''")
    create_word_index(db, "user_account", "key", "words")
    db.execute_sql("DROP INDEX user_email_key")
    _compute_columns(db)
    for statement in (
        "CREATE UNIQUE INDEX user_account_email_key ON user_account (email_key) WHERE state <> 2",
        "CREATE INDEX user_account_address ON user_account (email_key, key)",
    ):
        db.execute_sql(statement)


def _compute_columns(db: Database) -> None:
    rows = db.execute_sql(
        "SELECT key, id, email, first_name, last_name, email_key FROM user_account ORDER BY key"
    ).fetchall()
    new_keys = [email_key(email) for _, _, email, *_ in rows]
    reserved = set(new_keys)
    taken: set[str] = set()
    columns = []
    for (key, user_id, email, first_name, last_name, old_key), new_key in zip(rows, new_keys, strict=True):
        chosen = new_key
        if new_key in taken:
            # No address has a blank in it, so this key is nobody else's.
            chosen = f"{new_key} {user_id}" if old_key in reserved else old_key
            reserved.add(chosen)
        taken.add(chosen)
        columns.append((chosen, user_words(email, first_name, last_name), key))
    update = f"UPDATE user_account SET email_key = {db.param}, words = {db.param} WHERE key = {db.param}"
    if columns:
        db.cursor().executemany(update, columns)
