"""Files of SQLite that are not a store, or not the one that their log belongs to, are refused; crashed stores never."""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from admin_server.store.models import MIGRATIONS, SCHEMA
from frontend_server.store.models import MIGRATIONS as FRONTEND_MIGRATIONS
from frontend_server.store.models import SCHEMA as FRONTEND_SCHEMA
from service_kit.migrations import migrate
from service_kit.sqlite.files import sibling
from service_kit.store import StoreSettingsError, open_store
from service_kit.store_checks import Schema
from tests.support.crashes import write
from tests.support.store_files import opened, refusal, rows
from tests.support.stores import Engine, FreshDatabases

# --- files that are not a store ---


def test_a_new_store_an_empty_file_and_a_stopped_store_are_opened(tmp_path: Path) -> None:
    for path in (tmp_path / "new.db", tmp_path / "empty.db"):
        if path.name == "empty.db":
            path.touch()
        opened(path).close()  # as a process that ends before it has migrated
        write(path, 3, how="stop")
        assert not sibling(path, "-wal").exists()
        copied = tmp_path / f"copy of {path.name}"
        shutil.copy(path, copied)
        assert rows(copied) == 3


def test_a_copy_of_a_running_store_without_its_log_is_refused(tmp_path: Path) -> None:
    """4,096 bytes in the first run; in later ones a file with tables that lacks what was done since its start."""
    path = tmp_path / "admin.db"
    for run in (1, 2, 3):
        write(path, 20)  # which is killed
        copied = tmp_path / f"{run}.db"
        shutil.copy(path, copied)
        assert (copied.stat().st_size == 4096) is (run == 1)
        message = refusal(copied)
        assert "copy of the file of a running or killed store" in message
        assert "`library backup`" in message
    assert rows(path) == 60


def test_a_copy_of_a_running_store_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    running = sqlite3.connect(tmp_path / "running.db")
    running.execute("PRAGMA journal_mode = wal")
    running.execute("CREATE TABLE epoch (number INTEGER)")
    shutil.copy(tmp_path / "running.db", tmp_path / "admin.db")
    running.close()
    assert (tmp_path / "admin.db").stat().st_size == 4096
    message = refusal(tmp_path / "admin.db")
    assert "the file has no tables" in message


def make(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


STRANGERS: dict[str, tuple[Callable[[Path], object], str]] = {
    "text": (lambda path: path.write_text("Dear diary, "), "is not a database"),
    "zeros": (lambda path: path.write_bytes(bytes(4096)), "is not a database"),
    "a header and nothing else": (lambda path: path.write_bytes(b"SQLite format 3\0"), "is not a database"),
    "noise": (lambda path: path.write_bytes(random.Random(7).randbytes(20_000)), "is not a database"),
    "no tables": (lambda path: make(path, "CREATE TABLE a (b)", "DROP TABLE a"), "the file has no tables"),
    "another program's": (lambda path: make(path, "CREATE TABLE places (id)"), "tables of another program"),
    "another's book": (lambda path: make(path, "CREATE TABLE book (id)"), "tables of another program"),
}


@pytest.mark.parametrize("kind", STRANGERS)
@pytest.mark.parametrize("schema", [SCHEMA, FRONTEND_SCHEMA], ids=["admin", "frontend"])
def test_what_is_not_a_store_is_refused(tmp_path: Path, kind: str, schema: Schema) -> None:
    put, why = STRANGERS[kind]
    put(tmp_path / "library.db")
    message = refusal(tmp_path / "library.db", schema)
    assert message.startswith(f"cannot open the store sqlite:///{tmp_path}/library.db: ")
    assert why in message


@pytest.mark.parametrize("size", [None, 0])
def test_a_log_without_its_file_is_refused(tmp_path: Path, size: int | None) -> None:
    path = tmp_path / "admin.db"
    write(path, 5)
    kept = path.read_bytes()
    path.unlink()
    if size == 0:
        path.touch()
    assert "its log admin.db-wal is not" in refusal(path)
    path.write_bytes(kept)
    assert rows(path) == 5


# --- stores of others, and newer ones, on both engines ---


def test_the_store_of_the_other_service_is_refused(databases: FreshDatabases, engine: Engine) -> None:
    for own, other, schema in (("frontend", "admin", FRONTEND_SCHEMA), ("admin", "frontend", SCHEMA)):
        url = databases.migrated(other, engine)  # type: ignore[arg-type]
        with pytest.raises(StoreSettingsError, match=f"this is the store of the {other} service, and not of the {own}"):
            open_store(url, schema=schema)


def test_a_database_of_another_program_is_refused(databases: FreshDatabases, engine: Engine) -> None:
    url = databases.empty(engine)
    store = open_store(url)
    store.database.execute_sql("CREATE TABLE places (id INTEGER)")
    store.close()
    with pytest.raises(StoreSettingsError, match="tables of another program"):
        open_store(url, schema=SCHEMA)


@pytest.mark.parametrize("server", ["admin", "frontend"])
def test_a_store_that_is_newer_than_the_program_is_refused(
    databases: FreshDatabases, engine: Engine, server: str
) -> None:
    schema = SCHEMA if server == "admin" else FRONTEND_SCHEMA
    url = databases.migrated(server, engine)  # type: ignore[arg-type]
    store = open_store(url, schema=schema)
    store.database.execute_sql(
        "INSERT INTO schema_migration (name, applied) VALUES ('0999_from_the_future', '2030-01-01 00:00:00')"
    )
    store.close()
    for _ in range(2):
        with pytest.raises(StoreSettingsError, match=r"newer version .*0999_from_the_future"):
            open_store(url, schema=schema)


def test_a_new_database_and_a_store_of_ours_are_opened(databases: FreshDatabases, engine: Engine) -> None:
    for schema, migrations in ((SCHEMA, MIGRATIONS), (FRONTEND_SCHEMA, FRONTEND_MIGRATIONS)):
        url = databases.empty(engine)
        for applied in (sorted(schema.known_migrations()), []):
            store = open_store(url, schema=schema)
            assert migrate(store, migrations) == applied
            store.close()
