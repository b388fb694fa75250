"""`library backup`, `verify` and `restore`, on both engines and from each to the other."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

import library_cli.__main__
import library_cli.backup
import library_cli.stores
from admin_server.books.catalog import add_book
from admin_server.books.listing import list_books
from admin_server.covers.pictures import checked_cover
from admin_server.covers.storing import store_cover
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from library.admin.v1.catalog_service_pb2 import AddBookRequest, ListBooksRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from service_kit.backup.copying import copy_store
from service_kit.migrations import migrate
from service_kit.store import open_store
from tests.support.backup_commands import SERVICES, done, refusal, run, urls_of
from tests.support.pictures import picture
from tests.support.stores import ENGINES, Engine, FreshDatabases, ServerName, migrations_of
from tests.sync.libraries import RULES, Contents, Library


@pytest.fixture
def filled(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    """A library in use: 30 books, removed ones among them, users and loans, all known to both sides."""
    library = Library(databases, engine)
    use(library, 30)
    yield library
    library.close()


def use(library: Library, books: int, prefix: str = "Ångström's Book") -> None:
    """Add books, users and loans, and let both sides agree."""
    with library.admin.at_work() as store:
        added = [
            add_book(store, AddBookRequest(title=f"{prefix} {number}", authors=["Ö. Zähler"]), library.clock)
            for number in range(books)
        ]
        cover = checked_cover(picture())
        assert cover is not None
        store_cover(store, added[0].id, cover, "https://covers.example/1", library.clock)
    library.pull()
    with library.frontend.at_work() as store:
        for number, book in enumerate(added[::3]):
            email = f"{prefix.replace(' ', '')}{number}@example.org"
            request = EnrollUserRequest(email=email, first_name="Ada", last_name="Müller-Łoś")
            user = enroll_user(store, request, library.clock)
            borrow_book(store, BorrowBookRequest(book_id=book.id, user_id=user.id, days=7), RULES, library.clock)
    library.sync()


def contents_of(library: Library) -> dict[str, Contents]:
    return {"admin": library.admin.contents(), "frontend": library.frontend.contents()}


def reopened(library: Library, **urls: str) -> None:
    """Let the library go on with the stores at other URLs."""
    library.close()
    for side in (library.admin, library.frontend):
        if side.name in urls:
            side.url = urls[side.name]
            side.store = side.opened()


def nowhere(databases: FreshDatabases, engine: Engine, tmp_path: Path, name: str) -> dict[str, str]:
    """URLs where there is no store yet."""
    if engine == "postgresql":
        return {service: databases.empty(engine) for service in SERVICES}
    return {service: f"sqlite:///{tmp_path}/{name}/{service}.db" for service in SERVICES}


@pytest.mark.parametrize("target", ENGINES)
def test_a_backup_has_all_and_is_restored_on_either_engine(
    filled: Library, databases: FreshDatabases, tmp_path: Path, target: Engine, request: pytest.FixtureRequest
) -> None:
    request.getfixturevalue("postgresql")
    before = contents_of(filled)
    printed = json.loads(done(run("backup", tmp_path / "monday", "--json", **urls_of(filled))))
    assert printed["stores"]["admin"]["rows"]["book"] == 30
    assert printed["stores"]["admin"]["rows"]["cover"] == 1
    assert printed["stores"]["frontend"]["rows"]["loan"] == 10
    done(run("verify", tmp_path / "monday"))
    use(filled, 10, "Later book")

    urls = nowhere(databases, target, tmp_path, "elsewhere")
    assert "services again, for example with `library up`." in done(run("restore", tmp_path / "monday", **urls))
    reopened(filled, **urls)
    assert contents_of(filled) == before

    # It is a library that can be used: numbers go on, words are found, both sides agree.
    filled.start_admin()
    filled.start_frontend()
    use(filled, 10, "Newer book")
    assert filled.catalogue() == filled.replica()
    with filled.admin.at_work() as store:
        for query, count in (("angstrom 7", 1), ("newer zahler", 10), ("later", 0)):
            assert len(list_books(store, ListBooksRequest(query=query, page_size=100))[0]) == count, query


def test_a_restore_over_a_store_keeps_the_old_one(filled: Library, tmp_path: Path) -> None:
    before = contents_of(filled)
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    use(filled, 10, "Later book")
    later = contents_of(filled)
    urls = urls_of(filled)
    filled.close()
    for _ in range(2):
        printed = done(run("restore", tmp_path / "monday", **urls))
        assert printed.count("The old one is kept: ") == 2
    reopened(filled, **urls)
    assert contents_of(filled) == before
    assert rows_kept(filled.admin.url) == [30, 40]
    assert len(later["admin"]["book"]) == 40


def rows_kept(url: str) -> list[int]:
    """How many books each of the stores has that a restore has moved away."""
    if url.startswith("sqlite"):
        path = Path(url.removeprefix("sqlite:///"))
        kept = [file for file in path.parent.glob(f"{path.name}.before-restore-*") if file.name[-1].isdigit()]
        counts = []
        for file in kept:
            reader = sqlite3.connect(file)
            counts += reader.execute("SELECT count(*) FROM book").fetchone()
            reader.close()
        return sorted(counts)
    with psycopg.connect(url) as connection:
        schemas = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE nspname LIKE 'before_restore_%'"
        ).fetchall()
        return sorted(
            row[0]
            for (schema,) in schemas
            for row in connection.execute(SQL("SELECT count(*) FROM {}.book").format(Identifier(schema))).fetchall()
        )


@pytest.mark.parametrize(("only", "first"), [("admin", "frontend"), ("frontend", "admin")])
def test_after_restoring_one_or_both_stores_the_two_agree_and_nothing_is_lost(
    filled: Library, tmp_path: Path, only: ServerName, first: ServerName
) -> None:
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    use(filled, 5, "Later book")
    urls = urls_of(filled)
    all_loans = len(filled.frontend.contents()["loan"])
    filled.close()
    done(run("restore", tmp_path / "monday", "--only", only, **urls))
    reopened(filled, **urls)
    starts = [filled.start_admin, filled.start_frontend]
    for start in starts if first == "admin" else reversed(starts):
        start()
    use(filled, 3, "Newest book")
    assert filled.catalogue() == filled.replica()
    own, recorded = filled.frontend.contents()["loan"], filled.admin.contents()["loan"]
    # What only the frontend knows it sends again; what only the admin knows stays in its reports.
    assert len(recorded) == all_loans + 1
    assert len(own) == (all_loans + 1 if only == "admin" else 11)


def test_a_backup_that_was_made_while_both_sides_went_on_is_restored_to_sides_that_agree(
    filled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Loans that the frontend sent between the two copies are in its copy, and are sent again to the restored admin."""

    def copied(url: str, *arguments: Any) -> Any:
        if url == filled.frontend.url:
            use(filled, 5, "Book in between")
        return copy_store(url, *arguments)

    monkeypatch.setattr("library_cli.backup.copy_store", copied)
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    urls = urls_of(filled)
    filled.close()
    done(run("restore", tmp_path / "monday", **urls))
    reopened(filled, **urls)
    assert len(filled.admin.contents()["loan"]) == 10
    filled.start_admin()
    filled.start_frontend()
    filled.sync()
    assert len(filled.admin.contents()["loan"]) == len(filled.frontend.contents()["loan"]) == 12
    assert filled.catalogue() == filled.replica()


def test_a_backup_of_an_earlier_version_is_restored_and_migrated(
    filled: Library, databases: FreshDatabases, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: Any
) -> None:
    request.getfixturevalue("postgresql")
    before = contents_of(filled)
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    newer = {}
    for service in SERVICES:
        newer[service] = tmp_path / f"{service}_server" / "store" / "migrations"
        shutil.copytree(migrations_of(service), newer[service])
        (newer[service] / "0999_shelf.py").write_text(
            'def up(migrator, db):\n    db.execute_sql("CREATE TABLE shelf (number INTEGER NOT NULL)")\n'
        )
    schema_of = library_cli.stores.schema_of
    monkeypatch.setattr(
        "library_cli.backup.schema_of",
        lambda service: type(schema_of(service))(**{**vars(schema_of(service)), "migrations": newer[service]}),
    )
    urls: dict[str, str] = {}
    for target in reversed(ENGINES):
        urls = nowhere(databases, target, tmp_path, "elsewhere")
        done(run("restore", tmp_path / "monday", **urls))
        for service in SERVICES:
            store = open_store(urls[service])
            migrate(store, newer[service])
            assert store.database.execute_sql("SELECT count(*) FROM shelf").fetchone() == (0,)
            store.close()
        # And one of the new version is refused by the old, in every command.
        if target == "sqlite":
            done(run("backup", tmp_path / "tuesday", **urls))
        reopened(filled, **urls)
        assert contents_of(filled) == before
    monkeypatch.undo()
    assert "was made by a newer version of this program" in refusal(run("restore", tmp_path / "tuesday", **urls))
    assert "newer version of this program" in refusal(run("backup", tmp_path / "wednesday", **urls))


def test_a_store_in_use_is_not_restored(filled: Library, tmp_path: Path) -> None:
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    use(filled, 1, "Later book")
    before = contents_of(filled)
    urls = urls_of(filled)
    message = refusal(run("restore", tmp_path / "monday", **urls))
    assert "in use" in message
    assert "stop the server" in message
    filled.frontend.close()
    # Neither is restored while one of both is in use.
    assert "in use" in refusal(run("restore", tmp_path / "monday", **urls))
    filled.frontend.store = filled.frontend.opened()
    assert contents_of(filled) == before


def test_what_is_not_a_store_is_not_backed_up(databases: FreshDatabases, engine: Engine, tmp_path: Path) -> None:
    admin, frontend = databases.migrated("admin", engine), databases.migrated("frontend", engine)
    swapped = refusal(run("backup", tmp_path / "monday", admin=frontend, frontend=admin))
    assert "this is the store of the frontend service" in swapped
    for urls in (
        {"admin": admin, "frontend": nowhere(databases, engine, tmp_path, "gone")["frontend"]},
        {"admin": nowhere(databases, engine, tmp_path, "gone")["admin"], "frontend": frontend},
    ):
        message = refusal(run("backup", tmp_path / "monday", **urls))
        assert " service has no store at " in message or "there are no tables in it" in message
    assert not (tmp_path / "gone").exists()
    assert not list(tmp_path.glob("monday*"))


def test_a_store_is_not_restored_over_the_other_service_or_another_program(
    filled: Library, databases: FreshDatabases, engine: Engine, tmp_path: Path
) -> None:
    done(run("backup", tmp_path / "monday", **urls_of(filled)))
    before = contents_of(filled)
    urls = urls_of(filled)
    filled.close()
    message = refusal(run("restore", tmp_path / "monday", admin=urls["frontend"], frontend=urls["admin"]))
    assert "is not replaced: this is the store of the frontend service" in message
    other = databases.empty(engine)
    store = open_store(other)
    store.database.execute_sql("CREATE TABLE places (id INTEGER)")
    store.close()
    message = refusal(run("restore", tmp_path / "monday", admin=other, frontend=urls["frontend"]))
    assert "tables of another program" in message
    reopened(filled, **urls)
    assert contents_of(filled) == before


def test_a_postgresql_restore_that_fails_leaves_the_old_store(
    databases: FreshDatabases, tmp_path: Path, postgresql: object
) -> None:
    """PostgreSQL has no zero bytes in texts, but a SQLite file may."""
    sqlite = {service: databases.migrated(service, "sqlite") for service in SERVICES}
    store = open_store(sqlite["frontend"])
    store.database.execute_sql(
        "INSERT INTO book (id, message, title, publisher, category, total_copies, state, words, revision, generation, "
        "on_loan) VALUES ('1', x'00', 'a' || char(0) || 'b', '', '', 1, 1, '', 1, 1, 0)"
    )
    store.close()
    done(run("backup", tmp_path / "monday", **sqlite))
    target = {service: databases.migrated(service, "postgresql") for service in SERVICES}
    message = refusal(run("restore", tmp_path / "monday", "--only", "frontend", **target))
    assert "cannot restore postgresql://" in message
    with psycopg.connect(target["frontend"]) as connection:
        assert connection.execute("SELECT count(*) FROM book").fetchone() == (0,)
        assert not connection.execute("SELECT FROM pg_namespace WHERE nspname LIKE 'before%'").fetchall()
