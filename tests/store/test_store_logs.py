"""A SQLite store whose log belongs to another file is refused, and what happens to the store of a killed process."""

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

from admin_server.store.models import SCHEMA
from library_domain.stores import FACTS
from service_kit.backup.copying import copy_store
from service_kit.backup.folder import BackupError
from service_kit.sqlite.files import first_pages, read_header, sibling
from service_kit.sqlite.lock import StoreLock
from service_kit.store import StoreSettingsError, StoreTimes
from tests.support.crashes import copy_folder, start_writer, write
from tests.support.store_files import opened, refusal, rows

KILLS = int(os.environ.get("LIBRARY_TEST_STORE_KILLS", "5"))
"""How often a writing process is killed, in each of the tests that do so."""


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
