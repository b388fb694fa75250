"""The further fields of books at the admin: what is refused, how values are stored, and what finds them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from admin_server.store.models import Book as BookRow
from admin_server.store.models import Item
from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_ALREADY_THERE,
    IMPORT_RESULT_REFUSED,
    ON_DUPLICATE_ADD_COPIES,
    ON_DUPLICATE_UPDATE,
    AddBookRequest,
    ImportOptions,
)
from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISBN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_OCLC,
    IDENTIFIER_TYPE_OTHER,
    Book,
    Contributor,
    Identifier,
)
from service_kit.errors import FieldInvalid
from service_kit.ids import new_id
from tests.support.admin import Admin
from tests.support.isbns import isbn13

WRONG_EAN = Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333932")


def fields_at_fault(error: pytest.ExceptionInfo[FieldInvalid]) -> list[str]:
    return [field for field, _ in error.value.problems]


def test_a_wrong_number_alone_is_invalid(admin: Admin) -> None:
    with pytest.raises(FieldInvalid) as added:
        admin.add("Chess", identifiers=[WRONG_EAN])
    assert fields_at_fault(added) == ["identifiers[0].value"]
    [outcome] = admin.import_rows(AddBookRequest(title="Chess", identifiers=[WRONG_EAN]))
    assert outcome.result == IMPORT_RESULT_REFUSED
    assert [problem.field for problem in outcome.problems] == ["identifiers[0].value"]
    assert admin.titles() == []
    book = admin.add("Chess")
    with pytest.raises(FieldInvalid) as updated:
        admin.update(Book(id=book.id, title="Go", identifiers=[WRONG_EAN]), "title", "identifiers")
    assert fields_at_fault(updated) == ["book.identifiers[0].value"]
    assert admin.get(book.id) == book


def test_all_that_is_wrong_is_reported_at_once(admin: Admin) -> None:
    wrong: dict[str, Any] = {
        "isbn": "1",
        "identifiers": [
            WRONG_EAN,
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8471"),
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8472"),
            Identifier(type=IDENTIFIER_TYPE_ISBN, value="9780441569596"),
            Identifier(type=IDENTIFIER_TYPE_OTHER, value="a\x00b"),
            Identifier(type=IDENTIFIER_TYPE_OTHER, value=" "),
        ],
        "contributors": [
            Contributor(name="Jane", role="\x1b"),
            Contributor(name="  "),
            Contributor(name="\u200b"),
        ],
    }
    expected = {
        *("isbn", "identifiers[0].value", "identifiers[2].value", "identifiers[3].value", "identifiers[4].value"),
        *("identifiers[5].value", "contributors[0].role", "contributors[1].name", "contributors[2].name"),
    }
    with pytest.raises(FieldInvalid) as refused:
        admin.add("Chess", **wrong)
    assert set(fields_at_fault(refused)) == expected
    [outcome] = admin.import_rows(AddBookRequest(title="Chess", **wrong))
    assert {problem.field for problem in outcome.problems} == expected


def test_values_are_stored_in_one_form_and_once(admin: Admin) -> None:
    book = admin.add(
        "Chess",
        subtitle=" A  game\u200b",
        subjects=["Games", " games ", "GAMES", "Toys", "Games"],
        identifiers=[
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="03178471"),
            Identifier(type=IDENTIFIER_TYPE_ISSN, value=" 0317\u20138471"),
            Identifier(type=IDENTIFIER_TYPE_OCLC, value="ocm0010980207"),
            Identifier(type=IDENTIFIER_TYPE_OTHER, value="10980207"),
            Identifier(type=IDENTIFIER_TYPE_ISBN, value="0-441-56959-5"),
        ],
        contributors=[Contributor(name=" Jane Roe", role="editor "), Contributor(name="Jane Roe", role="editor")],
    )
    assert book.subtitle == "A  game"
    assert list(book.subjects) == ["Games", "Toys"]
    assert [(each.type, each.value) for each in book.identifiers] == [
        (IDENTIFIER_TYPE_ISSN, "0317-8471"),
        (IDENTIFIER_TYPE_OCLC, "10980207"),
        (IDENTIFIER_TYPE_OTHER, "10980207"),
        (IDENTIFIER_TYPE_ISBN, "9780441569595"),
    ]
    assert list(book.contributors) == [Contributor(name="Jane Roe", role="editor")]
    assert admin.get(book.id) == book


FOUND_BY = {
    "subtitle": "gambits",
    "series": "Openings",
    "subject": "strategies",
    "part of a subject": "board",
    "contributor": "heinz",
    "ISSN": "0317-8471",
    "ISSN without its hyphen": "03178471",
    "EAN": "4006381333931",
    "OCLC number": "10980207",
    "another number": "gema 1-2",
    "further ISBN as an ISBN-10": "0-441-56959-5",
    "several": "chess heinz openings",
}
NOT_FOUND_BY = {"role": "translator", "edition": "revised", "volume": "seventh", "part of an ISSN": "8471"}


def full_book() -> dict[str, Any]:
    return {
        "subtitle": "Gambits for all",
        "edition": "Revised",
        "series": "Openings",
        "volume": "Seventh",
        "subjects": ["Strategies", "Board games"],
        "identifiers": [
            Identifier(type=IDENTIFIER_TYPE_ISSN, value="0317-8471"),
            Identifier(type=IDENTIFIER_TYPE_EAN, value="4006381333931"),
            Identifier(type=IDENTIFIER_TYPE_OCLC, value="10980207"),
            Identifier(type=IDENTIFIER_TYPE_OTHER, value="GEMA 1-2"),
            Identifier(type=IDENTIFIER_TYPE_ISBN, value="9780441569595"),
        ],
        "contributors": [Contributor(name="Reinhard Heinz", role="Translator")],
        "format": "Board game",
    }


@pytest.mark.parametrize("query", FOUND_BY.values(), ids=FOUND_BY.keys())
def test_a_book_is_found_by_its_further_fields(admin: Admin, query: str) -> None:
    admin.add("Chess", **full_book())
    admin.add("Other")
    assert admin.titles(query=query) == ["Chess"]


@pytest.mark.parametrize("query", NOT_FOUND_BY.values(), ids=NOT_FOUND_BY.keys())
def test_what_is_not_searched(admin: Admin, query: str) -> None:
    admin.add("Chess", **full_book())
    assert admin.titles(query=query) == []


def test_an_update_changes_what_finds_a_book(admin: Admin) -> None:
    book = admin.add("Chess", **full_book())
    admin.update(Book(id=book.id, subjects=["Mathematics"]), "subjects", "identifiers")
    assert admin.titles(query="mathematics") == ["Chess"]
    assert admin.titles(query="strategies") == admin.titles(query="4006381333931") == []
    assert admin.titles(query="heinz") == ["Chess"]


def test_a_damaged_list_is_reported_and_does_not_stop_the_others(admin: Admin) -> None:
    damaged, whole = admin.add("Damaged", **full_book()), admin.add("Whole")
    for name, text in (("contributors", "[{}]"), ("identifiers", '["x"]'), ("subjects", "{"), ("origins", "[1]")):
        before = getattr(BookRow.get(BookRow.id == damaged.id), name)
        BookRow.update({getattr(BookRow, name): text}).where(BookRow.id == damaged.id).execute()
        assert whole.title in admin.titles()
        row = AddBookRequest(title="New", isbn=isbn13(7))
        assert [outcome.book_id != "" for outcome in admin.import_rows(row)] == [True]
        BookRow.update({getattr(BookRow, name): before}).where(BookRow.id == damaged.id).execute()
    assert admin.get(damaged.id).title == "Damaged"


# --- books without copies ---


def test_a_book_can_have_no_copies(admin: Admin) -> None:
    book = admin.add("Ordered", copies=0)
    assert (book.total_copies, book.available_copies) == (0, 0)
    assert Item.select().where(Item.book_id == book.id).count() == 0
    assert admin.add("Default").total_copies == 1
    more = admin.update(Book(id=book.id, total_copies=2), "total_copies")
    assert (more.total_copies, more.available_copies) == (2, 2)
    none = admin.update(Book(id=book.id, total_copies=0), "total_copies")
    assert (none.total_copies, none.available_copies) == (0, 0)
    with pytest.raises(FieldInvalid) as refused:
        admin.update(Book(id=book.id, total_copies=-1), "total_copies")
    assert fields_at_fault(refused) == ["book.total_copies"]


def test_an_import_adds_and_updates_to_no_copies(admin: Admin) -> None:
    row = AddBookRequest(title="Ordered", isbn=isbn13(1), copies=0)
    [outcome] = admin.import_rows(row)
    assert admin.get(outcome.book_id).total_copies == 0
    admin.update(Book(id=outcome.book_id, total_copies=3), "total_copies")
    adding = ImportOptions(on_duplicate=ON_DUPLICATE_ADD_COPIES, run_id=new_id())
    [added] = admin.import_rows(row, options=adding)
    assert (added.result, list(added.changes)) == (IMPORT_RESULT_ALREADY_THERE, [])
    updating = ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE, run_id=new_id())
    [updated] = admin.import_rows(row, options=updating)
    [change] = updated.changes
    assert (change.field, change.old_value, change.new_value) == ("copies", "3", "0")
    assert admin.get(outcome.book_id).total_copies == 0
    admin.undo(updating.run_id)
    assert admin.get(outcome.book_id).total_copies == 3
    # A row without copies leaves them as they are.
    admin.import_rows(
        AddBookRequest(title="Ordered", isbn=isbn13(1)), options=ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE)
    )
    assert admin.get(outcome.book_id).total_copies == 3


def test_an_outcome_shows_lists_as_files_have_them(admin: Admin) -> None:
    admin.import_rows(AddBookRequest(title="Chess", isbn=isbn13(1), **full_book()))
    row = AddBookRequest(
        title="Chess",
        isbn=isbn13(1),
        subjects=["Games; toys"],
        identifiers=[Identifier(type=IDENTIFIER_TYPE_ISSN, value="03178471")],
        contributors=[Contributor(name="Jane Roe", role="editor"), Contributor(name="John Doe")],
    )
    options = ImportOptions(on_duplicate=ON_DUPLICATE_UPDATE, run_id=new_id())
    [outcome] = admin.import_rows(row, options=options, validate_only=True)
    assert {change.field: (change.old_value, change.new_value) for change in outcome.changes} == {
        "subjects": ("Strategies; Board games", json.dumps(["Games; toys"])),
        "identifiers": (
            "ISSN 0317-8471; EAN 4006381333931; OCLC 10980207; OTHER GEMA 1-2; ISBN 9780441569595",
            "ISSN 0317-8471",
        ),
        "contributors": ("Reinhard Heinz (Translator)", "Jane Roe (editor); John Doe"),
    }
