"""One bad row never stops the pull: it is set aside with its reason and tried again, and all other rows are applied."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.books.catalog import remove_book, update_book
from frontend_server.store.models import IN_CATALOGUE, SyncState
from frontend_server.store.models import Book as FrontendBook
from frontend_server.sync.retry_set_aside import retry_set_aside
from frontend_server.sync.trials import REASON_LENGTH
from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest, UpdateBookRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.sync.v1.sync_service_pb2 import CatalogChange
from library.v1.book_pb2 import Book
from service_kit.ids import new_id
from service_kit.store import open_store
from service_kit.vocabulary import VocabularyWord
from tests.support.library_command import library as library_command
from tests.support.processes import Servers
from tests.support.stores import Engine, FreshDatabases
from tests.sync.agreement import eventually, replica, status
from tests.sync.libraries import BOOKS_ALONE, Fault, Library, WireError
from tests.sync.refusing_stores import (
    BAD,
    HARDEST,
    TRIGGERS,
    allow,
    aside,
    change,
    permissions,
    pull_altered,
    refusals,
    refuse,
)

PAGE = 4


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=PAGE)
    library.listed_kinds = BOOKS_ALONE
    yield library
    library.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trigger" in metafunc.fixturenames:
        pairs = [(engine, name) for engine, names in TRIGGERS.items() for name in names]
        if metafunc.function is not test_a_row_that_the_store_refuses_is_set_aside_and_all_others_are_applied:
            pairs = [("sqlite", HARDEST["sqlite"]), ("postgresql", HARDEST["postgresql"])]
        metafunc.parametrize(("engine", "trigger"), pairs, ids=[f"{engine}-{name}" for engine, name in pairs])


# --- rows that the store refuses ---


def test_a_row_that_the_store_refuses_is_set_aside_and_all_others_are_applied(
    library: Library, engine: Engine, trigger: str
) -> None:
    refuse(library, engine, trigger)
    books = [library.add_book(title) for title in ("A", "B", BAD, "C", "D", "E")]

    assert library.pull() == len(books)

    good = {book.id for book in books if book.title != BAD}
    assert library.replica().keys() == good
    [row] = aside(library)
    assert (row.kind, row.id, row.revision) == ("book", books[2].id, _revision(library, books[2]))
    assert "Rita" not in row.reason, "what belongs to other people is not shown"
    assert row.reason.isprintable()
    assert 0 < len(row.reason) <= REASON_LENGTH
    assert row.time == library.clock()
    assert library.pull() == 0, "the cursor has moved past it"

    library.add_book("F")
    assert library.pull() == 1
    assert len(library.replica()) == len(good) + 1


def test_a_version_that_the_store_takes_clears_the_row(library: Library, engine: Engine, trigger: str) -> None:
    refuse(library, engine, trigger)
    book = library.add_book(BAD)
    library.pull()
    first = aside(library)[0].revision
    change(library, book, copies=3)  # its title is as bad as before
    library.pull()
    [row] = aside(library)
    assert row.revision > first
    assert not library.replica()

    change(library, book, title="Good")
    library.pull()

    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_a_row_set_aside_is_tried_again_when_asked(library: Library, engine: Engine, trigger: str) -> None:
    refuse(library, engine, trigger)
    books = [library.add_book(title) for title in ("A", BAD, "B")]
    library.pull()
    with library.frontend.at_work() as store:
        retry_set_aside(store)
    assert [row.id for row in aside(library)] == [books[1].id]

    allow(library, engine)
    with library.frontend.at_work() as store:
        retry_set_aside(store)

    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_every_row_of_a_page_may_be_bad(library: Library, engine: Engine, trigger: str) -> None:
    refuse(library, engine, trigger)
    for _ in range(2 * PAGE):
        library.add_book(BAD)
    good = library.add_book("Good")
    library.pull()
    assert len(aside(library)) == 2 * PAGE
    assert library.replica().keys() == {good.id}


def test_a_resync_keeps_rows_set_aside_that_still_exist(library: Library, engine: Engine, trigger: str) -> None:
    """The older version of a book stays, though the sweep has not seen its newest one; other books that are gone go."""
    kept, gone = library.add_book("Kept"), library.add_book("Gone")
    library.pull()
    backup = library.admin.backup()
    with library.admin.at_work() as store:
        renamed = Book(id=kept.id, title=BAD)
        update_book(store, UpdateBookRequest(book=renamed, update_mask=FieldMask(paths=["title"])), library.clock)
        remove_book(store, RemoveBookRequest(id=gone.id), library.clock)
    newest = library.admin.backup()
    refuse(library, engine, trigger)
    library.pull()
    assert [row.id for row in aside(library)] == [kept.id]
    _resync_from(library, newest)

    assert [(row.id, row.generation) for row in aside(library)] == [(kept.id, 2)]
    assert {book.title for book in library.replica().values()} == {"Kept"}

    _resync_from(library, backup)  # in which it has its good title
    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_a_resync_forgets_what_the_admin_no_longer_has(library: Library, engine: Engine, trigger: str) -> None:
    old = library.add_book("Old")
    library.pull()
    backup = library.admin.backup()
    refuse(library, engine, trigger)
    bad = library.add_book(BAD)
    library.pull()
    assert [row.id for row in aside(library)] == [bad.id]

    _resync_from(library, backup)

    assert not aside(library)
    assert library.replica().keys() == {old.id}


def test_a_removal_that_the_sweep_cannot_make_is_set_aside(library: Library, engine: Engine, trigger: str) -> None:
    backup = library.admin.backup()
    books = [library.add_book(title) for title in (BAD, "A", "B")]
    library.pull()
    assert len(library.replica()) == 3
    refuse(library, engine, trigger)

    _resync_from(library, backup)

    assert library.replica().keys() == {books[0].id}
    [row] = aside(library)
    assert row.id == books[0].id
    allow(library, engine)
    with library.frontend.at_work() as store:
        retry_set_aside(store)
    assert not aside(library)
    assert not library.replica()


def test_the_words_of_a_row_that_was_refused_are_learned_with_the_next_one(
    library: Library, engine: Engine, trigger: str
) -> None:
    def rename(title: str) -> Callable[[CatalogChange], object]:
        return lambda new: setattr(new.book, "title", title)

    refuse(library, engine, trigger)
    library.add_book("1")  # both sides learn words in one table here, and the admin learns none of this title
    pull_altered(library, rename(BAD))
    with library.frontend.at_work() as store, store.reading():
        assert not VocabularyWord.select().exists()
    allow(library, engine)

    library.add_book("2")
    pull_altered(library, rename(f"Not {BAD}"))

    with library.frontend.at_work() as store, store.reading():
        assert {row.word for row in VocabularyWord.select()} == {"not", "bad"}


def test_the_sweep_removes_a_row_that_is_damaged_in_this_store(databases: FreshDatabases) -> None:
    library = Library(databases, "sqlite")  # PostgreSQL stores valid texts only
    backup = library.admin.backup()
    torn, kept = library.add_book("Torn"), library.add_book(BAD)
    library.pull()
    with library.frontend.at_work() as store, store.writing():
        store.database.execute_sql(f"UPDATE book SET publisher = CAST(x'ff' AS TEXT) WHERE id = '{torn.id}'")
    refuse(library, "sqlite", HARDEST["sqlite"])

    _resync_from(library, backup)

    assert [row.id for row in aside(library)] == [kept.id]
    with library.frontend.at_work() as store, store.reading():
        assert [row.id for row in FrontendBook.select(FrontendBook.id).where(IN_CATALOGUE)] == [kept.id]
    library.close()


@pytest.mark.parametrize("changed", [0, -1], ids=["read again", "not read again yet"])
def test_during_a_resync_no_row_of_the_lost_database_is_tried_again(
    library: Library, engine: Engine, trigger: str, changed: int
) -> None:
    """Its revision is from the database that was lost, and may be greater than that of the newest state."""
    books = [library.add_book(f"Book {number}") for number in range(2 * PAGE)]
    library.pull()
    backup = library.admin.backup()
    refuse(library, engine, trigger)
    change(library, books[changed], title=BAD)
    library.pull()
    allow(library, engine)
    library.admin.restore(backup)
    library.start_admin()
    library.wire.faults.extend([Fault.NONE, Fault.NONE, Fault.REQUEST_LOST])
    with pytest.raises(WireError):
        library.pull()  # of the resync, one page is applied
    half_read = library.replica()

    with library.frontend.at_work() as store:
        retry_set_aside(store)
    assert library.replica() == half_read
    library.pull()

    assert library.replica() == library.catalogue()
    assert not aside(library)


# --- as operators see it ---


def test_rows_set_aside_are_shown_and_tried_again_when_asked_and_at_a_start(
    servers: Servers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    eventually(lambda: status(patron).HasField("last_pull_time"), "the first pull has ended")
    _execute(frontend.database_url, *refusals(engine, HARDEST[engine]))
    added = [librarian.catalog.AddBook(AddBookRequest(title=title), timeout=100) for title in (BAD, "A", BAD)]

    eventually(lambda: replica(patron).keys() == {added[1].id}, "the good book is there")
    eventually(lambda: status(patron).set_aside_count == 2, "the bad ones are counted")

    seen = patron.sync.SyncNow(SyncNowRequest(), timeout=100)
    assert [(row.kind, row.id) for row in seen.set_aside_rows] == [("book", added[0].id), ("book", added[2].id)]
    assert all(
        "not here" in row.reason and row.revision and row.HasField("set_aside_time") for row in seen.set_aside_rows
    )
    assert not seen.last_pull_error
    shown = library_command("status", "--all", admin=admin.address, frontend=frontend.address)
    assert shown.returncode == 1
    assert "frontend.set_aside_count: 2" in shown.stdout.splitlines()
    assert f"frontend.set_aside_rows: book {added[0].id} " in shown.stdout
    events = [event for event in frontend.log_events() if event["event"] == "row set aside"]
    assert sorted(event["id"] for event in events) == sorted([added[0].id, added[2].id]), "each is logged once"
    assert {event["level"] for event in events} == {"error"}

    _execute(frontend.database_url, *permissions(engine))
    if engine == "sqlite":
        patron.sync.SyncNow(SyncNowRequest(), timeout=100)
    else:
        frontend.stop()
        frontend.start()  # perhaps as a newer version, which may take what this one could not
    eventually(lambda: not status(patron).set_aside_count, "nothing is set aside")
    assert replica(patron).keys() == {book.id for book in added}
    shown = library_command("status", "--all", admin=admin.address, frontend=frontend.address)
    assert shown.returncode == 0


# --- two processes ---


def test_of_two_processes_one_sets_the_row_aside(library: Library, engine: Engine) -> None:
    refuse(library, engine, HARDEST[engine])
    for title in ("A", BAD, "B"):
        library.add_book(title)
    library.wire.meanwhile = library.pull
    library.wire.faults.append(Fault.MEANWHILE)
    library.pull()
    assert len(aside(library)) == 1
    assert len(library.replica()) == 2


# --- steps ---


def _execute(url: str, *statements: str) -> None:
    store = open_store(url)
    for statement in statements:
        with store.reading():
            store.database.execute_sql(statement)
    store.close()


def _resync_from(library: Library, backup: str) -> None:
    with library.frontend.at_work():
        generation = SyncState.get().generation
    library.admin.restore(backup)
    # A cursor that this admin never returned: the resync then begins even if the backup is its newest.
    with library.frontend.at_work() as store, store.writing():
        SyncState.update(cursor=_cursor_of_another_database()).execute()
    library.start_admin()
    library.pull()
    with library.frontend.at_work():
        state = SyncState.get()
    assert (state.generation, state.resyncing) == (generation + 1, False)


def _cursor_of_another_database() -> str:
    from admin_server.sync.epochs import encode_cursor  # noqa: PLC0415

    return encode_cursor(new_id(), 1)


def _revision(library: Library, book: Book) -> int:
    from admin_server.store.models import Book as Entry  # noqa: PLC0415

    with library.admin.at_work():
        revision: int = Entry.get(Entry.id == book.id).revision
    return revision
