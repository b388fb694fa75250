"""Users are found by words and by address.

A search reads the column `words`, which is indexed by word; see `library_domain.users` for what is in it.
"""

from __future__ import annotations

from peewee import Database

from library_domain.emails import email_key
from library_domain.users import user_words
from service_kit.full_text import create_word_index


def up(migrator: object, db: Database) -> None:
    db.execute_sql("ALTER TABLE user_account ADD COLUMN email_key TEXT NOT NULL DEFAULT ''")
    db.execute_sql("ALTER TABLE user_account ADD COLUMN words TEXT NOT NULL DEFAULT ''")
    create_word_index(db, "user_account", "key", "words")
    rows = db.execute_sql("SELECT key, email, first_name, last_name FROM user_account").fetchall()
    columns = [
        (email_key(email), user_words(email, first_name, last_name), key) for key, email, first_name, last_name in rows
    ]
    update = f"UPDATE user_account SET email_key = {db.param}, words = {db.param} WHERE key = {db.param}"
    if columns:
        db.cursor().executemany(update, columns)
    db.execute_sql("CREATE INDEX user_account_address ON user_account (email_key, key)")
