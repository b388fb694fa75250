"""`library doctor` alongside running servers, which it only reads, and on stores whose services refuse to start."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from service_kit.migrations import alone_in
from service_kit.store import StoreSettingsError, open_store
from tests.support.damage import TEXTS_THAT_CANNOT_BE_DECODED
from tests.support.library_command import library
from tests.support.processes import ROOT, ServerProcess, Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import assert_copies_are_counted, eventually, loans, wait_until_they_agree

pytestmark = [pytest.mark.slow, *TEXTS_THAT_CANNOT_BE_DECODED]


def test_the_doctor_reads_alongside_servers_and_repairs_without_them(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    urls = ["--admin-database-url", admin.database_url, "--frontend-database-url", frontend.database_url]
    book = librarian.catalog.AddBook(AddBookRequest(title="A book", copies=9), timeout=60)
    user = patron.members.EnrollUser(EnrollUserRequest(email="a@example.org", first_name="A"), timeout=60)
    wait_until_they_agree(librarian, patron, [user.id])
    borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
    patron.lending.BorrowBook(borrow, timeout=60)
    wait_until_they_agree(librarian, patron, [user.id])

    healthy = library("doctor", *urls)
    assert (healthy.returncode, healthy.stdout) == (
        0,
        "The admin store: nothing is damaged\nThe frontend store: nothing is damaged\n",
    )
    assert library("doctor", "--repair", *urls).returncode == 0, "there is nothing to repair"
    as_json = json.loads(library("doctor", "--json", *urls).stdout)
    assert [(each["damage"], each["repaired"], each["error"]) for each in as_json.values()] == [([], False, "")] * 2

    change(frontend, "UPDATE book SET on_loan = -3")
    change(admin, "UPDATE book SET on_loan = 7")
    found = library("doctor", *urls)
    assert found.returncode == 1
    assert found.stdout.count("book.on_loan is not the number of open loans in 1 rows") == 2
    refused = library("doctor", "--repair", *urls)
    assert (refused.returncode, refused.stdout.count("is in use; stop the services that use it first")) == (1, 2)
    assert library("doctor", *urls).stdout == found.stdout, "nothing was repaired"
    patron.lending.BorrowBook(borrow, timeout=60)

    frontend.stop()
    admin.stop()
    for statement in ("DELETE FROM counter", "UPDATE sync_state SET secret = 'x', start_revision = -7"):
        change(frontend, statement)
    change(frontend, "UPDATE clock_mark SET newest_time = 9223372036854775807")
    change(admin, "UPDATE frontend SET id = 'caf\u00e9', newest_revision = -1")
    assert "frontend.id is damaged; frontend.newest_revision is damaged" in refusal(admin)
    sentence = refusal(frontend)
    for problem in ("the row of counter is missing", "sync_state.secret", "sync_state.start_revision", "clock_mark"):
        assert problem in sentence
    repaired = library("doctor", "--repair", *urls)
    assert (repaired.returncode, repaired.stdout.count("repaired; everything is sent and read again")) == (0, 2)
    assert library("doctor", *urls).stdout == healthy.stdout

    admin.start()
    frontend.start()
    patron, librarian = frontend.frontend(), admin.admin()
    patron.lending.BorrowBook(borrow, timeout=60)
    wait_until_they_agree(librarian, patron, [user.id])
    assert len(loans(patron)) == 3
    assert_copies_are_counted(librarian, loans(patron).values())
    for server in (admin, frontend):
        assert "Traceback" not in server.log.read_text()


def test_the_doctor_names_what_it_cannot_open(databases: FreshDatabases, engine: Engine) -> None:
    nowhere = "sqlite:///nowhere.db"
    healthy = databases.migrated("frontend", engine)
    missing = library("doctor", "--admin-database-url", nowhere, "--frontend-database-url", healthy)
    assert missing.returncode == 1
    where = f"sqlite:///{Path('nowhere.db').absolute()}"
    assert f"The admin store: the admin service has no store at {where}; run the command in" in missing.stdout
    assert "The frontend store: nothing is damaged" in missing.stdout
    assert not Path("nowhere.db").exists()
    empty = library(
        "doctor", "--admin-database-url", databases.migrated("admin", engine), "--frontend-database-url", "mysql://x/y"
    )
    assert (empty.returncode, "The frontend store: library-frontend: cannot open the store" in empty.stdout) == (
        1,
        True,
    )


@pytest.mark.parametrize("pages", [1, 6], ids=["all but the first page", "all but some pages"])
@pytest.mark.parametrize("arguments", [[], ["--repair"]], ids=["", "repair"])
def test_a_damaged_file_is_reported_with_what_to_do(
    databases: FreshDatabases, arguments: list[str], pages: int
) -> None:
    healthy, damaged_url = (databases.migrated(name, "sqlite") for name in ("frontend", "admin"))
    store = open_store(damaged_url)
    store.close()  # with the log in the file
    file = Path(damaged_url.removeprefix("sqlite:///"))
    content = bytearray(file.read_bytes())
    content[pages * 4096 :] = b"\xa5" * (len(content) - pages * 4096)
    file.write_bytes(content)
    done = library("doctor", *arguments, "--admin-database-url", damaged_url, "--frontend-database-url", healthy)
    assert done.returncode == 1
    assert "Traceback" not in done.stdout + done.stderr
    assert "restore a backup with `library restore`" in done.stdout


def test_no_service_starts_while_its_store_is_repaired(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    server = servers.prepare("admin", databases.migrated("admin", engine))
    store, watcher = open_store(server.database_url), None
    try:
        with alone_in(store):
            store.database.execute_sql("UPDATE counter SET revision = 1000")
            if engine == "sqlite":
                assert "it is being restored or repaired" in refusal_at_start(server)
            else:
                watcher = open_store(server.database_url)
                server.launch()
                waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"

                def waits() -> bool:
                    with watcher.reading():
                        return bool(watcher.database.execute_sql(waiting).fetchone() == (1,))

                eventually(waits, "the start waits for the lock of the migrations")
    finally:
        store.close()
        if watcher is not None:
            watcher.close()
    if engine == "sqlite":
        server.launch()
    server.wait_until_serving()
    store = open_store(server.database_url)
    try:
        with pytest.raises(StoreSettingsError, match="is in use"), alone_in(store):
            pass
    finally:
        store.close()


def change(server: ServerProcess, sql: str) -> None:
    store = open_store(server.database_url)
    try:
        with store.writing():
            store.database.execute_sql(sql)
    finally:
        store.close()


def refusal(server: ServerProcess) -> str:
    """Start a server that must refuse to, as a process of its own; return its sentence."""
    sentence = refusal_at_start(server)
    assert sentence.endswith("): stop the services that use it and run: library doctor --repair")
    assert len(sentence) < 1_000
    return sentence


def refusal_at_start(server: ServerProcess) -> str:
    done = subprocess.run(
        [sys.executable, "-m", f"{server.name}_server", "serve", "--listen", "127.0.0.1:0"],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "generated")]),
            f"LIBRARY_{server.name.upper()}_DATABASE_URL": server.database_url,
        },
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    *logged, sentence = done.stderr.splitlines()
    assert all(json.loads(line)["level"] == "info" for line in logged), done.stderr
    return sentence
