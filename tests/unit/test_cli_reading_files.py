"""Files of books as people make them: for each, what is shown before anything is written, and what goes in."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest

from library.admin.v1.catalog_service_pb2 import ImportBooksRequest, ImportOutcome
from library_cli.importing.reading import fields
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks
from tests.support.book_files import chosen
from tests.support.processes import ROOT
from tests.support.reading_cases import CASES, SHOWN


def shown_row(row: Any) -> str:
    if not isinstance(row, ImportBooksRequest):
        return f"{row.line}! " + "; ".join(f"{problem.field}: {problem.description}" for problem in row.problems)
    book = row.book
    order = ("isbn", "publisher", "category", "description", "language", "page_count", "published_year", "copies")
    rest = [str(getattr(book, name)) for name in (*order, "cover_uri") if getattr(book, name)]
    return f"{row.line} {' | '.join(filter(None, [book.title, '/'.join(book.authors), *rest]))}"


def read(content: bytes, choices: Choices = AS_FOUND) -> tuple[Books, list[str]]:
    books = Books(io.BytesIO(content), choices)
    return books, list(map(shown_row, books))


@pytest.mark.parametrize("name", CASES)
def test_what_is_shown_and_what_goes_in(name: str) -> None:
    case = CASES[name]
    books, rows = read(case.content, case.choices)
    assert books.shown == (SHOWN[name] if case.shown is None else case.shown)
    assert books.is_guess is case.is_guess
    assert rows == case.goes_in
    assert books.remarks == list(case.remarks)


def test_there_are_sixty_files_and_more() -> None:
    assert len(CASES) >= 60


def test_the_documentation_has_all_headings() -> None:
    text = (ROOT / "docs" / "import.md").read_text(encoding="utf-8")
    for field, known in fields.SYNONYMS.items():
        others = [*fields.ISBN_13_HEADINGS, *fields.ISBN_10_HEADINGS] if field == "isbn" else []
        assert f"| {field} | {', '.join([*known, *others])} |" in text
    assert all(heading in text for heading in fields.MORE_AUTHORS_HEADINGS)


def test_no_heading_is_known_for_two_fields() -> None:
    keys = [(fields.key_of(heading), field) for field, known in fields.SYNONYMS.items() for heading in known]
    assert len({key for key, _ in keys}) == len(set(keys))
    assert not fields.HINTS.keys() & fields.FIELD_OF.keys()
    assert all(fields.key_of(hint) == hint for hint in fields.HINTS)
    assert set(fields.HINTS.values()) <= set(fields.FIELDS)
    assert all(fields.FIELD_OF[fields.key_of(field)] == field for field in fields.FIELDS)


OF_THE_ISSUE = {
    "authors": "Author, Authors, Book-Author, AUTHOR, book_author, book author, Author's Name, Author(s)*",
    "isbn": "ISBN13, ISBN-10, isbn_13, Isbn 10, ISBN Nr., ISBN/EAN, ean_isbn13, upc_isbn10",
    "published_year": "Year, Year-Of-Publication, Published, published_date, year of publication, Publ. Year",
    "page_count": "Pages, Number of Pages, number-of-pages, NUMBER_OF_PAGES, # of pages:, No. of pp., pp.",
    "copies": "Qty, Quantity, Copies, qty., # of copies, No. copies",
    "publisher": "Publisher Name, publisher-name, Publisher",
    "category": "Genre, Subject, Shelf, GENRE",
    "language": "Language, LANGUAGE",
    "description": "Summary, summary, Book Summary",
}


def test_headings_that_people_use_are_taken_however_they_write_them() -> None:
    for field, headings in OF_THE_ISSUE.items():
        for heading in headings.split(", "):
            books = Books(io.BytesIO(f"title,{heading}\nEmma,1\n".encode()))
            assert books.columns[1].field == field, heading
            assert books.columns[1].is_guess is (heading.lower() not in fields.FIELDS), heading


class Pipe(io.RawIOBase):
    """Bytes that come once, a few at a time."""

    def __init__(self, content: bytes) -> None:
        self._content = io.BytesIO(content)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        chunk = self._content.read(min(len(buffer), 4_099))
        buffer[: len(chunk)] = chunk
        return len(chunk)


@pytest.mark.parametrize("name", [name for name in CASES if "far from the beginning" not in name])
def test_a_pipe_is_read_like_a_file(name: str) -> None:
    case = CASES[name]
    books = Books(io.BufferedReader(Pipe(case.content)), case.choices)
    assert list(map(shown_row, books)) == case.goes_in
    assert case.shown is None or books.shown == case.shown


def test_refused_rows_keep_their_bytes(tmp_path: Path) -> None:
    """Windows-1252 is often called Latin-1, which lacks its quotes and its euro: they are read, and not lost."""
    content = "title,isbn\nL\u2019Étranger \u2013 10 €,x\n".encode("cp1252")
    for name in ("latin-1", "iso-8859-15", "windows-1252"):
        books = Books(io.BytesIO(content), chosen(encoding=name))
        assert isinstance(next(iter(books)), ImportOutcome)
        file = books.table.rejects(tmp_path / name)
        file.add(books.table.raw_row())
        file.close()
        assert (tmp_path / name).read_bytes() == content


def test_a_byte_that_does_not_fit_later_in_a_pipe_is_refused_with_its_line() -> None:
    content = b"title\n" + b"Emma\n" * 30_000 + b"L'\xc9tranger\nEmma\n"
    books = Books(io.BufferedReader(Pipe(content)))
    rows: list[object] = []
    with pytest.raises(NotBooks, match=r"is not UTF-8 text \(byte 0xc9 in line 30002\); name its encoding") as refusal:
        rows.extend(books)
    assert len(rows) == 30_000
    assert "--encoding windows-1252" in str(refusal.value)
