"""Records with items create them with their books, and an undo withdraws them, on both engines."""

from __future__ import annotations

from dataclasses import replace

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.type.money_pb2 import Money

from admin_server.books.entries import MOST_COPIES
from admin_server.operations.item_drafts import draft_columns
from admin_server.policy.branches import create_branch
from admin_server.policy.library_settings import update_settings
from library.admin.v1.branch_service_pb2 import CreateBranchRequest
from library.admin.v1.catalog_service_pb2 import (
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_SKIP,
    ON_DUPLICATE_UPDATE,
    OnDuplicate,
)
from library.admin.v1.import_service_pb2 import IMPORT_FORMAT_JSON_LINES, ITEM_FIELD_NONE, ImportSummary
from library.admin.v1.policy_service_pb2 import UpdateLibrarySettingsRequest
from library.v1.branch_pb2 import Branch
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE, ITEM_STATE_WITHDRAWN
from library.v1.library_settings_pb2 import LibrarySettings
from library_formats.records import ItemDraft
from tests.support.admin import Admin
from tests.support.import_operations import SMALL, Operations, catalogue, progress, summary
from tests.support.isbns import isbn13
from tests.support.marc_with_items import marc


@pytest.fixture
def operations(admin: Admin) -> Operations:
    branch = Branch(code="north", display_name="North", time_zone="Europe/Berlin")
    create_branch(admin.store, CreateBranchRequest(branch=branch), admin.clock)
    cap = LibrarySettings(user_fine_cap=Money(currency_code="EUR", units=50))
    request = UpdateLibrarySettingsRequest(settings=cap, update_mask=FieldMask(paths=["user_fine_cap"]))
    update_settings(admin.store, request, admin.clock)
    return Operations(admin)


def test_each_item_of_a_record_becomes_an_item_of_its_book(operations: Operations) -> None:
    ended = operations.run(
        marc(
            ("Dune", isbn13(1), [
                {"p": "b1", "b": "north", "c": "SF", "o": "813 HER", "y": "BK", "g": "12.50"},
                {"p": "B2", "c": "SF"},
                {"c": "store room"},
            ]),
            ("Emma", isbn13(2), []),
        )
    )  # fmt: skip
    assert summary(ended) == ImportSummary(record_count=2, added_count=2, item_count=2)
    dune, emma = (next(book for book in operations.admin.books() if book.title == title) for title in ("Dune", "Emma"))
    assert (dune.total_copies, emma.total_copies) == (3, 1)
    first, second, third = operations.admin.items(book_id=dune.id)
    assert (first.barcode, first.branch, first.shelf, first.call_number, first.item_type) == (
        "B1", "north", "SF", "813 HER", "BK",
    )  # fmt: skip
    assert first.price == Money(currency_code="EUR", units=12, nanos=500_000_000)
    assert (second.barcode, second.branch) == ("B2", "main")
    assert (len(third.barcode), third.shelf) == (14, "store room")
    assert {item.state for item in (first, second, third)} == {ITEM_STATE_IN_SERVICE}
    assert operations.admin.unavailable() == []


def test_a_record_is_refused_for_a_barcode_that_is_taken_and_for_an_unknown_branch(operations: Operations) -> None:
    there = operations.admin.add("There")
    operations.admin.create_item(there.id, barcode="TAKEN")
    file = marc(
        ("A", isbn13(1), [{"p": "taken"}]),
        ("B", isbn13(2), [{"p": "X1"}, {"p": "x1"}]),
        ("C", isbn13(3), [{"p": "X2"}]),
        ("D", isbn13(4), [{"p": "X2"}]),
        ("E", isbn13(5), [{"p": "X3", "b": "south"}]),
        ("F", isbn13(6), [{"p": "not a barcode"}]),
        ("G", isbn13(7), [{"p": "X4"}]),
    )
    expected = ImportSummary(record_count=7, added_count=2, refused_count=5, problem_count=5, item_count=2)
    assert summary(operations.run(file, validate_only=True)) == expected
    ended = operations.run(file)
    assert summary(ended) == expected
    assert [(each.record, each.field, each.control_number) for each in operations.problems(ended)] == [
        (1, "items[0].barcode", f"c{isbn13(1)}"),
        (2, "items[1].barcode", f"c{isbn13(2)}"),
        (4, "items[0].barcode", f"c{isbn13(4)}"),
        (5, "items[0].branch", f"c{isbn13(5)}"),
        (6, "items[0].barcode", f"c{isbn13(6)}"),
    ]
    described = [each.description for each in operations.problems(ended)]
    assert all(text in found for text, found in zip(["TAKEN", "X1", "X2", "south", ""], described, strict=True))
    assert sorted(operations.admin.titles()) == ["C", "G", "There"]


@pytest.mark.parametrize("mode", [ON_DUPLICATE_UPDATE, ON_DUPLICATE_ADD_COPIES])
def test_a_known_book_gets_the_items_that_are_new_by_their_barcodes(operations: Operations, mode: int) -> None:
    operations.run(marc(("Dune", isbn13(1), [{"p": "B1"}])))
    before = catalogue(operations.store)
    file = marc(
        ("Dune", isbn13(1), [{"p": "B1"}, {"p": "B2", "c": "SF"}]), ("Dune", isbn13(1), [{"p": "B2"}, {"p": "B3"}])
    )
    ended = operations.run(file, on_duplicate=mode)
    assert summary(ended).item_count == 2
    assert summary(ended).updated_count + summary(ended).copies_added_count == 2
    [dune] = operations.admin.books()
    assert dune.total_copies == 3
    assert [item.barcode for item in operations.admin.items(book_id=dune.id)] == ["B1", "B2", "B3"]
    assert summary(operations.run(file, on_duplicate=mode)).already_there_count == 2
    operations.admin.undo(progress(ended).import_id)
    assert [each[:6] for each in catalogue(operations.store)] == [each[:6] for each in before]
    assert [item.barcode for item in operations.admin.items(book_id=dune.id)] == ["B1"]


def test_an_undo_withdraws_the_items_and_the_file_can_be_imported_again(operations: Operations) -> None:
    file = marc(("Dune", isbn13(1), [{"p": "B1"}, {"p": "B2"}]), ("Emma", isbn13(2), [{"p": "B3"}]))
    first = operations.run(file)
    assert len(operations.admin.undo(progress(first).import_id)) == 2
    assert operations.admin.titles() == []
    withdrawn = operations.admin.items(state=ITEM_STATE_WITHDRAWN)
    assert len(withdrawn) == 3
    assert all(item.barcode.startswith("UNDONE-") for item in withdrawn)
    assert summary(operations.run(file)) == ImportSummary(record_count=2, added_count=2, item_count=3)
    assert sorted(item.barcode for item in operations.admin.items()) == ["B1", "B2", "B3"]
    assert progress(operations.get(first)).HasField("undo_time")


@pytest.mark.parametrize("copies", [0, 7])
def test_a_new_book_without_items_has_the_copies_of_the_config(operations: Operations, copies: int) -> None:
    there = operations.admin.add("There", isbn=isbn13(3), copies=2)
    file = marc(("Dune", isbn13(1), [{"p": "B1"}, {"p": "B2"}]), ("Emma", isbn13(2), []), ("There", isbn13(3), []))
    operations.run(file, copies_without_items=copies, on_duplicate=ON_DUPLICATE_UPDATE)
    found = {book.title: book.total_copies for book in operations.admin.books()}
    assert found == {"Dune": 2, "Emma": copies, there.title: 2}
    assert len(operations.admin.items()) == 4 + copies


def test_a_line_has_its_own_number_of_copies(operations: Operations) -> None:
    lines = b'{"title": "One", "copies": 1}\n{"title": "None", "copies": 0}\n{"title": "Silent"}\n'
    operations.run(lines, format=IMPORT_FORMAT_JSON_LINES, copies_without_items=5)
    assert {book.title: book.total_copies for book in operations.admin.books()} == {"One": 1, "None": 0, "Silent": 5}


def test_items_are_left_out_if_the_config_says_so(operations: Operations) -> None:
    ended = operations.run(marc(("Dune", isbn13(1), [{"p": "B1"}, {"p": "B2"}])), items=ITEM_FIELD_NONE)
    assert summary(ended).item_count == 0
    assert [book.total_copies for book in operations.admin.books()] == [1]


@pytest.mark.parametrize("mode", [ON_DUPLICATE_SKIP, ON_DUPLICATE_UPDATE, ON_DUPLICATE_ADD_COPIES])
@pytest.mark.parametrize("batch_rows", [1, 7])
def test_a_check_reports_of_a_book_that_a_file_has_twice_what_the_import_does(
    admin: Admin, mode: OnDuplicate.ValueType, batch_rows: int
) -> None:
    operations = Operations(admin, replace(SMALL, batch_rows=batch_rows))
    file = marc(
        ("A", isbn13(1), [{"p": "B1"}]),
        ("A again", isbn13(1), [{"p": "B1"}, {"p": "B2"}]),
        ("B", isbn13(2), [{"p": "B1"}]),
        ("C", "", [{"p": "B3"}]),
        ("C", "", [{"p": "B3"}, {"p": "B4"}]),
        ("D", isbn13(3), [{"p": "B4"}]),
    )
    config = {"on_duplicate": mode, "match_title": True}
    checked = operations.run(file, validate_only=True, **config)
    ended = operations.run(file, **config)
    assert summary(checked) == summary(ended)
    assert [(each.record, each.field) for each in operations.problems(checked)] == [
        (each.record, each.field) for each in operations.problems(ended)
    ]
    assert summary(ended).refused_count == (1 if mode == ON_DUPLICATE_SKIP else 2)


def test_a_record_with_more_items_than_a_book_can_have_copies_is_refused() -> None:
    columns, wrong, remarks = draft_columns([ItemDraft(shelf="A")] * (MOST_COPIES + 1), (), "")
    assert (columns, remarks) == ([], [])
    assert wrong == [("items", f"are {MOST_COPIES + 1}; a book can have {MOST_COPIES} copies at most")]
