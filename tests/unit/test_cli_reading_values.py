"""ISBNs, years and numbers as spreadsheets and catalogues write them: what goes in, or why the row is refused."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.admin.v1.catalog_service_pb2 import AddBookRequest, ImportBooksRequest
from library_cli.exporting.output import writer_of
from library_cli.importing.reading import values
from library_cli.importing.reading.books import Books
from library_domain.field_texts import list_text

NEUROMANCER = "9780441569595"  # 0-441-56959-5

ISBNS = {
    '="0441569595"': NEUROMANCER,
    '"=""0441569595"""': NEUROMANCER,
    '=""': "",
    "'0441569595": NEUROMANCER,
    f"{NEUROMANCER}.0": NEUROMANCER,
    f"{NEUROMANCER},0": NEUROMANCER,
    "441569595.0": NEUROMANCER,
    "0441569595 (pbk.)": NEUROMANCER,
    "ISBN-13: 978-0-441-56959-5": NEUROMANCER,
    "441569595": NEUROMANCER,
    "0441569595; 9780441569595": NEUROMANCER,
    "0-441-56959-5 9780441569595": NEUROMANCER,
    "0441569595, 9780441013593": "these are the ISBNs of 2 books",
    "0441569595, x": "has only digits",
    "441569596": "has 10 or 13 digits, but this has 9",
    "03785955": "has 10 or 13 digits, but this has 8",
    "9.78044E+12": "a spreadsheet has rounded this number; format the column as text",
    "9,78044E+12": "a spreadsheet has rounded this number; format the column as text",
    "9.78E12": "a spreadsheet has rounded this number; format the column as text",
    '="9.78044E+12"': "a spreadsheet has rounded this number; format the column as text",
    "9780440000000": "a spreadsheet has rounded this number; format the column as text",
    "9.780441569595E12": NEUROMANCER,
    "9,780441569595e+12": NEUROMANCER,
    "9,780,441,569,595": NEUROMANCER,
    "’0441569595": NEUROMANCER,
    **dict.fromkeys(["n/a", "NA", "none", "NULL", "nan", r"\N", "-", "—", "?", "no ISBN"], ""),
    **dict.fromkeys(["0", "0.0", "0000000000"], ""),
    "#N/A": "has only digits",
    "9780441569596": "the check digit does not fit",
}

YEARS: dict[str, int | str] = {
    "1998": 1998,
    "2004-03-01": 2004,
    "March 2004": 2004,
    "c1998": 1998,
    "©1998": 1998,
    "[1998]": 1998,
    "1998?": 1998,
    "[ca. 1850?]": 1850,
    "ca. 1850": 1850,
    "-800": -800,
    "800 BC": -800,
    "44 B.C.E.": -44,
    "AD 98": 98,
    "0098": 98,
    "01/03/2004": 2004,
    "3/2004": 2004,
    "1.3.2004": 2004,
    "2004/03/01": 2004,
    "2004-03": 2004,
    "20040301": 2004,
    "1 March 2004": 2004,
    "March 1st, 2004": 2004,
    "01-Mar-2004": 2004,
    "1998.0": 1998,
    "1998-2001": 1998,
    "1998-99": 1998,
    "1998–": 1998,
    "2004-03-01T00:00:00Z": 2004,
    "2004-03-01 00:00:00": 2004,
    "p1998": 1998,
    '="1998"': 1998,
    "'1998": 1998,
    "850": 850,
    "0": 0,
    "Published 1998": 1998,
    "Mai 2004": 2004,
    "copyright 1998": 1998,
    "98": "'98' may be a year of any century; write all four digits, such as 1998 or 0098",
    "'98": "may be a year of any century",
    "01/03/04": "is not a year, nor a date with one",
    "MCM": "is not a year, nor a date with one",
    "[19--]": "is not a year, nor a date with one",
    **dict.fromkeys(["199?", "[199?]", "c199?", "19?", "[19?]"], "is not a year, nor a date with one"),
    "1998 or 1999": "is not a year, nor a date with one",
    "2001-1998": "is not a year, nor a date with one",
    "-9000": -9000,
    **dict.fromkeys(["n.d.", "[n. d.]", "s.a.", "n/a", "--", "?", "unknown"], 0),
    "36161": "may be a date that a spreadsheet shows as a number; format the column as a date",
    "36161.0": "may be a date that a spreadsheet shows as a number",
    "1,999": "is not a year",
    "199-": "is not a year",
}

NUMBERS: dict[str, int | str] = {
    "271": 271,
    "271.0": 271,
    "271,0": 271,
    "271 pages": 271,
    "271 p.": 271,
    "271p": 271,
    "271 S.": 271,
    "1,204": 1204,
    '="271"': 271,
    "1 204 pages": 1204,
    "1,000": 1000,
    "271 p. : ill. ; 24 cm": 271,
    "271 p., 8 plates": 271,
    "n/a": 0,
    "-": 0,
    "12,000 pages": 12000,
    "1 000": 1000,
    "1204,000": 1204,
    "1204.000": 1204,
    "0.000": 0,
    **dict.fromkeys(["1.000", "12.000 S."], "may be thousands or decimal places"),
    "": 0,
    '=""': 0,
    **dict.fromkeys(["many", "271.5", "1_000", "12,34", "xii, 271", "1.204"], "is not a whole number"),
    **dict.fromkeys(["9" * 10, "٢"], "is not a whole number"),
}


def one(heading: str, value: str) -> bytes:
    """A file with one book and one value, in a column whose separator is in no value."""
    return f"title\t{heading}\nEmma\t{value}\n".encode()


def only(field: str, value: str) -> tuple[AddBookRequest, str]:
    """The book of a row with this value, and why the row is refused, where it is."""
    [row] = Books(io.BytesIO(one(field, value)))
    if isinstance(row, ImportBooksRequest):
        return row.book, ""
    assert [problem.field for problem in row.problems] == [field]
    return AddBookRequest(), row.problems[0].description


@pytest.mark.parametrize(
    ("field", "forms"),
    [("isbn", ISBNS), ("published_year", YEARS), ("page_count", NUMBERS)],
    ids=lambda value: str(value)[:15],
)
def test_forms_of_values(field: str, forms: dict[str, Any]) -> None:
    found = {}
    for written in forms:
        book, problem = only(field, written)
        found[written] = problem or getattr(book, field)
    for written, expected in forms.items():
        is_reason = isinstance(expected, str) and not expected.isdigit() and expected != ""
        assert expected in str(found[written]) if is_reason else found[written] == expected, (written, found[written])


AUTHORS = {
    "Simon &amp; Schuster": ["Simon &amp; Schuster"],
    "J&eacute;r&#244;me Ferrari; Bob": ["J&eacute;r&#244;me Ferrari", "Bob"],
    "R&D; Bob": ["R&D", "Bob"],
    "['A', 'B']": ["A", "B"],
    "['A', \"O'B\"]": ["A", "O'B"],
    "['A', 1]": ["['A', 1]"],
    "['A": ["['A"],
}


def test_authors_that_programs_write() -> None:
    for written, expected in AUTHORS.items():
        assert values.authors_of(written, values.AUTHORS_SEPARATORS, last_first=False) == expected, written
    for names in (["A &amp", "B"], ["['A']"], ["&lt", "&#1"]):
        assert values.authors_of(list_text(names), (";",), last_first=False) == names


any_name = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from('; &|[]," '), min_size=1, max_size=20)


@given(st.lists(any_name.map(str.strip).filter(lambda name: name != ""), max_size=4))
def test_authors_that_are_exported_are_read_again(authors: list[str]) -> None:
    assert values.authors_of(list_text(authors), values.AUTHORS_SEPARATORS, last_first=False) == authors


def test_years_that_are_exported_are_read_again() -> None:
    file = io.StringIO()
    write = writer_of("csv", file, ["published_year"])
    for year in range(-5000, 2201):
        write({"published_year": year or None})
    _, *rows = csv.reader(file.getvalue().splitlines())
    assert [values.year_of(cell) for [cell] in rows] == list(range(-5000, 2201))
