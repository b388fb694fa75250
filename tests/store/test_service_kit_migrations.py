"""Migrations on both engines: once, all or none, also when several processes start at the same moment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from admin_server.store.models import MIGRATIONS
from service_kit.migrations import alone_in, migrate, pending
from service_kit.store import Store, StoreSettingsError, open_store
from tests.support.processes import ROOT
from tests.support.stores import Engine, FreshDatabases, ServerName, migrations_of

SERVERS: tuple[ServerName, ...] = ("admin", "frontend")


@pytest.fixture
def empty_url(databases: FreshDatabases, engine: Engine) -> str:
    return databases.empty(engine)


@pytest.fixture
def empty_store(empty_url: str) -> Iterator[Store]:
    store = open_store(empty_url)
    yield store
    store.close()


def names_of(server: ServerName) -> list[str]:
    return [file.stem for file in sorted(migrations_of(server).glob("[0-9]*.py"))]


def test_a_store_is_migrated_once(empty_store: Store) -> None:
    names = names_of("admin")
    assert names[0] == "0001_initial"
    assert pending(empty_store, MIGRATIONS) == names
    assert migrate(empty_store, MIGRATIONS) == names
    assert pending(empty_store, MIGRATIONS) == []
    assert migrate(empty_store, MIGRATIONS) == []


def test_a_migration_that_fails_leaves_nothing_of_itself_or_of_those_before_it(
    empty_store: Store, tmp_path: Path
) -> None:
    good = 'def up(migrator, db):\n    db.execute_sql("CREATE TABLE shelf (id INTEGER)")\n'
    bad = 'def up(migrator, db):\n    db.execute_sql("CREATE TABLE room (id INTEGER)")\n    raise InterruptedError\n'
    (tmp_path / "0001_shelf.py").write_text(good)
    (tmp_path / "0002_room.py").write_text(bad)
    with pytest.raises(InterruptedError):
        migrate(empty_store, tmp_path)
    assert empty_store.database.get_tables() == []
    (tmp_path / "0002_room.py").write_text(bad.replace("    raise InterruptedError\n", ""))
    assert migrate(empty_store, tmp_path) == ["0001_shelf", "0002_room"]
    assert set(empty_store.database.get_tables()) >= {"shelf", "room"}


MIGRATE = """
import sys
from pathlib import Path
from service_kit.migrations import migrate
from service_kit.store import open_store
print("ready", flush=True)
sys.stdin.readline()
print(*migrate(open_store(sys.argv[1]), Path(sys.argv[2])))
"""


@pytest.mark.parametrize("server", SERVERS)
def test_four_processes_that_migrate_at_the_same_moment_do_it_once(empty_url: str, server: ServerName) -> None:
    command = [sys.executable, "-c", MIGRATE, empty_url, str(migrations_of(server))]
    processes = [
        subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    answers = [(*process.communicate(timeout=100), process.returncode) for process in processes]
    assert [code for _, _, code in answers] == [0] * 4, answers
    assert sorted(output for output, _, _ in answers) == ["\n"] * 3 + [" ".join(names_of(server)) + "\n"]


def test_the_table_for_rows_set_aside_comes_into_a_store_with_books(
    databases: FreshDatabases, engine: Engine, tmp_path: Path
) -> None:
    """Into one of the first release, that is: its books and the state of its sync stay as they are."""
    first, sixth = (migrations_of("frontend") / f"{name}.py" for name in ("0001_initial", "0006_set_aside"))
    shutil.copy(first, tmp_path)
    store = open_store(databases.empty(engine))
    migrate(store, tmp_path)
    resyncing = "0" if engine == "sqlite" else "false"
    with store.writing():
        store.database.execute_sql("INSERT INTO book VALUES (1, 'b', 'x', 'T', '', '', 1, 1, 't', 7, 1, 0)")
        store.database.execute_sql(f"INSERT INTO sync_state VALUES (1, 'f', 'c', 'r', 1, {resyncing}, 0)")
    shutil.copy(sixth, tmp_path)

    assert migrate(store, tmp_path) == ["0006_set_aside"]

    with store.reading():
        counts = [
            store.database.execute_sql(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in ("book", "sync_state", "set_aside")
        ]
    store.close()
    assert counts == [1, 1, 0]


def test_a_repair_that_fails_names_its_store(empty_store: Store) -> None:
    with pytest.raises(StoreSettingsError) as failure, alone_in(empty_store):
        empty_store.database.execute_sql("SELECT nothing_of_that_name")
    assert str(failure.value).startswith(f"cannot repair the store {empty_store.safe_url}: ")
