"""A book that is written as a MARC record and read again is the same book."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import ItemField
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import Item
from library_domain.book_fields import BOOK_FIELDS, FieldKind
from library_domain.field_texts import contributor_in, identifier_in, texts_in
from library_formats.records import ItemDraft
from library_formats.writers.formats import LONGEST_FIELD, LONGEST_RECORD, RecordUnwritableError
from service_kit.validation import problems
from tests.support.made_books import BOOKS, ITEMS
from tests.support.marc_files import FORMATS, read, written

ITEM_FIELDS_WITHOUT = {"852": ("item_type", "price"), "949": (), "952": (), "995": ("price",)}
"""The texts of an item that a field has no subfield for."""

SAMPLE = Path(__file__).parents[2] / "library_cli/importing/sample_books.csv"


def _copied(message: Message, kind: type[AddBookRequest] | type[Book]) -> AddBookRequest | Book:
    copy = kind()
    for field, value in message.ListFields():
        if field.name not in ("copies", "total_copies"):
            target = getattr(copy, field.name)
            if hasattr(target, "extend"):
                target.extend(value)
            else:
                setattr(copy, field.name, value)
    return copy


def _draft(item: Item, tag: str) -> ItemDraft:
    price = f"{item.price.units}.{item.price.nanos // 10**7:02} EUR" if item.HasField("price") else ""
    names = ("barcode", "branch", "shelf", "call_number", "item_type", "note")
    texts = {**{name: getattr(item, name) for name in names}, "price": price}
    return ItemDraft(**{name: "" if name in ITEM_FIELDS_WITHOUT[tag] else text for name, text in texts.items()})


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(book=BOOKS, items=st.lists(ITEMS, max_size=3), tag=st.sampled_from(sorted(ITEM_FIELDS_WITHOUT)))
@pytest.mark.parametrize("form", FORMATS)
def test_any_book_goes_through_each_format(form: str, book: Book, items: list[Item], tag: str) -> None:
    request = _copied(book, AddBookRequest)
    assume(not problems(request))

    data = written(form, [(book, items), (book, [])], tag)
    first, second = read(data, FORMATS[form], items=ItemField.Value(f"ITEM_FIELD_{tag}"))

    assert first.problems == second.problems == ()
    assert first.book is not None
    assert first.book == second.book == request
    assert list(first.items) == [_draft(item, tag) for item in items]
    assert written(form, [(_copied(first.book, Book), items), (book, [])], tag) == data  # type: ignore[list-item]


_IN_TEXT: dict[FieldKind, Callable[[str], Any]] = {
    FieldKind.NAMES: texts_in,
    FieldKind.SUBJECTS: texts_in,
    FieldKind.IDENTIFIERS: lambda text: [identifier_in(each) for each in texts_in(text)],
    FieldKind.CONTRIBUTORS: lambda text: [contributor_in(each) for each in texts_in(text)],
    FieldKind.NUMBER: int,
    FieldKind.YEAR: int,
}


def _sample() -> list[Book]:
    kinds = {field.input_name: (field.name, _IN_TEXT.get(field.kind, str)) for field in BOOK_FIELDS}
    books = []
    for row in csv.DictReader(SAMPLE.read_text(encoding="utf-8").splitlines()):
        texts = {kinds[heading]: text for heading, text in row.items() if text and heading != "copies"}
        books.append(Book(**{name: in_text(text) for (name, in_text), text in texts.items()}))
    return books


@pytest.mark.parametrize("form", FORMATS)
def test_the_sample_catalogue_goes_through_each_format(form: str) -> None:
    books = _sample()

    data = written(form, [(book, []) for book in books])
    records = read(data, FORMATS[form])

    assert len(books) > 20
    assert [_copied(record.book, Book) for record in records if record.book] == books
    assert [record.control_number for record in records] == [str(number) for number in range(1, len(books) + 1)]


def test_a_book_that_is_too_long_for_iso_2709_is_refused() -> None:
    book = Book(title="A", subjects=["é" * 200] * 50, authors=["é" * 200] * 50, description="€" * 10_000)
    items = [Item(barcode=str(number), branch="main") for number in range(3_000)]

    with pytest.raises(RecordUnwritableError, match=f"{LONGEST_RECORD} and {LONGEST_FIELD}"):
        written("marc", [(book, items)])
    for form in ("marcxml", "marcjson"):
        [record] = read(written(form, [(book, items)]), FORMATS[form])
        assert record.book == _copied(book, AddBookRequest)
        assert len(record.items) == len(items)


def test_a_book_with_10_000_items_is_read_again() -> None:
    items = [
        Item(barcode=f"3000{number:010}", branch="main", shelf="Fiction", call_number="813 GIB")
        for number in range(10_000)
    ]

    for form in ("marcxml", "marcjson"):
        [record] = read(written(form, [(Book(title="A"), items)]), FORMATS[form])
        assert len(record.items) == len(items), record.problems


def test_a_character_that_xml_cannot_contain_is_refused() -> None:
    with pytest.raises(RecordUnwritableError, match=r"U\+FFFF, which XML cannot contain"):
        written("marcxml", [(Book(title="A\uffff"), [])])
    [record] = read(written("marc", [(Book(title="A\uffff"), [])]), FORMATS["marc"])
    assert record.book == AddBookRequest(title="A\uffff")
