"""The files of operations, in parts: written while they are uploaded, read by any process, deleted after the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import peewee

from admin_server.store.models import ImportChunk
from library_formats.records import FileUnreadableError
from service_kit.statements import Statement, param
from service_kit.store import Store

INSERT = Statement(ImportChunk.insert(operation=param("operation"), number=param("number"), content=param("content")))
READ = Statement(
    ImportChunk.select(ImportChunk.content).where(
        ImportChunk.operation == param("operation"), ImportChunk.number == param("number")
    )
)
LAST = Statement(
    ImportChunk.select(peewee.fn.MAX(ImportChunk.number)).where(ImportChunk.operation == param("operation"))
)
DELETE_FROM = Statement(
    ImportChunk.delete().where(ImportChunk.operation == param("operation"), ImportChunk.number >= param("number"))
)

DELETED_AT_ONCE = 50
"""Parts that are deleted in one transaction, so that other writers do not wait long."""


def insert_chunk(key: int, number: int, content: bytes) -> None:
    """Store a part of the file of an operation, whose row this transaction has locked."""
    INSERT.rows(operation=key, number=number, content=content)


def read_from(
    store: Store, key: int, total_bytes: int, chunk_bytes: int, position: int, before_each: Callable[[], object]
) -> Iterator[bytes]:
    """Yield the file of an operation from a position on, one part at a time.

    `before_each` is called before each look into the store. Raises `FileUnreadableError` if a part is missing.
    """
    number, skipped = divmod(position, chunk_bytes)
    while number * chunk_bytes + skipped < total_bytes:
        before_each()
        with store.reading():
            row = READ.row(operation=key, number=number)
        if row is None or len(row[0]) != min(chunk_bytes, total_bytes - number * chunk_bytes):
            raise FileUnreadableError("a part of the upload is missing in the store")
        yield bytes(row[0][skipped:])
        number, skipped = number + 1, 0


def delete_some(key: int) -> bool:
    """Delete the last parts of a file, within a transaction that has locked its row; return whether others are left."""
    row = LAST.row(operation=key)
    if row is None or row[0] is None:
        return False
    first = max(0, row[0] + 1 - DELETED_AT_ONCE)
    DELETE_FROM.rows(operation=key, number=first)
    return bool(first > 0)
