"""The files of a SQLite store: opened as a server does, refused without a change, and their contents."""

from __future__ import annotations

from pathlib import Path

import pytest

from admin_server.store.models import SCHEMA
from service_kit.sqlite.files import sibling
from service_kit.store import Store, StoreSettingsError, StoreTimes, open_store
from service_kit.store_checks import Schema


def opened(path: Path, schema: Schema | None = SCHEMA, times: StoreTimes | None = None) -> Store:
    return open_store(f"sqlite:///{path}", schema=schema, times=times)


def refusal(path: Path, schema: Schema | None = SCHEMA) -> str:
    """Why the store is refused; nothing is changed by that, and a second try is refused as well."""
    before = contents(path)
    with pytest.raises(StoreSettingsError) as refused:
        opened(path, schema)
    with pytest.raises(StoreSettingsError):
        opened(path, schema)
    assert contents(path) == before
    return str(refused.value)


def contents(path: Path) -> list[bytes | None]:
    files = (path, sibling(path, "-wal"))
    return [file.read_bytes() if file.exists() and file.stat().st_size else None for file in files]


def rows(path: Path, schema: Schema | None = SCHEMA) -> int:
    """Open the store as a server does, and count the rows that the writer added."""
    store = opened(path, schema)
    try:
        assert store.database.execute_sql("PRAGMA integrity_check").fetchall() == [("ok",)]
        (count,) = store.database.execute_sql("SELECT count(*) FROM noted").fetchone()
        return int(count)
    finally:
        store.close()
