"""Each copy of a book is an item with a barcode. Those of the books in the store get barcodes of the library's series.

A removed book gets its items as well, withdrawn, because loans may refer to its copies. The number of copies stays.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from typing import Any

import peewee

from library_domain.barcodes import item_barcode
from service_kit.ids import new_id

BATCH = 1_000
"""Books that are read at a time, and items that are written at a time."""

MOST_COPIES = 10_000
"""More copies of one book are a damaged number: such a book gets no items."""

IN_SERVICE, WITHDRAWN, REMOVED = 1, 5, 3

TABLE = """CREATE TABLE item (
    key {key}, id VARCHAR(36) NOT NULL, book_id VARCHAR(36) NOT NULL, barcode VARCHAR(40){collation} NOT NULL,
    item_type TEXT NOT NULL, branch TEXT{collation} NOT NULL, call_number TEXT NOT NULL, shelf TEXT NOT NULL,
    state SMALLINT NOT NULL, note TEXT NOT NULL, price_currency VARCHAR(3) NOT NULL, price_nanos BIGINT NOT NULL,
    create_time BIGINT NOT NULL, update_time BIGINT NOT NULL, item_type_key TEXT{collation} NOT NULL,
    shelf_key TEXT{collation} NOT NULL, on_loan SMALLINT NOT NULL, revision BIGINT NOT NULL
)"""

INDEXES = (
    "CREATE UNIQUE INDEX item_id ON item (id)",
    "CREATE UNIQUE INDEX item_barcode ON item (barcode)",
    "CREATE UNIQUE INDEX item_revision ON item (revision)",
    "CREATE INDEX item_book_id_key ON item (book_id, key)",
    "CREATE INDEX item_branch_key ON item (branch, key)",
    "CREATE INDEX item_create_time_key ON item (create_time, key)",
    "CREATE INDEX item_by_state ON item (state, key) WHERE state <> 1",
    "CREATE INDEX item_by_type ON item (item_type_key, key) WHERE item_type_key <> ''",
    "CREATE INDEX item_by_shelf ON item (shelf_key, key) WHERE shelf_key <> ''",
)

FILLED = ("id", "book_id", "barcode", "state", "create_time", "update_time", "revision")
CONSTANT = (
    "item_type, branch, call_number, shelf, note, price_currency, price_nanos, item_type_key, shelf_key, on_loan",
    "'', 'main', '', '', '', '', 0, '', '', 0",
)


def up(migrator: object, db: peewee.Database) -> None:
    is_postgresql = isinstance(db, peewee.PostgresqlDatabase)
    if is_postgresql:
        db.execute_sql("SET LOCAL statement_timeout = 0")  # a million items take their time
    key = "BIGSERIAL PRIMARY KEY" if is_postgresql else "INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"
    db.execute_sql(TABLE.format(key=key, collation=' COLLATE "C"' if is_postgresql else ""))
    db.execute_sql("ALTER TABLE book ADD COLUMN lendable_copies INTEGER NOT NULL DEFAULT 0")
    fill(db)
    for index in INDEXES:
        db.execute_sql(index)
    db.execute_sql("DROP INDEX book_not_borrowable")
    db.execute_sql(
        "CREATE INDEX book_not_borrowable ON book (key) WHERE (state = 2 OR on_loan >= lendable_copies) AND state <> 3"
    )
    if is_postgresql:
        db.execute_sql("ANALYZE item")


def fill(db: peewee.Database) -> None:
    """Make the items, some books at a time."""
    mark = db.param
    insert = (
        f"INSERT INTO item ({', '.join(FILLED)}, {CONSTANT[0]}) "
        f"VALUES ({', '.join([mark] * len(FILLED))}, {CONSTANT[1]})"
    )
    lendable = f"UPDATE book SET lendable_copies = {mark} WHERE key = {mark}"
    [(revision,)] = db.execute_sql("SELECT revision FROM counter WHERE id = 1").fetchall()
    made, now = 0, time.time_ns() // 1_000
    for batch in batches(db):
        copies_of = ((book_id, state) for _, book_id, copies, state in batch for _ in range(copies))
        while some := list(islice(copies_of, BATCH)):
            items = [
                (new_id(), book_id, item_barcode(number), state_of_item(state), now, now, revision + number)
                for number, (book_id, state) in enumerate(some, made + 1)
            ]
            db.cursor().executemany(insert, items)
            made += len(items)
        counts = [(copies, key) for key, _, copies, state in batch if copies and state != REMOVED]
        if counts:
            db.cursor().executemany(lendable, counts)
    db.execute_sql(f"UPDATE counter SET revision = {mark} WHERE id = 1", (revision + made,))
    db.execute_sql(f"INSERT INTO counter (id, revision) VALUES (2, {mark})", (made,))


def state_of_item(state: int) -> int:
    """Return the state of an item of a book in this state."""
    return WITHDRAWN if state == REMOVED else IN_SERVICE


def batches(db: peewee.Database) -> Iterator[list[Any]]:
    """Yield all books, some at a time: key, id, copies, state. A damaged number of copies counts as none."""
    last = 0
    book_id = "id" if isinstance(db, peewee.PostgresqlDatabase) else "CAST(id AS BLOB)"
    query = f"SELECT key, {book_id}, total_copies, state FROM book WHERE key > {db.param} ORDER BY key LIMIT {BATCH}"
    while rows := db.execute_sql(query, (last,)).fetchall():
        last = rows[-1][0]
        yield [(key, text(book_id), right_count(copies), state) for key, book_id, copies, state in rows]


def right_count(copies: Any) -> int:
    """Return a number of copies; 0 for a damaged one."""
    return copies if isinstance(copies, int) and 0 <= copies <= MOST_COPIES else 0


def text(value: Any) -> str:
    """Return a stored text; of a damaged one, what can be read."""
    return value if isinstance(value, str) else bytes(value).decode(errors="replace")
