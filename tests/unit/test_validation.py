"""Every rule of the contract is applied, and the answer names the field."""

from __future__ import annotations

import uuid

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest, GetBookRequest, ListBooksRequest, UpdateBookRequest
from library.admin.v1.loan_service_pb2 import ListLoansRequest
from library.frontend.v1.lending_service_pb2 import BorrowBookRequest
from library.frontend.v1.member_service_pb2 import EnrollUserRequest
from library.sync.v1.sync_service_pb2 import RecordStatesRequest, State
from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from service_kit.errors import FieldInvalid
from service_kit.validation import check, problems


def full_book() -> AddBookRequest:
    """A book with every field at the edge of what is acceptable."""
    return AddBookRequest(
        title="t" * 500,
        authors=["a" * 200] * 50,
        isbn="9" * 100,
        publisher="p" * 200,
        category="c" * 200,
        language="l" * 35,
        published_year=2200,
        page_count=100_000,
        description="d" * 10_000,
        cover_uri="https://example.org/" + "u" * 1_980,
        copies=10_000,
        request_id=str(uuid.UUID(int=7)),
    )


def test_the_edges_are_acceptable() -> None:
    assert problems(full_book()) == []
    assert problems(AddBookRequest(title="t", published_year=-5_000, copies=1)) == []


def test_letters_are_counted_and_not_bytes() -> None:
    assert problems(AddBookRequest(title="書" * 500)) == []


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("title", "", "at least 1 characters"),
        ("title", "t" * 501, "at most 500 characters"),
        ("authors", ["a"] * 51, "no more than 50 item"),
        ("authors[1]", ["a", ""], "at least 1 characters"),
        ("authors[2]", ["a", "b", "c" * 201], "at most 200 characters"),
        ("isbn", "9" * 101, "at most 100 characters"),
        ("publisher", "p" * 201, "at most 200 characters"),
        ("category", "c" * 201, "at most 200 characters"),
        ("language", "l" * 36, "at most 35 characters"),
        ("published_year", -5_001, "-5000"),
        ("published_year", 2_201, "2200"),
        ("page_count", -1, "greater than or equal to 0"),
        ("page_count", 100_001, "100000"),
        ("description", "d" * 10_001, "at most 10000 characters"),
        ("cover_uri", "no uri", "valid URI"),
        ("cover_uri", "/relative", "valid URI"),
        ("cover_uri", "https://example.org/" + "u" * 1_981, "at most 2000 characters"),
        ("copies", -1, "greater than or equal to 0"),
        ("copies", 10_001, "10000"),
        ("request_id", "7", "valid UUID"),
    ],
)
def test_each_rule_of_a_book_is_applied_and_names_its_field(field: str, value: object, problem: str) -> None:
    request = full_book()
    name = field.partition("[")[0]
    if isinstance(value, list):
        request.ClearField("authors")
        request.authors.extend(value)
    else:
        setattr(request, name, value)
    [(found_field, found_problem)] = problems(request)
    assert found_field == field
    assert problem in found_problem


CONTROL = ["\x00", "\x1b", "\x7f", "\x85", "\x9f", "\u2028", "\u2029", "\ufeff"]
TEXT_FIELDS = [
    field.name
    for field in AddBookRequest.DESCRIPTOR.fields
    if field.type == field.TYPE_STRING and not field.is_repeated
]


@pytest.mark.parametrize("name", TEXT_FIELDS)
def test_control_characters_are_refused_in_every_text(name: str) -> None:
    request = AddBookRequest(title="t")
    setattr(request, name, "a\x00b")
    assert (name, "must not contain control characters") in problems(request)


@pytest.mark.parametrize("char", [*CONTROL, "\n", "\r", "\t"])
def test_control_characters_are_refused_one_and_all(char: str) -> None:
    assert problems(AddBookRequest(title=f"a{char}b")) == [("title", "must not contain control characters")]
    assert problems(AddBookRequest(title="t", authors=["a", f"b{char}"])) == [
        ("authors[1]", "must not contain control characters")
    ]


@pytest.mark.parametrize("char", ["\n", "\r\n", "\t", "\u2028", "\u2029"])
def test_a_description_has_paragraphs(char: str) -> None:
    assert problems(AddBookRequest(title="t", description=f"a{char}b")) == []


@pytest.mark.parametrize("char", ["\x00", "\x0b", "\x1b", "\x85"])
def test_a_description_has_no_other_control_characters(char: str) -> None:
    assert problems(AddBookRequest(title="t", description=f"a{char}b")) == [
        ("description", "must not contain control characters")
    ]


def test_the_path_of_a_nested_field_is_returned() -> None:
    request = UpdateBookRequest(book=Book(id=str(uuid.UUID(int=1)), title="a\x00b", authors=["ok", "\x1b"]))
    request.update_mask.paths.append("tit\x00le")
    assert [field for field, _ in problems(request)] == ["book.title", "book.authors[1]", "update_mask.paths[0]"]


def test_rows_that_are_refused_one_by_one_do_not_refuse_the_request() -> None:
    users = [State(revision=1, user=User(id="x", first_name="a\x00b"))]
    assert problems(RecordStatesRequest(frontend_id=str(uuid.UUID(int=1)), states=users)) == []
    assert [field for field, _ in problems(users[0])] == ["user.first_name"]


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (GetBookRequest(), "id"),
        (GetBookRequest(id="7"), "id"),
        (GetBookRequest(id="../../etc/passwd"), "id"),
        (UpdateBookRequest(), "book"),
        (ListBooksRequest(page_size=-1), "page_size"),
        (ListBooksRequest(page_token="x" * 2_001), "page_token"),
        (ListBooksRequest(query="x" * 201), "query"),
        (ListBooksRequest(state=9), "state"),  # type: ignore[arg-type]
        (ListLoansRequest(user_id="7"), "user_id"),
        (ListLoansRequest(state=-1), "state"),  # type: ignore[arg-type]
        (RecordStatesRequest(frontend_id=str(uuid.UUID(int=1))), "states"),
        (RecordStatesRequest(frontend_id="f", states=[State()]), "frontend_id"),
        (RecordStatesRequest(frontend_id=str(uuid.UUID(int=1)), states=[State()] * 101), "states"),
    ],
)
def test_a_request_is_refused_for_its_field(request_: GetBookRequest, field: str) -> None:
    with pytest.raises(FieldInvalid) as refused:
        check(request_)
    assert [name for name, _ in refused.value.problems] == [field]


@pytest.mark.parametrize("days", [-1, -(2**31), 366, 2**31 - 1])
def test_absurd_days_are_refused(days: int) -> None:
    book_id = user_id = str(uuid.UUID(int=1))
    assert [field for field, _ in problems(BorrowBookRequest(book_id=book_id, user_id=user_id, days=days))] == ["days"]


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(FieldInvalid) as refused:
        check(AddBookRequest(page_count=-1))
    assert [field for field, _ in refused.value.problems] == ["title", "page_count"]
    assert refused.value.metadata == {"fields": "title, page_count"}


BLANKS = ["", " ", "\u00a0", "\u1680", "\u2003", "\u202f", "\u205f", "\u3000", " \u2009 "]
INVISIBLE = [
    *("\u200b", "\u200c", "\u200d", "\u200e", "\u200f", "\u2060", "\u2061", "\u2063", "\u00ad", "\u034f", "\u061c"),
    *("\u180e", "\u115f", "\u1160", "\u3164", "\uffa0", "\u17b4", "\u17b5", "\u2800", "\u202e", "\u2069", "\u206a"),
    *("\ufe00", "\ufe0f", "\U000e0100", "\U000e0001", "\U000e0041", "\U0001d159", "\U0001d173", "\U0001bca0"),
    *("\ufff0", "\ufffb", "\U00013430", "\U00013441", "\ufdd0", "\U0001fffe"),
    *("\u0301", "\u20dd", "\u0903", "\u200b\u0301", " \u200b ", "\u3164\u2800\u3000", "\u200d" * 50),
]
VISIBLE = [
    *(
        "A",
        ".",
        "é",
        "e\u0301",
        "王",
        "ﷺ",
        "١",
        "👩\u200d👩\u200d👧",
        "❤\ufe0f",
        "🏴\U000e0067\U000e007f",
        "☃",
        "\ue000",
    ),
    *("نرگس\u200cخانم", "\u200bA", "A\u3164", "\u2800⠁", "ㅋ", "가", "क्\u200dष", "—", "𝔸"),
]


@pytest.mark.parametrize("blank", BLANKS)
def test_a_required_text_is_not_blank(blank: str) -> None:
    assert [field for field, _ in problems(AddBookRequest(title=blank))] == ["title"]
    assert [field for field, _ in problems(AddBookRequest(title="t", authors=["a", blank]))] == ["authors[1]"]
    assert problems(AddBookRequest(title="t", publisher=blank)) == []


@pytest.mark.parametrize("invisible", INVISIBLE, ids=ascii)
def test_a_text_has_a_character_that_can_be_seen(invisible: str) -> None:
    shown = "must have a visible character"
    for text in (invisible, f" {invisible}", f"{invisible}\u3000"):
        assert problems(AddBookRequest(title=text)) == [("title", shown)]
        assert problems(AddBookRequest(title="t", authors=["a", text])) == [("authors[1]", shown)]
        assert problems(AddBookRequest(title="t", publisher=text)) == [("publisher", shown)]
        assert problems(EnrollUserRequest(email="a@b.c", first_name=text, last_name="x")) == [("first_name", shown)]
    assert problems(AddBookRequest(title="t", description=f"{invisible}\n")) == [("description", shown)]
    assert problems(AddBookRequest(title=f"t{invisible}")) == []


@pytest.mark.parametrize("visible", VISIBLE, ids=ascii)
def test_a_text_with_invisible_characters_among_others_is_acceptable(visible: str) -> None:
    assert problems(AddBookRequest(title=visible, authors=[visible], publisher=visible, description=visible)) == []


def test_a_text_of_control_characters_has_one_problem() -> None:
    assert problems(AddBookRequest(title="\ufeff")) == [("title", "must not contain control characters")]
    assert [field for field, _ in problems(GetBookRequest(id="\u200b"))] == ["id"]


def test_a_list_of_a_hundred_thousand_is_refused_at_once() -> None:
    # Tried item by item, as the rules go, it held up the whole server for some ten seconds.
    assert problems(AddBookRequest(title="t", authors=[""] * 100_000)) == [("authors", "must have at most 1000 items")]
    several = AddBookRequest(authors=[""] * 100_000, copies=-1)
    assert [field for field, _ in problems(several)] == ["authors", "title", "copies"]
    request = UpdateBookRequest(book=Book(id=str(uuid.UUID(int=1)), authors=[""] * 1_001))
    assert problems(request) == [("book.authors", "must have at most 1000 items")]


def test_a_uuid_is_the_same_in_capitals() -> None:
    request = UpdateBookRequest(book=Book(id=str(uuid.UUID(int=0xABC)).upper()))
    check(request)
    assert request.book.id == str(uuid.UUID(int=0xABC))
