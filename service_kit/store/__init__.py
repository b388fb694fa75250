"""A store is a database on SQLite or PostgreSQL, reached through peewee.

store = open_store("sqlite:///data/admin.db")

with store.writing():     one transaction: committed if no error is raised, rolled back if one is
with store.reading():     statements that are each a transaction of their own
with store.snapshot():    several reads of one moment
"""

from __future__ import annotations

from service_kit.store.errors import SQLITE_ERRORS, StoreSettingsError, is_unavailable
from service_kit.store.opening import OWN_TABLES, open_store, sqlite_database, sqlite_path
from service_kit.store.store import Store
from service_kit.store.times import BUSY_SECONDS, StoreTimes

__all__ = [
    "BUSY_SECONDS",
    "OWN_TABLES",
    "SQLITE_ERRORS",
    "Store",
    "StoreSettingsError",
    "StoreTimes",
    "is_unavailable",
    "open_store",
    "sqlite_database",
    "sqlite_path",
]
