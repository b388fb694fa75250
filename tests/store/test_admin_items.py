"""Items on the admin: created, changed, withdrawn and listed; and the copies of books, counted from them."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money

from admin_server.inventory import items, listing
from admin_server.store.models import Book as BookRow
from admin_server.store.models import Item as ItemRow
from admin_server.sync.repair import find_damage, repair
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_UPDATE, AddBookRequest, ImportOptions
from library.admin.v1.inventory_service_pb2 import (
    BatchCreateItemsRequest,
    CreateItemRequest,
    ListItemsRequest,
    LookupItemRequest,
    UpdateItemRequest,
)
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import (
    ITEM_PLACE_ON_LOAN,
    ITEM_PLACE_ON_SHELF,
    ITEM_STATE_IN_SERVICE,
    ITEM_STATE_MISSING,
    ITEM_STATE_ON_ORDER,
    ITEM_STATE_SET_ASIDE,
    ITEM_STATE_WITHDRAWN,
    Item,
)
from library_domain.barcodes import item_barcode
from library_domain.errors import (
    BarcodeNotFound,
    BarcodeTaken,
    BookNotFound,
    BookOnLoan,
    BookRemoved,
    ItemEtagMismatch,
    ItemNotFound,
    ItemOnLoan,
    ItemWithdrawn,
)
from service_kit.clock import timestamp
from service_kit.errors import FieldInvalid, RequestIdReused
from service_kit.ids import new_id
from service_kit.revisions import Counter
from service_kit.series import SERIES_ID
from tests.support.admin import Admin
from tests.support.isbns import isbn13

EURO = Money(currency_code="EUR", units=15, nanos=500_000_000)


def batch(admin: Admin, book_id: str, **fields: Any) -> list[Item]:
    request = BatchCreateItemsRequest(item=Item(book_id=book_id, shelf="S"), **fields)
    return list(items.batch_create_items(admin.store, request, admin.clock).items)


def copies(admin: Admin, book_id: str) -> tuple[int, int]:
    book = admin.get(book_id)
    return book.total_copies, book.available_copies


def barcodes(found: list[Item]) -> list[str]:
    return [item.barcode for item in found]


def lend(admin: Admin, item: Item, revision: int, loan_id: str, *, returned: bool = False) -> None:
    admin.record(
        admin.loan_record(revision, id=loan_id, book_id=item.book_id, item_id=item.id, returned=returned),
    )


def test_a_book_is_added_with_an_item_for_each_copy(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    [first, second] = admin.items()
    assert barcodes([first, second]) == [item_barcode(1), item_barcode(2)]
    assert (first.book_id, first.branch, first.state) == (book.id, "main", ITEM_STATE_IN_SERVICE)
    assert (first.place, first.create_time) == (ITEM_PLACE_ON_SHELF, timestamp(admin.clock()))
    assert copies(admin, book.id) == (2, 2)
    changes, cursor = admin.all_changes()
    assert [change.WhichOneof("change") for change in changes] == ["book", "item", "item"]
    assert changes[1].item == Item(
        id=first.id, book_id=book.id, barcode=first.barcode, branch="main", state=ITEM_STATE_IN_SERVICE,
        create_time=first.create_time, update_time=first.update_time,
    )  # fmt: skip
    assert admin.all_changes(cursor)[0] == []


def test_an_item_is_created_with_all_that_it_has(admin: Admin) -> None:
    book = admin.add("Emma")
    admin.clock.advance(seconds=1)
    _, cursor = admin.all_changes()
    item = admin.create_item(
        book.id, barcode=" b-1 ", item_type="DVD", call_number="813", shelf=" SF ", note="Torn", price=EURO,
        state=ITEM_STATE_SET_ASIDE,
    )  # fmt: skip
    assert (item.barcode, item.item_type, item.branch, item.call_number) == ("B-1", "DVD", "main", "813")
    assert (item.shelf, item.note, item.price, item.state) == ("SF", "Torn", EURO, ITEM_STATE_SET_ASIDE)
    assert listing.get_item(admin.store, item.id) == item
    assert listing.lookup_item(admin.store, LookupItemRequest(barcode=" b-1")) == item
    assert copies(admin, book.id) == (2, 1)
    changes, _ = admin.all_changes(cursor)
    assert {change.WhichOneof("change") for change in changes} == {"book", "item"}
    assert admin.get(book.id).etag != book.etag


def test_what_cannot_be_created_is_refused(admin: Admin) -> None:
    book, removed = admin.add("Emma"), admin.add("Gone")
    admin.create_item(book.id, barcode="B1")
    admin.remove(removed.id)
    with pytest.raises(BookNotFound):
        admin.create_item(new_id())
    with pytest.raises(BookRemoved):
        admin.create_item(removed.id)
    with pytest.raises(BarcodeTaken, match="B1"):
        admin.create_item(book.id, barcode="b1")
    with pytest.raises(FieldInvalid) as refused:
        admin.create_item(book.id, branch="nowhere", barcode="B 1", state=ITEM_STATE_WITHDRAWN)
    assert {field for field, _ in refused.value.problems} == {"item.branch", "item.barcode", "item.state"}
    with pytest.raises(FieldInvalid, match=r"item\.branch"):
        admin.update_item(Item(id=admin.items()[0].id, branch="nowhere"), "branch")
    BookRow.update(total_copies=10_000).where(BookRow.id == book.id).execute()
    with pytest.raises(FieldInvalid, match="10000 at most"):
        admin.create_item(book.id)
    assert len(admin.items()) == 2


def test_a_call_that_is_sent_again_creates_nothing(admin: Admin) -> None:
    book, request_id = admin.add("Emma"), new_id()
    first = admin.create_item(book.id, request_id=request_id)
    assert admin.create_item(book.id, request_id=request_id) == first
    assert len(admin.items()) == 2
    with pytest.raises(RequestIdReused):
        admin.create_item(book.id, request_id=request_id, shelf="S")


def test_many_items_are_created_at_once(admin: Admin) -> None:
    book = admin.add("Emma")
    assert barcodes(batch(admin, book.id, count=2)) == [item_barcode(2), item_barcode(3)]
    assert barcodes(batch(admin, book.id, barcodes=["b9", "A1"])) == ["B9", "A1"]
    assert barcodes(batch(admin, book.id, first_barcode="c08", last_barcode="c10")) == ["C08", "C09", "C10"]
    assert copies(admin, book.id) == (8, 8)
    assert {item.shelf for item in admin.items()} == {"", "S"}


def test_all_taken_barcodes_are_named_and_nothing_is_created(admin: Admin) -> None:
    book = admin.add("Emma")
    batch(admin, book.id, barcodes=["B3", "B1"])
    admin.withdraw_item(admin.items(barcode_prefix="B1")[0].id)
    with pytest.raises(BarcodeTaken) as taken:
        batch(admin, book.id, first_barcode="B0", last_barcode="B4")
    assert taken.value.metadata == {"barcodes": "B1, B3", "taken_count": "2"}
    assert copies(admin, book.id) == (2, 2)
    batch(admin, book.id, first_barcode="X" * 30 + "000", last_barcode="X" * 30 + "099")
    with pytest.raises(BarcodeTaken) as taken:
        batch(admin, book.id, first_barcode="X" * 30 + "000", last_barcode="X" * 30 + "099")
    assert taken.value.metadata["taken_count"] == "100"
    assert len(str(taken.value)) < 800
    assert ", …" in str(taken.value)


def test_items_whose_answer_would_be_too_large_for_clients_are_refused(admin: Admin) -> None:
    """Otherwise they are created, and each retry fails at the client for the size of the same answer."""
    request = BatchCreateItemsRequest(item=Item(book_id=admin.add("Emma").id, note="\N{BOOKS}" * 1_000), count=1_000)
    with pytest.raises(FieldInvalid, match=r"item\.note: must be shorter"):
        items.batch_create_items(admin.store, request, admin.clock)
    request.item.note = "\N{BOOKS}" * 700
    assert items.batch_create_items(admin.store, request, admin.clock).ByteSize() < 4_000_000


def test_the_series_skips_barcodes_that_were_given(admin: Admin) -> None:
    book = admin.add("Emma")
    batch(admin, book.id, barcodes=[item_barcode(2), item_barcode(4)])
    assert barcodes(batch(admin, book.id, count=3)) == [item_barcode(3), item_barcode(5), item_barcode(6)]
    assert barcodes([admin.create_item(book.id)]) == [item_barcode(7)]


def test_the_fields_of_the_mask_are_changed(admin: Admin) -> None:
    book = admin.add("Emma")
    [before] = admin.items()
    admin.clock.advance(seconds=1)
    sent = Item(id=before.id, barcode="b1", shelf="S", note="n", price=EURO)
    after = admin.update_item(sent, "barcode", "price", "note")
    assert (after.barcode, after.shelf, after.note, after.price) == ("B1", "", "n", EURO)
    assert after.update_time != before.update_time
    assert after.etag != before.etag
    assert listing.get_item(admin.store, before.id) == after
    assert not admin.update_item(Item(id=before.id), "price").HasField("price")
    missing = admin.update_item(Item(id=before.id, state=ITEM_STATE_MISSING))
    assert (missing.state, missing.barcode) == (ITEM_STATE_MISSING, "B1")
    assert copies(admin, book.id) == (1, 0)
    assert [each.title for each in admin.unavailable()] == ["Emma"]
    assert admin.get(book.id).etag == book.etag, "the entry of the book has not changed"


def test_an_item_is_changed_only_in_the_version_of_its_etag(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    item, other = admin.items()
    admin.update_item(Item(id=item.id, note="n", etag=item.etag), "note")
    with pytest.raises(ItemEtagMismatch):
        admin.update_item(Item(id=item.id, note="m", etag=item.etag), "note")
    with pytest.raises(ItemEtagMismatch):
        admin.withdraw_item(item.id, etag=item.etag)
    with pytest.raises(ItemNotFound):
        admin.update_item(Item(id=new_id(), note="m"), "note")
    with pytest.raises(BarcodeTaken):
        admin.update_item(Item(id=item.id, barcode=other.barcode), "barcode")
    admin.update_item(Item(id=item.id, barcode=item.barcode), "barcode")
    assert copies(admin, book.id) == (2, 2)


def test_a_withdrawn_item_stays_but_is_no_copy_any_more(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    item, _ = admin.items()
    withdrawn = admin.withdraw_item(item.id)
    assert withdrawn.state == ITEM_STATE_WITHDRAWN
    assert copies(admin, book.id) == (1, 1)
    assert len(admin.items()) == 1
    assert admin.items(state=ITEM_STATE_WITHDRAWN) == [withdrawn]
    assert admin.withdraw_item(item.id) == withdrawn, "again changes nothing"
    with pytest.raises(ItemWithdrawn):
        admin.update_item(Item(id=item.id, note="n"), "note")
    assert admin.changes(kind="item")[0][-1].item.state == ITEM_STATE_WITHDRAWN


def test_the_place_of_an_item_follows_from_the_recorded_loans(admin: Admin) -> None:
    book, loan_id = admin.add("Emma", copies=2), new_id()
    item, other = admin.items()
    _, cursor = admin.all_changes()
    lend(admin, item, 1, loan_id)
    out = listing.get_item(admin.store, item.id)
    assert (out.place, out.etag) == (ITEM_PLACE_ON_LOAN, item.etag)
    assert out.due_time == admin.loans()[0].due_time
    assert admin.items()[0] == out
    assert copies(admin, book.id) == (2, 1)
    admin.update_item(Item(id=item.id, state=ITEM_STATE_SET_ASIDE), "state")
    assert copies(admin, book.id) == (2, 1), "it was out before"
    lend(admin, item, 2, loan_id, returned=True)
    assert listing.get_item(admin.store, item.id).place == ITEM_PLACE_ON_SHELF
    assert copies(admin, book.id) == (2, 1), "it is set aside"
    lend(admin, other, 3, new_id())
    assert copies(admin, book.id) == (2, 0)
    assert len(admin.all_changes(cursor)[0]) == 1, "where an item is does not go down"


def test_an_item_on_loan_is_withdrawn_only_by_force(admin: Admin) -> None:
    book, loan_id = admin.add("Emma", copies=2), new_id()
    item, _ = admin.items()
    lend(admin, item, 1, loan_id)
    with pytest.raises(ItemOnLoan, match=item.barcode):
        admin.withdraw_item(item.id)
    assert admin.withdraw_item(item.id, force=True).place == ITEM_PLACE_ON_LOAN
    assert copies(admin, book.id) == (1, 1)
    lend(admin, item, 2, loan_id, returned=True)
    assert copies(admin, book.id) == (1, 1)


def test_more_copies_make_items_and_fewer_withdraw_the_newest_that_are_not_out(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    admin.update(Book(id=book.id, total_copies=4))
    assert barcodes(admin.items()) == [item_barcode(number) for number in (1, 2, 3, 4)]
    newest = admin.items()[3]
    lend(admin, newest, 1, new_id())
    admin.record(admin.loan_record(2, book_id=book.id))
    with pytest.raises(BookOnLoan) as refused:
        admin.update(Book(id=book.id, total_copies=1))
    assert refused.value.metadata == {"book_id": book.id, "copies_out": "2", "copies_free": "2"}
    assert admin.update(Book(id=book.id, total_copies=2)).available_copies == 0
    assert barcodes(admin.items()) == [item_barcode(1), newest.barcode]
    admin.update(Book(id=book.id, title="Emma!"))
    assert copies(admin, book.id) == (2, 0)


def test_a_removed_book_takes_its_items_along(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    lend(admin, admin.items()[0], 1, new_id())
    removed = admin.remove(book.id, withdraw=True)
    assert (removed.total_copies, removed.available_copies) == (2, 0)
    assert admin.items() == []
    assert len(admin.items(state=ITEM_STATE_WITHDRAWN)) == 2


def test_an_import_makes_and_withdraws_items_and_its_undoing_does_the_reverse(admin: Admin) -> None:
    book = admin.add("Dune", isbn=isbn13(1), copies=3)
    options = ImportOptions(run_id=new_id(), on_duplicate=ON_DUPLICATE_UPDATE)
    rows = [
        AddBookRequest(title="Dune", isbn=isbn13(1), copies=2),
        AddBookRequest(title="New", isbn=isbn13(2), copies=2),
    ]
    outcomes = admin.import_rows(*rows, options=options)
    new_id_ = outcomes[1].book_id
    assert (copies(admin, book.id), copies(admin, new_id_)) == ((2, 2), (2, 2))
    assert [len(admin.items(book_id=each)) for each in (book.id, new_id_)] == [2, 2]
    admin.undo(options.run_id)
    assert (copies(admin, book.id), admin.items(book_id=new_id_)) == ((3, 3), [])
    assert [len(admin.items(book_id=book.id)), len(admin.items(state=ITEM_STATE_WITHDRAWN))] == [3, 3]


def test_an_import_refuses_fewer_copies_than_are_out(admin: Admin) -> None:
    book = admin.add("Dune", isbn=isbn13(1), copies=3)
    for revision in (1, 2):
        admin.record(admin.loan_record(revision, book_id=book.id))
    options = ImportOptions(run_id=new_id(), on_duplicate=ON_DUPLICATE_UPDATE)
    row = AddBookRequest(title="Dune", isbn=isbn13(1), copies=1)
    [outcome] = admin.import_rows(row, options=options)
    assert [problem.field for problem in outcome.problems] == ["copies"]
    row.copies = 2
    assert not admin.import_rows(row, options=options)[0].problems
    assert copies(admin, book.id) == (2, 0)


FILTERS: list[tuple[dict[str, Any], list[int]]] = [
    ({}, [1, 2, 3, 4]),
    ({"state": ITEM_STATE_IN_SERVICE}, [1, 4]),
    ({"state": ITEM_STATE_ON_ORDER}, [3]),
    ({"state": ITEM_STATE_WITHDRAWN}, [5]),
    ({"branch": "main"}, [1, 2, 3, 4]),
    ({"branch": "other"}, []),
    ({"item_type": "dvd"}, [2, 3]),
    ({"shelf": "science-fiction"}, [3, 4]),
    ({"shelf": "science-fiction", "item_type": "DVD"}, [3]),
    ({"barcode_prefix": "b"}, [4, 3, 2]),
    ({"barcode_prefix": "b1", "item_type": "dvd"}, [3, 2]),
    ({"barcode_prefix": "B%"}, []),
    ({"item_type": "dvd", "state": ITEM_STATE_SET_ASIDE}, [2]),
]


@pytest.mark.parametrize("page_size", [1, 50])
def test_items_are_listed_by_their_filters(admin: Admin, page_size: int) -> None:
    book, other = admin.add("Emma"), admin.add("Other")
    shelf = {"shelf": "Science-Fiction"}
    made = [
        admin.items(book_id=book.id)[0],
        admin.create_item(book.id, barcode="B12", item_type="DVD", state=ITEM_STATE_SET_ASIDE),
        admin.create_item(book.id, barcode="B11", item_type="Dvd", state=ITEM_STATE_ON_ORDER, **shelf),
        admin.create_item(book.id, barcode="B0", **shelf),
        admin.create_item(book.id, barcode="B13"),
    ]
    admin.withdraw_item(made[4].id)
    number_of = {item.id: number for number, item in enumerate(made, 1)}
    for filters, expected in FILTERS:
        found = admin.items(page_size=page_size, book_id=book.id, **filters)
        assert [number_of[item.id] for item in found] == expected, filters
    assert len(admin.items(page_size=page_size)) == 5
    assert [item.book_id for item in admin.items(book_id=other.id)] == [other.id]


def test_items_created_from_a_time_on_are_listed_in_its_order(admin: Admin) -> None:
    book, times = admin.add("Emma"), []
    for seconds in (10, -5, 0, 10):
        admin.clock.advance(seconds=seconds)
        times.append(admin.clock())
        admin.create_item(book.id, barcode=f"B{len(times)}")
    for page_size in (1, 2, 50):
        found = admin.items(page_size=page_size, created_after=timestamp(times[1]))
        assert barcodes(found) == ["B2", "B3", "B1", "B4"]


def test_tokens_of_other_lists_are_refused(admin: Admin) -> None:
    admin.add("Emma", copies=3)
    _, token = listing.list_items(admin.store, ListItemsRequest(page_size=1))
    with pytest.raises(FieldInvalid, match="page_token"):
        listing.check_list(ListItemsRequest(page_size=1, page_token=token, shelf="s"))


def test_what_does_not_exist_is_not_found(admin: Admin) -> None:
    with pytest.raises(ItemNotFound):
        listing.get_item(admin.store, new_id())
    with pytest.raises(BarcodeNotFound, match="B1"):
        listing.lookup_item(admin.store, LookupItemRequest(barcode="b1"))
    with pytest.raises(FieldInvalid):
        items.update_item(admin.store, UpdateItemRequest(item=Item(), update_mask=FieldMask(paths=["x"])), admin.clock)
    with pytest.raises(BookNotFound):
        items.create_item(admin.store, CreateItemRequest(item=Item(book_id=new_id())), admin.clock)


def test_wrong_counts_of_items_and_a_lost_series_are_found_and_repaired(admin: Admin) -> None:
    book = admin.add("Emma", copies=2)
    lend(admin, admin.items()[0], 1, new_id())
    with admin.store.writing():
        BookRow.update(total_copies=7, lendable_copies=0).execute()
        ItemRow.update(on_loan=1 - ItemRow.on_loan).execute()
        Counter.delete().where(Counter.id == SERIES_ID).execute()
    with admin.store.reading():
        found = "; ".join(find_damage(admin.store))
    for name in ("item.on_loan", "book.total_copies", "book.lendable_copies", "the series"):
        assert name in found
    with admin.store.writing():
        repair(admin.store, admin.clock)
        assert find_damage(admin.store) == []
        assert Counter.get_by_id(SERIES_ID).revision == 2, "after as many numbers as are in use"
    assert copies(admin, book.id) == (2, 1)
    assert admin.create_item(book.id).barcode == item_barcode(3), "the numbers in use are skipped"
