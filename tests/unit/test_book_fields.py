"""The table of a book's fields agrees with the contract, and files have all of them."""

from __future__ import annotations

import io
from typing import Any

import pytest
from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest, UpdateBookRequest
from library.v1.book_pb2 import Book
from library_cli.exporting.kinds import BOOKS, book_row
from library_cli.exporting.output import writer_of
from library_cli.importing.reading.books import Books
from library_domain.book_fields import BOOK_FIELDS, CHANGEABLE_FIELDS, INPUT_NAMES, BookField, FieldKind
from library_domain.contract import contract_descriptors
from tests.support.book_values import book_value, full_request
from tests.support.processes import ROOT

SET_BY_THE_ADMIN = {"etag"}
"""Fields that are not OUTPUT_ONLY, as UpdateBook reads them, but are not values of the book."""

TYPES = {
    FieldKind.TEXT: (FieldDescriptor.TYPE_STRING, False),
    FieldKind.NAMES: (FieldDescriptor.TYPE_STRING, True),
    FieldKind.ISBN: (FieldDescriptor.TYPE_STRING, False),
    FieldKind.NUMBER: (FieldDescriptor.TYPE_INT32, False),
    FieldKind.YEAR: (FieldDescriptor.TYPE_INT32, False),
    FieldKind.SUBJECTS: (FieldDescriptor.TYPE_STRING, True),
    FieldKind.IDENTIFIERS: (FieldDescriptor.TYPE_MESSAGE, True),
    FieldKind.CONTRIBUTORS: (FieldDescriptor.TYPE_MESSAGE, True),
}


def is_output_only(field: FieldDescriptor) -> bool:
    extension: Any = field_behavior_pb2.field_behavior
    behaviors: Any = field.GetOptions().Extensions[extension]
    return field_behavior_pb2.OUTPUT_ONLY in behaviors


def test_each_field_of_the_contract_is_in_the_table_or_made_by_a_service() -> None:
    written = {field.name for field in Book.DESCRIPTOR.fields if not is_output_only(field)}
    assert written - SET_BY_THE_ADMIN == set(CHANGEABLE_FIELDS)
    assert {field.name for field in AddBookRequest.DESCRIPTOR.fields} - {"request_id"} == set(INPUT_NAMES)


@pytest.mark.parametrize("field", BOOK_FIELDS, ids=lambda field: field.name)
def test_a_field_has_the_types_of_its_kind_and_is_documented(field: BookField) -> None:
    for message, name in ((Book, field.name), (AddBookRequest, field.input_name)):
        found = message.DESCRIPTOR.fields_by_name[name]
        assert (found.type, found.is_repeated) == TYPES[field.kind]
    for page in ("import.md", "export.md"):
        assert f"`{field.input_name}`" in (ROOT / "docs" / page).read_text(encoding="utf-8")


def test_the_comment_on_the_update_mask_names_each_changeable_field() -> None:
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    file = next(file for file in files if file.name == UpdateBookRequest.DESCRIPTOR.file.name)
    mask = UpdateBookRequest.DESCRIPTOR.fields_by_name["update_mask"]
    index = [message.name for message in file.message_type].index(UpdateBookRequest.DESCRIPTOR.name)
    path = [4, index, 2, mask.index]
    [comment] = [found.leading_comments for found in file.source_code_info.location if list(found.path) == path]
    assert all(f" {name}," in comment.replace("\n", "") for name in CHANGEABLE_FIELDS)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_each_field_is_exported_and_imported_again(form: str) -> None:
    book = Book(**{field.name: book_value(field, 0) for field in BOOK_FIELDS})
    out = io.StringIO(newline="")
    writer_of(form, out, BOOKS.columns)(book_row(book))
    [row] = Books(io.BytesIO(out.getvalue().encode()))
    assert isinstance(row, ImportBooksRequest)
    assert row.book == full_request(0)


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_a_book_without_copies_is_exported_and_imported_again(form: str) -> None:
    out = io.StringIO(newline="")
    writer_of(form, out, BOOKS.columns)(book_row(Book(title="Ordered")))
    [row] = Books(io.BytesIO(out.getvalue().encode()))
    assert isinstance(row, ImportBooksRequest)
    assert row.book == AddBookRequest(title="Ordered", copies=0)
