"""Files of records in memory: written by the library's writers, read by its readers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    ITEM_FIELD_UNSPECIFIED,
    MARC_MAPPING_MARC21,
    ImportFormat,
    ItemField,
    MarcMapping,
)
from library.v1.book_pb2 import Book
from library.v1.item_pb2 import Item
from library_domain.book_fields import BOOK_FIELDS
from library_formats.formats import read_records
from library_formats.records import OpenAt, Place, ReadingOptions, ReadRecord
from library_formats.writers.fields import record_of
from library_formats.writers.formats import MARC_WRITERS

FORMATS = {"marc": IMPORT_FORMAT_MARC, "marcxml": IMPORT_FORMAT_MARC_XML, "marcjson": IMPORT_FORMAT_MARC_JSON}


def opened(data: bytes, part: int = 65_536) -> OpenAt:
    """Return a function that opens a file, in parts of this number of bytes."""

    def open_at(position: int) -> Iterator[bytes]:
        for begin in range(position, len(data), part):
            yield data[begin : min(begin + part, len(data))]

    return open_at


def read(
    data: bytes,
    form: ImportFormat.ValueType,
    *,
    mapping: MarcMapping.ValueType = MARC_MAPPING_MARC21,
    items: ItemField.ValueType = ITEM_FIELD_UNSPECIFIED,
    start: Place | None = None,
    part: int = 65_536,
) -> list[ReadRecord]:
    """Return the records of a file."""
    return list(read_records(opened(data, part), ReadingOptions(form, mapping, items), start or Place()))


def written(form: str, books: Iterable[tuple[Book, Sequence[Item]]], item_tag: str = "952") -> bytes:
    """Return the file that an export writes."""
    parts: list[bytes] = []
    with MARC_WRITERS[form](parts.append) as write:
        for number, (book, items) in enumerate(books, 1):
            write(record_of(book, items, str(number), item_tag))
    return b"".join(parts)


def book_of(request: AddBookRequest) -> Book:
    """Return a book with the values of a request."""
    book = Book()
    for field in BOOK_FIELDS:
        if field.name != "total_copies":
            _copy(request, field.input_name, book, field.name)
    return book


def _copy(request: AddBookRequest, source: str, book: Book, target: str) -> None:
    value = getattr(request, source)
    if hasattr(value, "MergeFrom") and not isinstance(value, str):
        getattr(book, target).MergeFrom(value)
    else:
        setattr(book, target, value)
