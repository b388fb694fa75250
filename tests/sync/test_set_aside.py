"""One bad row never stops the pull: it is set aside with its reason and tried again, and all other rows are applied."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from admin_server.books.catalog import add_book, remove_book, update_book
from frontend_server.browse import catalog
from frontend_server.circulation.checkout import borrow_book
from frontend_server.members.members import enroll_user
from frontend_server.store.models import IN_CATALOGUE, SetAside, SyncState
from frontend_server.store.models import Book as FrontendBook
from frontend_server.sync.pull import pull
from frontend_server.sync.retry_set_aside import retry_set_aside
from frontend_server.sync.set_aside import ID_LENGTH
from frontend_server.sync.trials import REASON_LENGTH
from library.admin.v1.catalog_service_pb2 import AddBookRequest, RemoveBookRequest, UpdateBookRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.frontend.v1.sync_service_pb2 import SyncNowRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1.book_pb2 import BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, Book
from library_domain.errors import BookRemoved, BookUnavailable
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.store import Store, open_store
from service_kit.vocabulary import VocabularyWord
from tests.support.library_command import library as library_command
from tests.support.postgresql import PostgresqlServer
from tests.support.stores import Engine, FreshDatabases, migrations_of
from tests.sync.agreement import eventually, replica, status
from tests.sync.forked_servers import ForkedServers
from tests.sync.libraries import RULES, Fault, Library, WireError

PAGE = 4

BAD = "Bad"
"""A title that the faults below refuse."""

TRIGGERS: dict[Engine, dict[str, str]] = {
    "sqlite": {
        "a trigger that aborts": "SELECT RAISE(ABORT, 'not here')",
        "a trigger that fails": "SELECT RAISE(FAIL, 'not here')",
        "a trigger that rolls the whole transaction back": "SELECT RAISE(ROLLBACK, 'not here')",
        "a trigger with a fault": "SELECT abs(-9223372036854775808)",
    },
    "postgresql": {
        "a trigger that raises": "RAISE EXCEPTION 'not here' USING DETAIL = 'Rita Reader, rita@example.org'",
        "a trigger that raises like an outage": "RAISE EXCEPTION 'not here' USING ERRCODE = '54000'",
        "a trigger with a fault": "PERFORM 1 / 0",
        "a trigger without its function": "PERFORM no_such_function()",
        "a trigger that checks at the commit": "RAISE EXCEPTION 'not here'",
    },
}

HARDEST: dict[Engine, str] = {
    "sqlite": "a trigger that rolls the whole transaction back",
    "postgresql": "a trigger that checks at the commit",
}
"""Of those, the ones that end the transaction."""


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=PAGE)
    yield library
    library.close()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "trigger" in metafunc.fixturenames:
        pairs = [(engine, name) for engine, names in TRIGGERS.items() for name in names]
        if metafunc.function is not test_a_row_that_the_store_refuses_is_set_aside_and_all_others_are_applied:
            pairs = [("sqlite", HARDEST["sqlite"]), ("postgresql", HARDEST["postgresql"])]
        metafunc.parametrize(("engine", "trigger"), pairs, ids=[f"{engine}-{name}" for engine, name in pairs])


# --- whatever the store does ---


def test_a_row_that_the_store_refuses_is_set_aside_and_all_others_are_applied(
    library: Library, engine: Engine, trigger: str
) -> None:
    refuse(library, engine, trigger)
    books = [_add(library, title) for title in ("A", "B", BAD, "C", "D", "E")]

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

    _add(library, "F")
    assert library.pull() == 1
    assert len(library.replica()) == len(good) + 1


def test_a_version_that_the_store_takes_clears_the_row(library: Library, engine: Engine, trigger: str) -> None:
    refuse(library, engine, trigger)
    book = _add(library, BAD)
    library.pull()
    first = aside(library)[0].revision
    _change(library, book, copies=3)  # its title is as bad as before
    library.pull()
    [row] = aside(library)
    assert row.revision > first
    assert not library.replica()

    _change(library, book, title="Good")
    library.pull()

    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_a_row_set_aside_is_tried_again_when_asked(library: Library, engine: Engine, trigger: str) -> None:
    refuse(library, engine, trigger)
    books = [_add(library, title) for title in ("A", BAD, "B")]
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
        _add(library, BAD)
    good = _add(library, "Good")
    library.pull()
    assert len(aside(library)) == 2 * PAGE
    assert library.replica().keys() == {good.id}


def test_a_resync_keeps_what_is_set_aside_and_still_there(library: Library, engine: Engine, trigger: str) -> None:
    """The older version of a book stays, though the sweep has not seen its newest one; other books that are gone go."""
    kept, gone = _add(library, "Kept"), _add(library, "Gone")
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

    _resync_from(library, backup)  # a past in which it has its good title
    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_a_resync_forgets_what_the_admin_no_longer_has(library: Library, engine: Engine, trigger: str) -> None:
    old = _add(library, "Old")
    library.pull()
    backup = library.admin.backup()
    refuse(library, engine, trigger)
    bad = _add(library, BAD)
    library.pull()
    assert [row.id for row in aside(library)] == [bad.id]

    _resync_from(library, backup)

    assert not aside(library)
    assert library.replica().keys() == {old.id}


def test_a_removal_that_the_sweep_cannot_make_is_set_aside(library: Library, engine: Engine, trigger: str) -> None:
    backup = library.admin.backup()
    books = [_add(library, title) for title in (BAD, "A", "B")]
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


def test_the_words_of_a_row_that_was_refused_are_learnt_with_the_next_one(
    library: Library, engine: Engine, trigger: str
) -> None:
    def rename(title: str) -> Callable[[CatalogChange], object]:
        return lambda change: setattr(change.book, "title", title)

    refuse(library, engine, trigger)
    _add(library, "1")  # both sides learn words in one table here, and the admin learns none of this title
    _pull(library, rename(BAD))
    with library.frontend.at_work() as store, store.reading():
        assert not VocabularyWord.select().exists()
    allow(library, engine)

    _add(library, "2")
    _pull(library, rename(f"Not {BAD}"))

    with library.frontend.at_work() as store, store.reading():
        assert {row.word for row in VocabularyWord.select()} == {"not", "bad"}


def test_the_sweep_removes_a_row_that_is_damaged_in_this_store(databases: FreshDatabases) -> None:
    library = Library(databases, "sqlite")  # PostgreSQL stores valid texts only
    backup = library.admin.backup()
    torn, kept = _add(library, "Torn"), _add(library, BAD)
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
def test_during_a_resync_no_row_of_the_lost_past_is_tried_again(
    library: Library, engine: Engine, trigger: str, changed: int
) -> None:
    """Its revision is of the past that the admin has lost, and may be greater than that of the newest state."""
    books = [_add(library, f"Book {number}") for number in range(2 * PAGE)]
    library.pull()
    backup = library.admin.backup()
    refuse(library, engine, trigger)
    _change(library, books[changed], title=BAD)
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


# --- whatever the change is ---


FAULTS: dict[str, Callable[[Book], object]] = {
    "an id too long": lambda book: setattr(book, "id", "x" * 1_000),
    "an id that is no UUID": lambda book: setattr(book, "id", "戦争\x00\n"),
    "no book at all": lambda book: book.Clear(),
    "a NUL in the title": lambda book: setattr(book, "title", "a\0b"),
    "a NUL in the publisher": lambda book: setattr(book, "publisher", "a\0b"),
    "a NUL in the category": lambda book: setattr(book, "category", "a\0b"),
    "an unknown state": lambda book: setattr(book, "state", 77),
    "a state that no column takes": lambda book: setattr(book, "state", 4_000_000),
    "no state": lambda book: book.ClearField("state"),
    "less than no copies": lambda book: setattr(book, "total_copies", -1),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_change_that_makes_no_sense_is_set_aside_on_both_engines(library: Library, fault: str) -> None:
    books = [_add(library, title) for title in ("A", "B", "C", "D", "E", "F")]

    _pull(library, lambda change: change.book.id == books[1].id and FAULTS[fault](change.book))

    assert library.replica().keys() == {book.id for book in books} - {books[1].id}
    [row] = aside(library)
    assert len(row.id) <= ID_LENGTH
    assert row.id.isascii()
    assert row.id in ("", books[1].id) or not fault.startswith("a ")
    assert row.reason.isascii()


def test_a_book_that_the_admin_cannot_read_is_set_aside_until_it_can(library: Library) -> None:
    books = [_add(library, title) for title in ("A", "B", "C")]
    library.pull()
    _change(library, books[1], copies=4)
    with library.admin.at_work() as store, store.writing():
        store.database.execute_sql(f"UPDATE book SET authors = 'no JSON' WHERE id = '{books[1].id}'")

    library.pull()

    [row] = aside(library)
    assert row.id == books[1].id
    assert row.reason.startswith("the title is missing")
    assert library.replica()[books[1].id].total_copies == 4
    with library.admin.at_work() as store, store.writing():
        store.database.execute_sql("UPDATE book SET authors = '[]'")
    _change(library, books[1], title="B2")
    library.pull()
    assert not aside(library)
    assert library.replica() == library.catalogue()


def test_two_long_ids_that_begin_alike_are_two_rows(library: Library) -> None:
    for title in ("A", "B"):
        _add(library, title)

    def lengthen(change: CatalogChange) -> None:
        change.book.id = "x" * 500 + change.book.title

    _pull(library, lengthen)
    assert len(aside(library)) == 2


def test_a_publisher_too_large_for_an_index_is_applied(databases: FreshDatabases) -> None:
    """PostgreSQL's B-trees take 2.7 kB. What is indexed of a publisher is its key, which is shorter."""
    library = Library(databases, "postgresql")
    noise = random.Random(1)
    publisher = "".join(chr(noise.randrange(0x4E00, 0x9FFF)) for _ in range(3_000))
    books = [_add(library, title) for title in ("A", "B")]

    def lengthen(change: CatalogChange) -> None:
        if change.book.id == books[1].id:
            change.book.publisher = publisher

    _pull(library, lengthen)
    assert library.replica().keys() == {book.id for book in books}
    assert aside(library) == []
    library.close()


def test_a_title_outside_the_encoding_of_the_database_is_set_aside(
    databases: FreshDatabases, postgresql: PostgresqlServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a database is refused at a start; one that is in use all the same must not stop the pull."""
    library = Library(databases, "postgresql")
    library.frontend.close()
    library.frontend.url = postgresql.url(postgresql.new_database(encoding="LATIN1"))
    monkeypatch.setattr(Store, "check_database", lambda store: None)
    library.frontend.store = library.frontend.opened()
    migrate(library.frontend.store, migrations_of("frontend"))
    library.start_frontend()
    books = [_add(library, title) for title in ("Ågrén", "戦争と平和", "Łódź", "B")]

    library.pull()

    assert library.replica().keys() == {books[0].id, books[3].id}
    assert [row.id for row in aside(library)] == [books[1].id, books[2].id]
    _change(library, books[2], title="Lodz")
    library.pull()
    assert [row.id for row in aside(library)] == [books[1].id]
    assert library.replica()[books[2].id].title == "Lodz"
    library.close()


# --- what is lent ---


@pytest.mark.parametrize("newest", ["removed", "unavailable", "of an unknown state"])
@pytest.mark.parametrize("why", ["its text", "its state", "its message and its state"])
def test_a_book_whose_newest_version_may_not_be_lent_is_not_lent(
    library: Library, engine: Engine, newest: str, why: str
) -> None:
    """Though that version cannot be applied: of it, what stops lending is."""
    book = _add(library, "A book")
    library.sync()
    with library.frontend.at_work() as store:
        request = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
        user = enroll_user(store, request, library.clock)
    if why != "its text":
        columns = {"its state": "state", "its message and its state": "message, state"}[why]
        _refuse_updates(library, engine, of=columns)

    def newer(change: CatalogChange) -> None:
        change.book.state = {  # type: ignore[assignment]
            "removed": BOOK_STATE_REMOVED,
            "unavailable": BOOK_STATE_UNAVAILABLE,
            "of an unknown state": 77,
        }[newest]
        if why == "its text":
            change.book.title = "\0"

    _change(library, book, copies=5)
    _pull(library, newer)

    assert len(aside(library)) == 1
    with library.frontend.at_work() as store:
        borrow = BorrowBookRequest(book_id=book.id, user_id=user.id, days=7)
        with pytest.raises((BookRemoved, BookUnavailable) if why == "its text" else Exception):
            borrow_book(store, borrow, RULES, library.clock)
        if why == "its text":
            shown = catalog.get_book(store, book.id)
            assert shown.title == "A book"
            assert shown.total_copies == 5
            assert shown.state == {"removed": BOOK_STATE_REMOVED}.get(newest, BOOK_STATE_UNAVAILABLE)


def test_a_book_is_not_lent_though_another_one_fails_the_page_at_its_end(library: Library, engine: Engine) -> None:
    book = _add(library, "A book")
    library.sync()
    with library.frontend.at_work() as store:
        request = EnrollUserRequest(email="rita@example.org", first_name="Rita", last_name="Reader")
        user = enroll_user(store, request, library.clock)
    refuse(library, engine, HARDEST[engine])
    _change(library, book, copies=5)
    _add(library, BAD)

    def withdraw(change: CatalogChange) -> None:
        if change.book.id == book.id:
            change.book.title, change.book.state = "\0", BOOK_STATE_UNAVAILABLE

    _pull(library, withdraw)

    assert len(aside(library)) == 2
    with library.frontend.at_work() as store, pytest.raises(BookUnavailable):
        borrow_book(store, BorrowBookRequest(book_id=book.id, user_id=user.id, days=7), RULES, library.clock)


# --- as operators see it ---


def test_rows_set_aside_are_shown_and_tried_again_when_asked_and_at_a_start(
    servers: ForkedServers, databases: FreshDatabases, engine: Engine
) -> None:
    admin = servers.start("admin", databases.migrated("admin", engine))
    frontend = servers.start(
        "frontend", databases.migrated("frontend", engine), ADMIN_TARGET=admin.address, SYNC_INTERVAL="0.1"
    )
    patron, librarian = frontend.frontend(), admin.admin()
    eventually(lambda: status(patron).HasField("last_pull_time"), "the first pull has ended")
    _execute(frontend.database_url, *refusals(engine, HARDEST[engine]))
    added = [librarian.catalog.AddBook(AddBookRequest(title=title), timeout=10) for title in (BAD, "A", BAD)]

    eventually(lambda: replica(patron).keys() == {added[1].id}, "the good book is there")
    eventually(lambda: status(patron).set_aside_count == 2, "the bad ones are counted")

    told = patron.sync.SyncNow(SyncNowRequest(), timeout=30)
    assert [(row.kind, row.id) for row in told.set_aside_rows] == [("book", added[0].id), ("book", added[2].id)]
    assert all(
        "not here" in row.reason and row.revision and row.HasField("set_aside_time") for row in told.set_aside_rows
    )
    assert not told.last_pull_error
    shown = library_command("status", "--all", admin=admin.address, frontend=frontend.address)
    assert shown.returncode == 1
    assert "frontend.set_aside_count: 2" in shown.stdout.splitlines()
    assert f"frontend.set_aside_rows: book {added[0].id} " in shown.stdout
    events = [event for event in frontend.log_events() if event["event"] == "row set aside"]
    assert sorted(event["id"] for event in events) == sorted([added[0].id, added[2].id]), "each is logged once"
    assert {event["level"] for event in events} == {"error"}

    _execute(frontend.database_url, *permissions(engine))
    if engine == "sqlite":
        patron.sync.SyncNow(SyncNowRequest(), timeout=30)
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
        _add(library, title)
    library.wire.meanwhile = library.pull
    library.wire.faults.append(Fault.MEANWHILE)
    library.pull()
    assert len(aside(library)) == 1
    assert len(library.replica()) == 2


# --- steps ---


def refuse(library: Library, engine: Engine, trigger: str) -> None:
    """Let the frontend's store refuse every book of the title `BAD`."""
    with library.frontend.at_work() as store, store.reading():
        for statement in refusals(engine, trigger):
            store.database.execute_sql(statement)


def allow(library: Library, engine: Engine) -> None:
    """Undo `refuse`."""
    with library.frontend.at_work() as store, store.reading():
        for statement in permissions(engine):
            store.database.execute_sql(statement)


def refusals(engine: Engine, trigger: str) -> list[str]:
    """The statements that make a frontend's store refuse every book of the title `BAD`."""
    body = TRIGGERS[engine][trigger]
    if engine == "sqlite":
        return [
            f"CREATE TRIGGER bad_{event} BEFORE {event} ON book WHEN new.title = '{BAD}' BEGIN {body}; END"
            for event in ("insert", "update")
        ]
    deferred = trigger == "a trigger that checks at the commit"
    kind, when = ("CONSTRAINT TRIGGER", "AFTER") if deferred else ("TRIGGER", "BEFORE")
    constraint = "DEFERRABLE INITIALLY DEFERRED" if deferred else ""
    return [
        f"CREATE FUNCTION bad() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body}; RETURN new; END $$",
        f"""CREATE {kind} bad {when} INSERT OR UPDATE ON book {constraint} FOR EACH ROW
            WHEN (new.title = '{BAD}') EXECUTE FUNCTION bad()""",
    ]


def permissions(engine: Engine) -> list[str]:
    """The statements that undo `refusals`."""
    if engine == "sqlite":
        return ["DROP TRIGGER bad_insert", "DROP TRIGGER bad_update"]
    return ["DROP TRIGGER bad ON book"]


def aside(library: Library) -> list[SetAside]:
    """What is set aside, in the order in which it was."""
    with library.frontend.at_work() as store, store.reading():
        return list(SetAside.select().order_by(SetAside.key))


def _refuse_updates(library: Library, engine: Engine, of: str) -> None:
    """Let the frontend's store refuse every change of these columns of any book."""
    if engine == "sqlite":
        statements = [f"CREATE TRIGGER fixed BEFORE UPDATE OF {of} ON book BEGIN SELECT RAISE(ABORT, 'fixed'); END"]
    else:
        body = "BEGIN RAISE EXCEPTION 'fixed'; END"
        statements = [
            f"CREATE FUNCTION fixed() RETURNS trigger LANGUAGE plpgsql AS $$ {body} $$",
            f"CREATE TRIGGER fixed BEFORE UPDATE OF {of} ON book FOR EACH ROW EXECUTE FUNCTION fixed()",
        ]
    with library.frontend.at_work() as store, store.reading():
        for statement in statements:
            store.database.execute_sql(statement)


def _execute(url: str, *statements: str) -> None:
    store = open_store(url)
    for statement in statements:
        with store.reading():
            store.database.execute_sql(statement)
    store.close()


def _pull(library: Library, alter: Callable[[CatalogChange], object]) -> None:
    """Pull from an admin whose changes are altered on the way."""

    def fetch(request: ListCatalogChangesRequest) -> ListCatalogChangesResponse:
        page: ListCatalogChangesResponse = library.fetch(request)
        for change in page.changes:
            alter(change)
        return page

    with library.frontend.at_work() as store:
        pull(store, fetch, library.clock)


def _resync_from(library: Library, backup: str) -> None:
    with library.frontend.at_work():
        generation = SyncState.get().generation
    library.admin.restore(backup)
    # A cursor that this admin never gave, also where the backup is its newest: so the past is a lost one in any case.
    with library.frontend.at_work() as store, store.writing():
        SyncState.update(cursor=_cursor_of_another_past()).execute()
    library.start_admin()
    library.pull()
    with library.frontend.at_work():
        state = SyncState.get()
    assert (state.generation, state.resyncing) == (generation + 1, False)


def _cursor_of_another_past() -> str:
    from admin_server.sync.epochs import encode_cursor  # noqa: PLC0415

    return encode_cursor(new_id(), 1)


def _add(library: Library, title: str) -> Book:
    with library.admin.at_work() as store:
        return add_book(store, AddBookRequest(title=title, copies=1), library.clock)


def _change(library: Library, book: Book, title: str = "", copies: int = 0) -> None:
    paths = [*(["title"] if title else []), *(["total_copies"] if copies else [])]
    changed = Book(id=book.id, title=title, total_copies=copies)
    with library.admin.at_work() as store:
        update_book(store, UpdateBookRequest(book=changed, update_mask=FieldMask(paths=paths)), library.clock)


def _revision(library: Library, book: Book) -> int:
    from admin_server.store.models import Book as Entry  # noqa: PLC0415

    with library.admin.at_work():
        revision: int = Entry.get(Entry.id == book.id).revision
    return revision
