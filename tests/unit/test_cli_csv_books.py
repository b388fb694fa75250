"""Books are read from CSV as people make it, and what cannot be read is reported with its line."""

from __future__ import annotations

import csv
import io
import re
from typing import IO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.encodings import LONGEST_LINE
from library_cli.importing.reading.fields import FIELDS
from library_cli.importing.reading.lines import WINDOWS_1252_CONTROLS
from library_cli.importing.reading.problems import Choices, NotBooks
from library_cli.importing.sending import SAMPLE


def read(text: str | bytes) -> list[ImportBooksRequest | ImportOutcome]:
    return list(Books(io.BytesIO(text.encode() if isinstance(text, str) else text)))


def only_book(text: str) -> ImportBooksRequest:
    [row] = read(text)
    assert isinstance(row, ImportBooksRequest)
    return row


def complaints(text: str | bytes) -> list[tuple[int, str, str]]:
    return [
        (row.line, problem.field, problem.description)
        for row in read(text)
        if isinstance(row, ImportOutcome)
        for problem in row.problems
    ]


def titles(text: str) -> list[tuple[int, str]]:
    return [(row.line, row.book.title) for row in read(text) if isinstance(row, ImportBooksRequest)]


def test_every_column_is_read_in_any_order() -> None:
    book = only_book(
        "copies,description,cover_uri,page_count,published_year,language,category,publisher,isbn,authors,title\n"
        "2,A story.,http://example.org/c.png,-1,-750,grc,Epic,Nobody,0-14-026886-3,Homer; Robert Fagles ;,The Odyssey\n"
    ).book
    assert book.title == "The Odyssey"
    assert list(book.authors) == ["Homer", "Robert Fagles"]
    assert book.isbn == "9780140268867"
    assert (book.publisher, book.category, book.language) == ("Nobody", "Epic", "grc")
    assert (book.published_year, book.page_count, book.copies) == (-750, -1, 2)
    assert (book.cover_uri, book.description) == ("http://example.org/c.png", "A story.")


def test_all_that_is_wrong_with_a_row_is_reported_at_once() -> None:
    rows = (
        "title,isbn,published_year,copies,page_count,authors,cover_uri,publisher\n"
        f"\u200b,1,MCM,-1,-1,Homer;\u3164,x,{'p' * 201}\n"
        f",978,1900,1,1,Homer,,\n"
    )
    first = ("title", "isbn", "published_year", "copies", "page_count", "authors[1]", "cover_uri", "publisher")
    expected = [*((2, field) for field in first), (3, "title"), (3, "isbn")]
    assert sorted((line, field) for line, field, _ in complaints(rows)) == sorted(expected)


@pytest.mark.parametrize("title", [" ", "\u3000", "\u00a0\u2003"])
def test_a_blank_title_is_missing(title: str) -> None:
    assert complaints(f"title,authors\n{title},Homer\n") == [(2, "title", "is missing")]


def test_only_the_title_is_needed() -> None:
    book = only_book("title\nBeowulf\n").book
    assert book.title == "Beowulf"
    assert not book.HasField("copies")
    assert (book.isbn, list(book.authors), book.published_year) == ("", [], 0)


def test_names_of_columns_may_have_capitals_spaces_and_a_byte_order_mark() -> None:
    assert read(b'\xef\xbb\xbf"Title", ISBN \r\nDune,9780441013593\r\n') == read("title,isbn\nDune,9780441013593\n")


def test_unknown_columns_stop_the_import_until_they_are_mapped_or_ignored() -> None:
    content = b"title,shelf no,isbn,rating,\nDune,7,,5,\n"
    with pytest.raises(NotBooks) as refusal:
        Books(io.BytesIO(content))
    assert '"shelf no": "7"' in str(refusal.value)
    assert '--ignore "rating"' in str(refusal.value)
    books = Books(io.BytesIO(content), Choices(ignores=("rating", "shelf no")))
    assert [row.line for row in books] == [2]


def test_control_characters_that_were_windows_1252_are_read_as_what_they_were() -> None:
    books = Books(io.BytesIO("title\nNietzsche\x92s works\nNo\x81where\nPlain – text\n".encode()))
    assert [row.book.title for row in books if isinstance(row, ImportBooksRequest)] == [
        "Nietzsche\u2019s works",
        "No\x81where",  # not a character there, either: the service will refuse it
        "Plain – text",
    ]
    assert books.remarks == ["2 lines had control characters that are letters in Windows-1252, and were read as those"]


def test_blank_lines_and_rows_without_a_value_are_passed_over() -> None:
    assert titles("title,isbn\n\nDune,\n,\n  , \nEmma,\n") == [(3, "Dune"), (6, "Emma")]


def test_a_row_is_where_it_begins_however_many_lines_it_has() -> None:
    text = 'title,description\n"Dune","one\ntwo\n\nthree"\nEmma,x\n"A\nB",y\nLast,z'
    assert titles(text) == [(2, "Dune"), (6, "Emma"), (7, "A\nB"), (9, "Last")]


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        (",9780441013593,,,", "title", "is missing"),
        ("Dune,9780441013594,,,", "isbn", "'9780441013594': the check digit does not fit"),
        ("Dune,978044,,,", "isbn", "has 10 or 13 digits, but this has 6"),
        ("Dune,,19x5,,", "published_year", "'19x5' is not a year"),
        ("Dune,,1965.5,,", "published_year", "'1965.5' is not a year"),
        ("Dune,,,many,", "page_count", "'many' is not a whole number"),
        ("Dune,,,,1_000", "copies", "'1_000' is not a whole number"),
        ("Dune,,,,12345678901", "copies", "of up to nine digits"),
        ("Dune,,,,١٢", "copies", "is not a whole number"),
        ("Dune,,,", "row", "has 4 values for 5 columns"),
        ("Dune,,,,1,2", "row", "has 6 values for 5 columns"),
        ('"Dune" novel,,,,', "row", "is not valid CSV"),
    ],
)
def test_a_row_that_cannot_be_read_is_reported_and_the_others_are_read(row: str, field: str, reason: str) -> None:
    text = f"title,isbn,published_year,page_count,copies\nBefore,,,,\n{row}\nAfter,,,,\n"
    [(line, found_field, found_reason)] = complaints(text)
    assert (line, found_field) == (3, field)
    assert reason in found_reason
    assert titles(text) == [(2, "Before"), (4, "After")]


def test_every_bad_value_of_a_row_is_reported() -> None:
    text = "title,isbn,published_year,page_count,copies\n,1,a,b,c\n"
    assert [field for _, field, _ in complaints(text)] == ["title", "isbn", "published_year", "page_count", "copies"]


def test_a_quote_that_is_not_closed_costs_its_own_line_only() -> None:
    text = 'title,authors\nOne,A\n"Two,B\n"Three",C\nFour,"D, E"\nFive,F\n'
    assert [line for line, _, _ in complaints(text)] == [3]
    assert titles(text) == [(2, "One"), (4, "Three"), (5, "Four"), (6, "Five")]


def test_a_quote_that_is_not_closed_before_the_end_costs_its_own_line_only() -> None:
    after = [(number, f"Book {number}") for number in range(3, 10_003)]
    text = 'title,authors\n"Two,B\n' + "".join(f"{title},somebody\n" for _, title in after)
    assert [line for line, _, _ in complaints(text)] == [2]
    assert titles(text) == after


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"\n\n", "is empty"),
        (b"name,author\nDune,Frank Herbert\n", '--map "name=title"'),
        (b"Dune,Frank Herbert\n", "has no column 'title' in line 1"),
        (b"title,isbn,Title\nDune,,\n", "more than one column 'title'"),
        (b'"title\n', "does not begin with a line that names the columns (a quote is opened, and not closed)"),
        (b"PK\x03\x04\x14\x00\x08\x08\x08\x00\xd1\x21", "is a damaged Excel workbook"),
        (
            "title\nDune\n\nL'É".encode() + "tranger, Ét\nÉ\n".encode("latin-1"),
            "is UTF-8 text, but not in line 4 (byte 0xc9)",
        ),
        (b"\0" * (LONGEST_LINE + 1), "line 1 is longer than 1,048,576 characters"),
    ],
)
def test_a_file_that_is_not_a_csv_of_books_is_refused_with_the_reason(content: bytes, reason: str) -> None:
    with pytest.raises(NotBooks) as refusal:
        read(content)
    assert reason in str(refusal.value)


class Endless(io.RawIOBase):
    """A file without an end, of which it is known how much was read."""

    def __init__(self) -> None:
        self.rows = 0

    def read(self, size: int | None = -1, /) -> bytes:
        self.rows += 1
        return b"title\n" if self.rows == 1 else b"Dune\n"


def test_a_file_is_read_no_further_than_its_rows_are_asked_for() -> None:
    endless = Endless()
    source: IO[bytes] = endless  # type: ignore[assignment]  # it is all that Books needs of a file
    books = iter(Books(source))
    assert [next(books).line for _ in range(5)] == [2, 3, 4, 5, 6]
    assert endless.rows <= 20, "no more than the beginning that is looked at"


REPAIRED = set(map(chr, WINDOWS_1252_CONTROLS))
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=30).filter(lambda text: not set(text) & REPAIRED)


@given(st.lists(st.tuples(texts, texts).filter(lambda row: any(value.strip() for value in row)), max_size=8), st.data())
def test_what_a_csv_writer_writes_is_read_with_its_lines(rows: list[tuple[str, str]], data: st.DataObject) -> None:
    ending = data.draw(st.sampled_from(["\n", "\r\n"]))
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator=ending)
    # Before Python 3.13 the writer forgets that a lone carriage return needs quotes.
    if any("\r" in value for row in rows for value in row) or data.draw(st.booleans()):
        writer = csv.writer(file, lineterminator=ending, quoting=csv.QUOTE_ALL)
    writer.writerow(["title", "description"])
    expected = []
    for title, description in rows:
        line = len(re.findall("\r\n|\r|\n", file.getvalue())) + 1
        expected.append((line, title.strip(), description.strip()))
        writer.writerow([title, description])
    found = [
        (row.line, row.book.title, row.book.description)
        if isinstance(row, ImportBooksRequest)
        else (row.line, "", row.problems[0].description)
        for row in read(file.getvalue())
    ]
    assert found == [(line, title, description if title else "is missing") for line, title, description in expected]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_books_or_refused(content: bytes, begins_well: bool) -> None:
    try:
        rows = read(b"title,isbn,copies\n" * begins_well + content)
    except NotBooks:
        return
    lines = [row.line for row in rows]
    assert lines == sorted(set(lines))
    assert all(isinstance(row, ImportBooksRequest) or row.problems for row in rows)


def test_the_sample_is_a_catalogue_without_a_fault() -> None:
    with SAMPLE.open("rb") as file:
        books = Books(file)
        rows = list(books)
    assert books.shown == []
    assert all(isinstance(row, ImportBooksRequest) for row in rows)
    sample = [row.book for row in rows if isinstance(row, ImportBooksRequest)]
    assert len(sample) >= 60
    isbns = [book.isbn for book in sample if book.isbn]
    assert len(set(isbns)) == len(isbns)
    assert all(book.publisher and book.category and book.description for book in sample)
    assert all(book.authors for book in sample if not book.format)
    assert [book.format for book in sample if book.format] == ["Board game", "Tool"]
    assert all(1 <= book.copies <= 3 for book in sample)


def test_all_fields_of_the_contract_are_columns() -> None:
    fields = {field.name for field in ImportBooksRequest().book.DESCRIPTOR.fields}
    assert set(FIELDS) == fields - {"request_id"}
