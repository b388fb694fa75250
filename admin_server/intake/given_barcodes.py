"""The barcodes of the items of an import: no two items have the same one, not even withdrawn ones."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from admin_server.intake.rows import Row
from admin_server.store.models import Item
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_ADD_COPIES
from library.v1.item_pb2 import ITEM_STATE_WITHDRAWN
from service_kit.statements import Statement, param, tuples

NO_BOOK = ""
"""The book of an item that a row with `validate_only` would have created."""

AT_ONCE = 5_000
"""Barcodes that are looked up by one query."""

FREE = Statement(Item.update(barcode=param("barcode")).where(Item.key == param("key")))
UNDONE = "UNDONE-"
"""How the barcode of an item begins whose import was undone."""


class Barcodes:
    """The barcodes of one batch, and the books whose items have them."""

    def __init__(self, planned: set[str], new_planned: set[str], *, match_title: bool) -> None:
        """Take the barcodes that earlier batches with `validate_only` would use, and a set for those of this one."""
        self._planned, self._new_planned, self._match_title = planned, new_planned, match_title
        self._books: dict[str, str] = {}
        self.given_count = 0
        """How many items with a barcode the batch creates."""

    def find(self, rows: Sequence[Row]) -> None:
        """Look up which barcodes of these rows are taken. The revisions are locked if the batch writes."""
        wanted = sorted({barcode for row in rows for barcode in _barcodes(row.items)})
        for first in range(0, len(wanted), AT_ONCE):
            query = Item.select(Item.barcode, Item.book_id).where(Item.barcode.in_(wanted[first : first + AT_ONCE]))
            self._books |= dict(tuples(query))

    def problem(self, row: Row, book_id: str = "", *, is_planned: bool = False) -> tuple[str, str] | None:
        """Return the field and the problem of a row with a barcode that is taken by another book.

        Args:
            row: The row.
            book_id: Its book, if that is in the catalogue.
            is_planned: Whether an earlier row with `validate_only` would have added its book.
        """
        own: set[str] = set()
        for place, item in enumerate(row.items):
            barcode = str(item["barcode"])
            if not barcode:
                continue
            field = f"items[{place}].barcode"
            if barcode in own:
                return field, f"{barcode} is twice in the record"
            own.add(barcode)
            if self._books.get(barcode, book_id) != book_id:
                return field, f"{barcode} is the barcode of another item"
            may_be_own = bool(book_id) or is_planned
            if self._is_planned(barcode) and not (may_be_own and self._is_planned_for(barcode, row)):
                return field, f"{barcode} is the barcode of an item of an earlier record"
        return None

    def new_items(self, row: Row, mode: int) -> list[Mapping[str, object]]:
        """Return the items of a row that its book does not have yet.

        Whether an item without a barcode is new cannot be known: it is added only where the row's copies are.
        """
        return [
            item
            for item in row.items
            if (item["barcode"] and not self._has(str(item["barcode"])))
            or (not item["barcode"] and mode == ON_DUPLICATE_ADD_COPIES)
        ]

    def note(self, row: Row, items: Iterable[Mapping[str, object]], book_id: str = NO_BOOK) -> None:
        """Note the barcodes of items of a row that are created for a book, or would be."""
        for barcode in _barcodes(items):
            self.given_count += 1
            if book_id:
                self._books[barcode] = book_id
            else:
                self._new_planned.update([barcode, *_owned(barcode, row, match_title=self._match_title)])

    def _has(self, barcode: str) -> bool:
        return barcode in self._books or self._is_planned(barcode)

    def _is_planned(self, barcode: str) -> bool:
        return barcode in self._planned or barcode in self._new_planned

    def _is_planned_for(self, barcode: str, row: Row) -> bool:
        """Return whether a barcode is planned for the book of a row."""
        return any(map(self._is_planned, _owned(barcode, row, match_title=self._match_title)))


def planned_barcodes(row: Row) -> list[str]:
    """Return all that can be planned about the barcodes of a row."""
    return [text for barcode in _barcodes(row.items) for text in (barcode, *_owned(barcode, row, match_title=True))]


def _owned(barcode: str, row: Row, *, match_title: bool) -> list[str]:
    """Return how a barcode that is planned is noted with its book: by ISBN, and by title if books are found by it."""
    isbn = str(row.columns["isbn"])
    return [f"{barcode} isbn {isbn}"] * bool(isbn) + [f"{barcode} title {row.columns['title_key']}"] * match_title


def free_barcodes(book_ids: Collection[str], after: int) -> None:
    """Free the barcodes of items that an undo has withdrawn, so that the same file can be imported again.

    No item of them was lent: then its book would have been left alone. `after` is the last revision before the undo.
    """
    if not book_ids:
        return
    query = Item.select(Item.key, Item.id).where(
        Item.book_id.in_(book_ids), Item.state == ITEM_STATE_WITHDRAWN, Item.revision > after
    )
    FREE.many({"key": key, "barcode": UNDONE + item_id.replace("-", "").upper()} for key, item_id in tuples(query))


def _barcodes(items: Iterable[Mapping[str, object]]) -> list[str]:
    return [str(item["barcode"]) for item in items if item["barcode"]]
