"""Workbooks that no spreadsheet program has made: they are refused, and take neither memory nor time."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from library.admin.v1.catalog_service_pb2 import ImportOutcome
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.problems import NotBooks
from tests.support.book_files import xlsx

CONTENT_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


def test_a_workbook_that_unpacks_to_absurd_sizes_is_refused() -> None:
    book = io.BytesIO(xlsx(["title"], ["A"]))
    with zipfile.ZipFile(book, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/worksheets/sheet2.xml", bytes(2**26))
    with pytest.raises(NotBooks, match="is too large for an Excel workbook: unpacked, it has 67,"):
        Books(io.BytesIO(book.getvalue()))


@pytest.mark.parametrize(
    "sheet",
    [
        b"<row r='2'><c r='A2' t='str'><v>" + b"x" * 2**21 + b"</v></c></row>",
        b"<row r='2'>" + b"<c><v>1</v></c>" * 60_000 + b"</row>",
        b"<row r='2'><c r='ZZZZ2'><v>1</v></c></row>",
        b"<row r='2'><c r='A2' t='s'><v>7</v></c></row>",
        b"<row r='2'><c r='A2'><v>x</v></c></row>",
        b"<row r='2'>",
    ],
    ids=["a long text", "many cells", "a far column", "a missing text", "not a number", "not closed"],
)
def test_a_workbook_that_is_not_made_by_a_spreadsheet_is_refused(sheet: bytes) -> None:
    book = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(xlsx(["title"]))) as whole, zipfile.ZipFile(book, "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, content.replace(b"</sheetData>", sheet + b"</sheetData>"))
    with pytest.raises(NotBooks, match="is a damaged Excel workbook"):
        list(Books(io.BytesIO(book.getvalue())))


def test_an_archive_that_only_looks_like_a_workbook_is_refused() -> None:
    book = io.BytesIO()
    with zipfile.ZipFile(book, "w") as archive:
        archive.writestr("[Content_Types].xml", f"<Types xmlns='{CONTENT_TYPES}'/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(NotBooks, match="is a damaged Excel workbook"):
        Books(io.BytesIO(book.getvalue()))
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
    with pytest.raises(NotBooks, match="is a ZIP archive, but not an Excel workbook"):
        Books(io.BytesIO(other.getvalue()))


def test_a_cell_without_a_value_is_refused_again_in_the_file_of_refused_rows(tmp_path: Path) -> None:
    content = xlsx(["title", "isbn"], ["Dune", '="0441569595"'], ["#N/A", ""], ["=A1", ""], ["Emma", "x"])
    books = Books(io.BytesIO(content))
    rejects = books.table.rejects(tmp_path / "rejects.xlsx")
    rows = []
    for row in books:
        assert isinstance(row, ImportOutcome)
        rows.append(row)
        rejects.add(books.table.raw_row())
    rejects.close()
    again = list(Books(io.BytesIO((tmp_path / "rejects.xlsx").read_bytes())))
    assert again == rows
