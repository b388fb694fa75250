"""Files of SQLite that are not a store, or not the one that their log belongs to, are refused; crashed stores never."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from playhouse.cysqlite_ext import cysqlite

from admin_server.store.models import MIGRATIONS, SCHEMA
from frontend_server.store.models import MIGRATIONS as FRONTEND_MIGRATIONS
from frontend_server.store.models import SCHEMA as FRONTEND_SCHEMA
from library_domain.stores import FACTS
from service_kit.backup.copying import copy_store
from service_kit.backup.folder import BackupError
from service_kit.migrations import migrate
from service_kit.sqlite.files import first_pages, read_header, sibling
from service_kit.sqlite.lock import StoreLock
from service_kit.store import Store, StoreSettingsError, StoreTimes, open_store
from service_kit.store_checks import Schema
from tests.support.crashes import copy_folder, start_writer, write
from tests.support.stores import Engine, FreshDatabases

KILLS = int(os.environ.get("LIBRARY_TEST_STORE_KILLS", "5"))
"""How often a writing process is killed, in each of the tests that do so."""


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


# --- a file with a log that does not belong to it ---


def cp(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def cp_p(source: Path, target: Path) -> None:
    shutil.copy2(source, target)


def mv(source: Path, target: Path) -> None:
    kept = source.with_name("moved")
    shutil.copy2(source, kept)
    kept.replace(target)


def backup_api(path: Path, to: Path) -> None:
    """`.backup` of the sqlite3 shell; again where it hit the moment of a checkpoint in which it looks incomplete."""
    while True:
        to.unlink(missing_ok=True)
        source, target = cysqlite.Connection(str(path)), cysqlite.Connection(str(to))
        source.db_config(cysqlite.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        source.backup(target)
        target.close()
        source.close()
        header = read_header(to)
        assert header is not None
        if header.user_version % 2 == 0:
            return


def vacuum_into(path: Path, to: Path) -> None:
    source = cysqlite.Connection(str(path))
    source.db_config(cysqlite.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
    source.execute(f"VACUUM INTO '{to}'")
    source.close()


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a crashed store of 465 rows, and copies of it from when it had 65, in this run and the one before.

    The log is short, so it has never been copied into the file in the last run.
    """
    return crash(tmp_path_factory.mktemp("crashed"), checkpoint_bytes=2**40)


@pytest.fixture(scope="module")
def crashed_after_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but the log was copied into the file many times."""
    return crash(tmp_path_factory.mktemp("checkpoints"), checkpoint_bytes=100_000)


def crash(folder: Path, checkpoint_bytes: int) -> Path:
    path = folder / "data" / "admin.db"
    write(path, 65, checkpoint_bytes=checkpoint_bytes, how="stop")
    cp(path, folder / "stopped.db")
    backup_api(path, folder / "backup of before.db")
    for left in ("-wal", "-shm"):
        sibling(path, left).unlink(missing_ok=True)
    with start_writer(path, 400, checkpoint_bytes=checkpoint_bytes, how="wait") as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) == 66:
                backup_api(path, folder / "backup at its begin.db")
                vacuum_into(path, folder / "vacuum.db")
                cp(path, folder / "running.db")
            if int(line) == 465:
                break
        backup_api(path, folder / "backup at its end.db")
        process.communicate("")
    return folder


SOURCES = ["stopped", "backup of before", "backup at its begin", "backup at its end", "vacuum"]


@pytest.mark.parametrize("put", [cp, cp_p, mv])
@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("with_memory", [True, False])
@pytest.mark.parametrize("state", ["crashed", "crashed_after_checkpoints"])
def test_a_good_copy_put_over_a_crashed_store_is_not_undone_by_the_log(
    tmp_path: Path,
    request: pytest.FixtureRequest,
    state: str,
    source: str,
    put: Callable[[Path, Path], None],
    with_memory: bool,
) -> None:
    folder = copy_folder(request.getfixturevalue(state), tmp_path / "copy")
    path = folder / "data" / "admin.db"
    put(folder / f"{source}.db", path)
    if not with_memory:
        sibling(path, "-shm").unlink()
    message = refusal(path)
    assert "the log admin.db-wal does not belong to this file" in message
    assert "move admin.db-wal and admin.db-shm away" in message
    for suffix in ("-wal", "-shm"):
        sibling(path, suffix).unlink(missing_ok=True)
    assert 65 <= rows(path) <= 465


def test_the_file_that_the_log_belongs_to_can_be_put_back(tmp_path: Path, crashed: Path) -> None:
    folder = copy_folder(crashed, tmp_path / "copy")
    path = folder / "data" / "admin.db"
    cp(path, folder / "kept.db")
    cp(folder / "stopped.db", path)
    refusal(path)
    cp(folder / "kept.db", path)
    assert rows(path) == 465


def test_a_copy_of_a_crashed_folder_is_opened(tmp_path: Path, crashed: Path, crashed_after_checkpoints: Path) -> None:
    for state in (crashed, crashed_after_checkpoints):
        for number, names in enumerate((["", "-wal"], ["", "-wal", "-shm"], ["", "-wal", "-shm", "-lock"])):
            folder = tmp_path / f"{state.name} {number}"
            folder.mkdir()
            for name in names:
                cp(sibling(state / "data" / "admin.db", name), folder / f"renamed.db{name}")
            assert rows(folder / "renamed.db") == 465


def test_another_program_that_opened_the_crashed_store_meanwhile_does_no_harm(tmp_path: Path, crashed: Path) -> None:
    folder = copy_folder(crashed, tmp_path / "copy")
    shell = sqlite3.connect(folder / "data" / "admin.db")
    assert shell.execute("SELECT count(*) FROM noted").fetchone() == (465,)
    shell.close()  # which copies the log into the file and removes it
    assert rows(folder / "data" / "admin.db") == 465


@pytest.mark.parametrize("dies", [True, False])
def test_another_program_that_copies_the_log_of_a_running_store_does_no_harm(tmp_path: Path, dies: bool) -> None:
    """As a tool does that replicates SQLite files."""
    path = tmp_path / "admin.db"
    with start_writer(path, 30, how="wait") as process:
        assert process.stdout is not None
        shell = None
        for line in process.stdout:
            if int(line) in (10, 20, 30):
                shell = sqlite3.connect(path)
                shell.execute("PRAGMA wal_checkpoint(PASSIVE)" if line != "20\n" else "PRAGMA wal_checkpoint(TRUNCATE)")
                shell.close()
            if line == "30\n":
                break
        process.communicate("")
    assert rows(path) == 30


# --- crashes ---


@pytest.mark.parametrize("how", ["wait", "with readers"])
def test_a_store_whose_process_is_killed_at_any_moment_is_opened_with_all_that_was_committed(
    tmp_path: Path, how: str
) -> None:
    """Its log is copied into the file after every few commits, so that many of the kills hit that."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    path = tmp_path / "admin.db"
    committed = 0
    for _ in range(KILLS):
        with start_writer(path, 100_000, checkpoint_bytes=30_000, how=how) as process:
            assert process.stdout is not None
            for _ in range(chance.choice((0, 0, 1, 2, 5, 10, 30))):
                committed = int(process.stdout.readline())
            time.sleep(chance.uniform(0, 0.02))
            process.kill()
            committed = max([committed, *map(int, process.stdout.read().split())])
        if chance.random() < 0.5:
            copied = tmp_path / f"copy {committed}"
            copied.mkdir()
            for file in tmp_path.glob("admin.db*"):
                shutil.copy(file, copied)
            if (copied / "admin.db").exists():
                assert rows_if_any(copied / "admin.db") in (committed, committed + 1)
            shutil.rmtree(copied)
    assert rows_if_any(path) in (committed, committed + 1)


def rows_if_any(path: Path) -> int:
    store = opened(path)
    try:
        return rows(path) if store.database.table_exists("noted") else 0
    finally:
        store.close()


def test_a_store_that_is_stopped_needs_no_log(tmp_path: Path) -> None:
    path = tmp_path / "admin.db"
    write(path, 50, checkpoint_bytes=30_000, how="stop")
    assert not sibling(path, "-wal").exists()
    header = read_header(path)
    assert header is not None
    assert header.user_version % 2 == 0


def test_a_store_that_a_backup_reads_while_it_is_started_is_marked_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "admin.db"
    write(path, 5, how="stop")
    reader = StoreLock(path)
    assert reader.share(0)
    store = opened(path)
    header = read_header(path)
    assert header is not None
    assert header.user_version % 2 == 1
    assert [page.user_version for page in first_pages(sibling(path, "-wal"))] == [header.user_version - 1]
    store.close()
    reader.release()


def test_a_store_that_is_being_restored_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "admin.db"
    write(path, 5, how="stop")
    restore = StoreLock(path)
    assert restore.try_alone()
    with pytest.raises(StoreSettingsError, match="it is being restored"):
        opened(path, times=StoreTimes(busy_seconds=0.1))
    restore.release()
    assert rows(path) == 5


def test_a_crashed_store_is_backed_up_and_one_with_the_log_of_another_is_not(tmp_path: Path, crashed: Path) -> None:
    folder = copy_folder(crashed, tmp_path / "copy")
    path = folder / "data" / "admin.db"
    copy = copy_store(f"sqlite:///{path}", tmp_path / "copy.db", SCHEMA, FACTS["admin"], lambda *_: None)
    assert copy.rows["noted"] == 465
    cp(folder / "stopped.db", path)
    with pytest.raises(BackupError, match="does not belong to this file"):
        copy_store(f"sqlite:///{path}", tmp_path / "other.db", SCHEMA, FACTS["admin"], lambda *_: None)
    cp(tmp_path / "copy.db", path)
    assert "does not belong to this file" in refusal(path)
    for suffix in ("-wal", "-shm"):
        sibling(path, suffix).unlink()
    assert rows(path) == 465
