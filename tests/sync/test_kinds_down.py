"""Rows of several kinds come down in one order, and the two services are upgraded to a new kind in either order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from admin_server.books.catalog import add_book
from admin_server.store.models import Item as AdminItem
from admin_server.sync.changes import MAX_PAGE_BYTES
from admin_server.sync.listed_kinds import LISTED_KINDS
from frontend_server.store.models import Book, SetAside, SyncState
from frontend_server.sync.apply_page import apply_page
from frontend_server.sync.pulled_books import PulledBooks
from frontend_server.sync.pulled_kind import PulledKinds
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.retry_set_aside import retry_set_aside
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from service_kit.revisions import head_revision
from tests.support.stores import Engine, FreshDatabases
from tests.sync import posters
from tests.sync.libraries import Library
from tests.sync.posters import FIELD_NUMBER, LISTED, PULLED, TABLES, TORN, FrontendPoster


@pytest.fixture
def library(databases: FreshDatabases, engine: Engine) -> Iterator[Library]:
    library = Library(databases, engine, page_size=5, more_tables=TABLES)
    library.listed_kinds, library.pulled_kinds = LISTED, PULLED
    yield library
    library.close()


def test_pages_have_rows_of_all_kinds_in_the_order_of_their_revisions(library: Library) -> None:
    before = _revision(library)
    made: list[str] = []
    for number in range(9):
        made += _add_with_item(library) if number % 4 == 1 else [_put_up(library, "news")]
    for page_size in (1, 2, 5, 11):
        pages = _pages(library, page_size)
        assert all(len(page.changes) == page_size for page in pages[:-1])
        changes = [change for page in pages for change in page.changes]
        assert [change.revision for change in changes] == [before + number for number in range(1, 12)]
        assert [change.book.id or change.item.id or change.poster.id for change in changes] == made


def test_a_page_of_several_kinds_stays_below_what_a_message_may_have(library: Library) -> None:
    made: list[str] = []
    for number in range(12):
        made += [_put_up(library, "long " * 50_000)] if number % 2 else _add_with_item(library)
    pages = _pages(library, 1_000)
    assert 2 <= len(pages) <= 4
    assert all(page.ByteSize() < 1.1 * MAX_PAGE_BYTES for page in pages)
    assert sum(len(page.changes) for page in pages) == len(made)


def test_a_frontend_that_is_upgraded_later_applies_what_it_kept(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    library.pulled_kinds = PULLED_KINDS
    book = _add_book(library)
    changed, torn, repaired = _put_up(library, "new"), _put_up(library, "new"), _put_up(library, TORN)
    assert library.pull() == 5, "the book has an item"
    for poster_id, text in ((changed, "newer"), (torn, TORN), (repaired, "whole")):
        with library.admin.at_work() as store:
            posters.change(store, poster_id, text=text)
    assert library.pull() == 3
    assert library.replica().keys() == {book}
    kept = _set_aside(library)
    assert [row.kind for row in kept] == [f"field {FIELD_NUMBER}"] * 6
    assert [row.id for row in kept] == [str(row.revision) for row in kept]
    assert {row.reason for row in kept} == {"this frontend does not know this kind of rows; a newer version may"}
    assert caplog.text.count("this frontend does not know their kind") == 2, "a line for each page"
    _retry(library)
    assert len(_set_aside(library)) == 6

    library.pulled_kinds = PULLED
    _retry(library)

    assert _texts(library) == {changed: "newer", torn: "new", repaired: "whole"}
    [row] = _set_aside(library)
    assert (row.kind, row.id) == ("poster", torn)
    assert "CHECK" in row.reason.upper()
    with library.frontend.at_work():
        assert FrontendPoster.get(FrontendPoster.id == torn).state == posters.HIDDEN
    assert library.pull() == 0, "the cursor had moved past them"


def test_an_old_version_that_was_kept_does_not_replace_a_newer_one(library: Library) -> None:
    """Processes of both versions share the store while the frontend is upgraded."""
    poster_id = _put_up(library, TORN)
    library.pulled_kinds = PULLED_KINDS
    library.pull()
    with library.admin.at_work() as store:
        posters.change(store, poster_id, text="whole")
    library.pulled_kinds = PULLED
    library.pull()

    _retry(library)

    assert _texts(library) == {poster_id: "whole"}
    with library.frontend.at_work():
        assert FrontendPoster.get().state == posters.SHOWN
    assert not _set_aside(library)


def test_a_newer_frontend_follows_an_older_admin_until_that_is_upgraded(library: Library) -> None:
    library.listed_kinds = LISTED_KINDS
    _add_book(library)
    library.sync()
    assert library.replica() == library.catalogue()
    library.listed_kinds = LISTED
    poster_id = _put_up(library, "new")
    library.sync()
    assert _texts(library) == {poster_id: "new"}


def test_a_resync_forgets_changes_of_an_unknown_kind_that_the_admin_lost(library: Library) -> None:
    library.pulled_kinds = PULLED_KINDS
    old = _put_up(library, "old")
    library.pull()
    backup = library.admin.backup()
    _put_up(library, "lost")
    library.pull()
    assert len(_set_aside(library)) == 2
    library.admin.restore(backup)
    library.start_admin()

    library.pull()

    [row] = _set_aside(library)
    assert row.generation == 2
    library.pulled_kinds = PULLED
    _retry(library)
    assert _texts(library) == {old: "old"}


def test_the_end_of_a_resync_removes_rows_of_all_kinds_and_counts_again(library: Library) -> None:
    kept = _put_up(library, "kept")
    backup = library.admin.backup()
    _put_up(library, "lost")
    _add_book(library)
    library.pull()
    library.admin.restore(backup)
    library.start_admin()

    library.pull()

    assert not library.replica()
    with library.frontend.at_work():
        assert [row.id for row in FrontendPoster.select() if row.state == posters.SHOWN] == [kept]
        assert [row.shown for row in posters.PosterTopic.select()] == [1]


def test_a_field_that_is_unknown_here_is_stored_and_reported_once(
    library: Library, caplog: pytest.LogCaptureFixture
) -> None:
    unknown = b"\xf2\x3f\x05novel"  # field 1022
    kinds = PulledKinds(ListCatalogChangesResponse, PulledBooks())  # which has reported nothing yet
    library.pulled_kinds = kinds
    ids = [_add_book(library), _add_book(library)]

    page = library.fetch(ListCatalogChangesRequest())
    for change in page.changes:
        change.book.MergeFromString(unknown)
    with library.frontend.at_work() as store:
        assert apply_page(store, SyncState.get(), page, kinds=kinds)

    with library.frontend.at_work():
        assert all(bytes(row.message).endswith(unknown) for row in Book.select().where(Book.id.in_(ids)))
    assert caplog.text.count("1022") == 1


def test_a_change_without_any_kind_is_kept_too(library: Library) -> None:
    page = ListCatalogChangesResponse(changes=[CatalogChange(revision=5)], next_cursor="c")
    with library.frontend.at_work() as store:
        assert apply_page(store, SyncState.get(), page)
        retry_set_aside(store)
    [row] = _set_aside(library)
    assert (row.kind, row.id) == ("unknown", "5")


# --- steps ---


def _add_book(library: Library) -> str:
    with library.admin.at_work() as store:
        return add_book(store, AddBookRequest(title="Emma", copies=1), library.clock).id


def _add_with_item(library: Library) -> list[str]:
    """Add a book, and return its id and that of its item."""
    book_id = _add_book(library)
    with library.admin.at_work():
        return [book_id, AdminItem.get(AdminItem.book_id == book_id).id]


def _put_up(library: Library, text: str) -> str:
    with library.admin.at_work() as store:
        return posters.put_up(store, text)


def _revision(library: Library) -> int:
    with library.admin.at_work():
        return head_revision()


def _pages(library: Library, page_size: int) -> list[Any]:
    """Read all changes from the beginning."""
    pages = [library.fetch(ListCatalogChangesRequest(page_size=page_size))]
    while pages[-1].has_more:
        pages.append(library.fetch(ListCatalogChangesRequest(cursor=pages[-1].next_cursor, page_size=page_size)))
    return pages


def _retry(library: Library) -> None:
    with library.frontend.at_work() as store:
        retry_set_aside(store, library.pulled_kinds)


def _set_aside(library: Library) -> list[SetAside]:
    with library.frontend.at_work() as store, store.reading():
        return list(SetAside.select().order_by(SetAside.key))


def _texts(library: Library) -> dict[str, str]:
    with library.frontend.at_work():
        return {row.id: row.text for row in FrontendPoster.select()}
