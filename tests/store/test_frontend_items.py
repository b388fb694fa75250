"""The frontend's replica of items: which copies of a book can be lent, and which items the loans have."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend_server.browse import catalog
from frontend_server.browse.items import list_items, lookup_item
from frontend_server.store.models import Book, Item, Loan, SetAside, SyncState
from frontend_server.sync.pulled_items import KNOWN_STATES
from library.frontend.v1.circulation_service_pb2 import ListItemsRequest, LookupItemRequest
from library.v1 import book_pb2, item_pb2
from library.v1.item_pb2 import (
    ITEM_PLACE_ON_LOAN,
    ITEM_PLACE_ON_SHELF,
    ITEM_STATE_IN_SERVICE,
    ITEM_STATE_MISSING,
    ITEM_STATE_ON_ORDER,
    ITEM_STATE_SET_ASIDE,
    ITEM_STATE_WITHDRAWN,
    ItemState,
)
from library_domain.errors import BarcodeNotFound, NoCopyAvailable
from library_domain.loans import loan_message
from service_kit.errors import FieldInvalid
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.frontend_catalog import titles
from tests.support.stores import Engine, FreshDatabases, bound_store


@pytest.fixture
def store(databases: FreshDatabases, engine: Engine) -> Iterator[Store]:
    with bound_store("frontend", databases.migrated("frontend", engine)) as store:
        yield store


@pytest.fixture
def frontend(store: Store, clock: SettableClock) -> LocalFrontend:
    return LocalFrontend(store, clock)


def free(frontend: LocalFrontend, book: book_pb2.Book) -> int:
    """Return the free copies of a book, checked against what patrons see."""
    frontend.check()
    shown = catalog.get_book(frontend.store, book.id).available_copies
    assert (titles(frontend) == [book.title]) == (shown > 0)
    assert shown == Book.get(Book.id == book.id).free_copies
    return shown


def changed(item: item_pb2.Item, **fields: object) -> item_pb2.Item:
    other = item_pb2.Item()
    other.CopyFrom(item)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def test_only_items_in_service_are_free_copies(frontend: LocalFrontend) -> None:
    book = frontend.book(copies=7)
    assert free(frontend, book) == 7, "without items, all copies are free"
    item = frontend.item(book.id)
    assert free(frontend, book) == 1, "with items, they alone count"
    for state in (ITEM_STATE_SET_ASIDE, ITEM_STATE_ON_ORDER, ITEM_STATE_MISSING, ITEM_STATE_WITHDRAWN):
        frontend.receive(changed(item, state=state))
        assert free(frontend, book) == 0
        frontend.receive(item)
        assert free(frontend, book) == 1
    frontend.receive(new_book(book.title, id=book.id, copies=9))
    assert free(frontend, book) == 1


def test_an_item_may_arrive_before_its_book_and_move_to_another(frontend: LocalFrontend) -> None:
    first, second = new_book("One"), new_book("Two")
    item = frontend.item(first.id)
    frontend.receive(first, second)
    frontend.item(second.id, state=ITEM_STATE_MISSING)
    assert titles(frontend) == ["One"]
    frontend.receive(changed(item, book_id=second.id))
    assert titles(frontend) == ["One", "Two"], "no item of the first book is known, so it is lent as before"
    frontend.receive(changed(item, book_id=first.id))
    assert titles(frontend) == ["One"]
    frontend.check()


def test_two_items_swap_barcodes_in_one_page(frontend: LocalFrontend) -> None:
    book = frontend.book()
    a, b = frontend.item(book.id), frontend.item(book.id)
    frontend.receive(changed(a, barcode=b.barcode), changed(b, barcode=a.barcode))
    assert {row.id: row.barcode for row in Item.select()} == {a.id: b.barcode, b.id: a.barcode}
    assert not SetAside.select().exists()


@pytest.mark.parametrize(
    ("fields", "state"),
    [
        ({"barcode": "", "state": ITEM_STATE_IN_SERVICE}, ITEM_STATE_SET_ASIDE),
        ({"state": 99}, ITEM_STATE_SET_ASIDE),
        ({"barcode": "\0", "state": ITEM_STATE_MISSING}, ITEM_STATE_MISSING),
        ({"book_id": "no book", "state": ITEM_STATE_WITHDRAWN}, ITEM_STATE_WITHDRAWN),
    ],
)
def test_an_item_whose_newest_version_cannot_be_applied_is_not_lent(
    frontend: LocalFrontend, fields: dict[str, object], state: int
) -> None:
    book = frontend.book(items=1)
    item = item_pb2.Item.FromString(Item.get().message)
    frontend.receive(changed(item, **fields))
    [aside] = SetAside.select()
    assert (aside.kind, aside.id) == ("item", item.id)
    assert free(frontend, book) == 0
    assert Item.get().state == item_pb2.Item.FromString(Item.get().message).state == state
    with pytest.raises(NoCopyAvailable):
        frontend.borrow(book.id, frontend.user().id)
    frontend.receive(item)
    assert free(frontend, book) == 1
    assert not SetAside.select().exists()


def test_items_that_a_full_reading_has_not_seen_are_withdrawn(frontend: LocalFrontend) -> None:
    book = frontend.book(items=2)
    kept = item_pb2.Item.FromString(Item.select().order_by(Item.key).first().message)
    SyncState.update(generation=2, resyncing=True).execute()
    frontend.receive(book, kept, has_more=True)
    assert free(frontend, book) == 2
    frontend.receive()
    assert free(frontend, book) == 1
    assert {row.id == kept.id: row.state for row in Item.select()} == {
        True: ITEM_STATE_IN_SERVICE,
        False: ITEM_STATE_WITHDRAWN,
    }


def test_loans_from_before_there_were_items_get_the_new_ones_oldest_first(frontend: LocalFrontend) -> None:
    book = frontend.book(copies=4)
    loans = [frontend.borrow(book.id, frontend.user().id) for _ in range(3)]
    frontend.bring_back(loans[0].id)
    loans.append(frontend.borrow(book.id, frontend.user().id))
    frontend.mark_all_pushed()
    before = {row.id: row.revision for row in Loan.select()}

    missing, withdrawn = (
        frontend.new_item(book.id, state=state, item_type="DVD", branch="east")
        for state in (ITEM_STATE_MISSING, ITEM_STATE_WITHDRAWN)
    )
    first = frontend.new_item(book.id, item_type="Map", branch="west")
    frontend.receive(withdrawn, missing, first, book)
    rows = {row.id: row for row in Loan.select()}
    assert [rows[loan.id].item_id for loan in loans] == ["", first.id, missing.id, ""]
    oldest = rows[loans[1].id]
    assert (oldest.barcode, oldest.item_type, oldest.branch) == (first.barcode, "Map", "west")
    changed_loans = {row.id for row in rows.values() if row.revision > before[row.id]}
    assert changed_loans == {row.id for row in rows.values() if row.revision != row.pushed_revision}
    assert changed_loans == {loans[1].id, loans[2].id}
    assert {row.id: row.place for row in Item.select()} == {
        withdrawn.id: ITEM_PLACE_ON_SHELF,
        missing.id: ITEM_PLACE_ON_LOAN,
        first.id: ITEM_PLACE_ON_LOAN,
    }
    assert free(frontend, book) == 0

    frontend.receive(changed(withdrawn, state=ITEM_STATE_IN_SERVICE))
    assert Loan.get(Loan.id == loans[3].id).item_id == "", "this item is not new: it has not been lent since it came"
    assert free(frontend, book) == 1
    last = frontend.new_item(book.id)
    frontend.receive(changed(withdrawn, state=ITEM_STATE_IN_SERVICE, shelf="Fiction"), last)
    assert Loan.get(Loan.id == loans[3].id).item_id == last.id
    assert free(frontend, book) == 1


def test_a_page_that_is_applied_row_by_row_gives_items_to_loans_too(frontend: LocalFrontend) -> None:
    book = frontend.book(copies=2)
    loans = [frontend.borrow(book.id, frontend.user().id) for _ in range(2)]
    frontend.store.database.execute_sql(
        "CREATE TRIGGER no_maps BEFORE INSERT ON item WHEN new.item_type = 'Map' BEGIN SELECT RAISE(ABORT, 'no'); END"
        if not frontend.store.is_postgresql
        else "ALTER TABLE item ADD CONSTRAINT no_maps CHECK (item_type <> 'Map')"
    )
    good = [frontend.new_item(book.id) for _ in range(2)]
    frontend.receive(frontend.new_item(book.id, item_type="Map"), *good)
    assert [row.item_id for row in Loan.select().order_by(Loan.key)] == [item.id for item in good]
    assert SetAside.select().count() == 1
    assert len(loans) == 2
    assert free(frontend, book) == 0


def test_all_known_states_of_the_contract_are_known_here() -> None:
    assert {*ItemState.values()} - {0} == KNOWN_STATES


def test_the_items_of_a_book_are_listed_by_their_barcodes(frontend: LocalFrontend) -> None:
    book, other = frontend.book(), frontend.book("Other", items=1)
    barcodes = ["10", "2", "AB", "1", "Z", "ÄÖ"]
    items = [frontend.item(book.id, barcode=barcode, shelf="Fiction") for barcode in barcodes]
    frontend.item(book.id, barcode="11", state=ITEM_STATE_WITHDRAWN)
    frontend.receive(changed(items[0], barcode="2"))  # until the item that had it before has arrived
    request = ListItemsRequest(book_id=book.id, page_size=2)
    listed: list[item_pb2.Item] = []
    while True:
        page, request.page_token = list_items(frontend.store, request)
        listed += page
        if not request.page_token:
            break
        assert len(page) == 2
    assert [item.barcode for item in listed] == ["1", "2", "2", "AB", "Z", "ÄÖ"]
    assert {item.shelf for item in listed} == {"Fiction"}
    assert len({item.id for item in listed}) == 6
    assert [item.book_id for item in list_items(frontend.store, ListItemsRequest(book_id=other.id))[0]] == [other.id]
    assert list_items(frontend.store, ListItemsRequest(book_id=new_book().id)) == ([], "")


def test_an_item_is_found_by_its_barcode_with_its_open_loan(frontend: LocalFrontend, clock: SettableClock) -> None:
    book = frontend.book()
    loan = frontend.borrow(book.id, frontend.user().id)
    item = frontend.item(book.id, barcode="AB-1")
    found = lookup_item(frontend.store, LookupItemRequest(barcode=" ab-1\n"), lambda row: loan_message(row, clock()))
    assert (found.item.id, found.book_title, found.loan.id) == (item.id, book.title, loan.id)
    assert (found.item.place, found.item.due_time) == (ITEM_PLACE_ON_LOAN, loan.due_time)
    with pytest.raises(BarcodeNotFound):
        lookup_item(frontend.store, LookupItemRequest(barcode="AB-2"), lambda row: loan_message(row, clock()))
    with pytest.raises(FieldInvalid):
        lookup_item(frontend.store, LookupItemRequest(barcode="A B"), lambda row: loan_message(row, clock()))


def test_the_copies_of_a_book_without_items_follow_its_number(frontend: LocalFrontend) -> None:
    book = frontend.book(copies=2)
    frontend.borrow(book.id, frontend.user().id)
    for copies in (5, 2, 1):
        frontend.receive(new_book(book.title, id=book.id, copies=copies))
        assert free(frontend, book) == copies - 1


def test_an_item_that_moves_while_it_is_out_comes_back_to_its_new_book(frontend: LocalFrontend) -> None:
    first, second = frontend.book("One", items=1), frontend.book("Two", items=1)
    item = item_pb2.Item.FromString(Item.get(Item.book_id == first.id).message)
    loan = frontend.borrow(first.id, frontend.user().id)
    frontend.receive(changed(item, book_id=second.id))
    frontend.check()
    frontend.bring_back(loan.id)
    frontend.check()
    assert catalog.get_book(frontend.store, second.id).available_copies == 2
