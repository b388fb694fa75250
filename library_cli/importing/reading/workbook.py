"""Excel's .xlsx: the rows of one of its sheets, with numbers, dates and the values of formulas as texts.

The XML of a sheet is read as a stream, and the workbook's texts are kept on disk: memory does not grow with the rows.
"""

from __future__ import annotations

import re
import tempfile
import warnings
import weakref
import zipfile
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, iterparse

import openpyxl
from openpyxl.cell import WriteOnlyCell
from openpyxl.cell.text import Text
from openpyxl.packaging.manifest import Manifest
from openpyxl.reader.excel import ExcelReader
from openpyxl.utils import get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet._reader import DATA_TAG, FORMULA_TAG, ROW_TAG, VALUE_TAG, WorkSheetParser
from openpyxl.xml.constants import SHARED_STRINGS, SHEET_MAIN_NS

from library_cli.importing.reading.cells import Cell, cells_with_values, texts_of
from library_cli.importing.reading.layout import layout_of
from library_cli.importing.reading.problems import Choices, NotBooks, quoted
from library_cli.importing.reading.table import Facts, Row

MOST_XML_BYTES = 2**31
"""A workbook of a million books has about 600 MB of XML. More is not a list of books, and may be an attack."""

MOST_TIMES_SMALLER = 300
SMALL_XML_BYTES = 2**26
"""XML of real sheets is 10 to 50 times as large as its compressed form; of little XML that does not matter."""

MOST_PART_BYTES = 2**26
"""Parts of a workbook other than sheets and texts are read into memory as a whole."""

LONGEST_TEXT = 2**20
"""In bytes. A cell of Excel has at most 32,767 characters."""

MOST_ELEMENTS = 200_000
"""In one row, or one text: cells, values, formulas, and parts of texts, each at its start and end."""

SAMPLE_ROWS = 100

SMALL_PART_BYTES = 2**16
STRICT = b"http://purl.oclc.org/ooxml/spreadsheetml/main"
"""The names of a variant of the format, which openpyxl does not read."""
NO_VALUE = "=NA()"
"""Replaces a formula without a value in the file of refused rows. In another row the formula would refer to other
cells, and an empty cell would be imported as no value."""

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, ParseError, InvalidFileException, EOFError, NotImplementedError, RuntimeError),
    *(KeyError, ValueError, TypeError, AttributeError, IndexError, OverflowError),
)
"""What openpyxl raises for files that are damaged or made by programs that do not know the format."""


class SharedTexts:
    """The texts of a workbook, which its cells name by number. They are kept in a temporary file."""

    def __init__(self) -> None:
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the workbook
        self._ends = array("Q", [0])
        weakref.finalize(self, self._file.close)

    def append(self, text: str) -> None:
        """Add a text."""
        content = text.encode("utf-8", "surrogatepass")
        self._file.write(content)
        self._ends.append(self._ends[-1] + len(content))

    def __getitem__(self, index: int) -> str:
        if not 0 <= index < len(self._ends) - 1:
            raise IndexError(f"the workbook has no text {index}")
        self._file.seek(self._ends[index])
        return self._file.read(self._ends[index + 1] - self._ends[index]).decode("utf-8", "surrogatepass")


class _Reader(ExcelReader):
    """Opens a workbook, with its texts on disk."""

    package: Manifest
    shared_strings: Any
    wb: Any

    def read_chartsheet(self, sheet: Any, rel: Any) -> None:
        """Leave out a sheet that is a chart, and has no cells."""

    def read_strings(self) -> None:
        self.shared_strings = SharedTexts()
        part = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
        if part is None:
            return
        tag = f"{{{SHEET_MAIN_NS}}}si"
        with self.archive.open(part.PartName[1:]) as source:
            events = iterparse(_Guarded(source), ["start", "end"])
            _, root = next(events)
            elements = 0
            for event, node in events:
                elements += 1
                if elements > MOST_ELEMENTS:
                    raise ValueError("a text has too many parts")
                if event == "end" and node.tag == tag:
                    text = Text.from_tree(node)
                    self.shared_strings.append(text.content.replace("x005F_", "") if text else "")
                    root.clear()
                    elements = 0


class _Guarded:
    """XML that is read as a stream. It limits the length of texts, which are read as a whole."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self._without_tag = 0

    def read(self, size: int = -1, /) -> bytes:
        """Return the next bytes. Raises ValueError for a text that no cell can have."""
        found = self._source.read(size)
        self._without_tag = 0 if b"<" in found else self._without_tag + len(found)
        if self._without_tag > LONGEST_TEXT:
            raise ValueError("a text in it is too long")
        return found


class _Cells(WorkSheetParser):
    """Reads cells, and marks formulas without a value, which would otherwise be read as empty cells."""

    def parse_cell(self, element: Any) -> Any:
        cell = super().parse_cell(element)
        is_empty_text = element.get("t") == "str" and element.find(VALUE_TAG) is not None
        if cell["value"] is None and element.find(FORMULA_TAG) is not None and not is_empty_text:
            cell["data_type"] = "f"
        return cell


class Workbook:
    """The rows of a sheet: the one that is named, or the first one with values."""

    kind = "workbook"
    encoding = ""

    def __init__(self, file: IO[bytes], size: int, choices: Choices) -> None:
        _refuse_unfit(file)
        self._size = size
        self._part_read = 0.0
        self.facts = Facts()
        self.last_line = 0
        self._row: list[Cell] = []
        with _reading():
            file.seek(0)
            reader = _Reader(file, read_only=True, data_only=True, keep_links=False)
            with _without_warnings():
                reader.read()
            self._book = reader.wb
            weakref.finalize(self, self._book._archive.close)
            self._sheet = self._choose_sheet(choices.sheet)
            filled = self._filled_rows(self._sheet)
        if not filled:
            raise NotBooks("is empty: its first row must name the columns")
        has_headings = not choices.columns
        width = max(cell.column for _, cells in filled for cell in cells)
        texts = [texts_of(cells, width) for _, cells in filled]
        self._width = len(choices.columns) or width
        self.heading_line = filled[0][0] if has_headings else 0
        self.headings: Sequence[str] = texts[0] if has_headings else []
        self._heading_cells = filled[0][1] if has_headings else []
        self.samples = texts[1:] if has_headings else texts
        with _reading(), self._sheet._get_source() as source:
            self.facts.guessed.extend(layout_of(source, self.heading_line, self._width).guessed)

    @property
    def named_columns(self) -> int:
        """The number of columns in the row of headings."""
        return len(self.headings)

    @property
    def bytes_read(self) -> int:
        """The part of the sheet that has been read, as a part of the size of the file."""
        return int(self._size * self._part_read)

    @property
    def remarks(self) -> list[str]:
        """Nothing is repaired."""
        return []

    def rows(self) -> Iterator[Row]:
        """Yield the rows that have a value."""
        with _reading():
            for line, cells in self._cells(self._sheet):
                self.last_line = max(line, self.last_line)
                if line <= self.heading_line or not cells:
                    continue
                self._row = cells
                yield Row(line, texts_of(cells, self._width), self._problem(line, cells))

    def raw_row(self) -> object:
        """Return the cells of the row that was yielded last."""
        return self._row

    def rejects(self, path: Path) -> SheetFile:
        """Begin a workbook with one sheet of the same name, and the same headings."""
        return SheetFile(path, self._sheet.title, self._heading_cells)

    def _problem(self, line: int, cells: list[Cell]) -> str:
        for cell in cells:
            where = f"{get_column_letter(cell.column)}{line}"
            if cell.data_type == "e":
                return f"has the error {cell.value} in cell {where}"
            if cell.data_type == "f":
                return f"has a formula without a value in {where}; open the file in a spreadsheet program and save it"
            if cell.column > self._width:
                return f"has a value in cell {where}, a column without a heading"
        return ""

    def _cells(self, sheet: Any) -> Iterator[tuple[int, list[Cell]]]:
        """Yield the rows of a sheet, each with its number and the cells that have a value."""
        with sheet._get_source() as source:
            size = max(1, self._book._archive.getinfo(sheet._worksheet_path).file_size)
            book = self._book
            parser = _Cells(
                source, sheet._shared_strings, True, book.epoch, book._date_formats, book._timedelta_formats
            )
            rows: Element | None = None
            elements = 0
            for event, element in iterparse(_Guarded(source), ["start", "end"]):
                elements += 1
                if elements > MOST_ELEMENTS:
                    raise ValueError("a row has more cells than a sheet can have")
                if event == "start" and element.tag == DATA_TAG:
                    rows = element
                elif event == "end" and element.tag == ROW_TAG and rows is not None:
                    with _without_warnings():
                        line, cells = parser.parse_row(element)
                    # Otherwise memory would grow with the number of rows.
                    rows.clear()
                    elements = 0
                    parser.row_dimensions.clear()
                    self._part_read = source.tell() / size
                    yield line, cells_with_values(cells)

    def _filled_rows(self, sheet: Any) -> list[tuple[int, list[Cell]]]:
        """Return the first rows with values, at most `SAMPLE_ROWS`."""
        found = []
        for line, cells in self._cells(sheet):
            if cells:
                found.append((line, cells))
            if len(found) == SAMPLE_ROWS:
                break
        return found

    def _choose_sheet(self, wanted: str) -> Any:
        sheets = self._book.worksheets
        if wanted:
            found = [sheet for sheet in sheets if sheet.title.casefold() == wanted.strip().casefold()]
            if not found and re.fullmatch("[1-9][0-9]{0,3}", wanted) and int(wanted) <= len(sheets):
                found = [sheets[int(wanted) - 1]]
            if not found:
                raise NotBooks(f"has no sheet {wanted!r}; it has {', '.join(quoted(sheet.title) for sheet in sheets)}")
            return found[0]
        in_sight = sorted(sheets, key=lambda sheet: sheet.sheet_state != "visible")
        with_values = [sheet for sheet in in_sight if self._filled_rows(sheet)]
        if not with_values:
            raise NotBooks("is empty: no sheet has a value")
        if len(with_values) > 1:
            others = ", ".join(quoted(sheet.title) for sheet in with_values[1:])
            self.facts.guessed.append(
                f"only the sheet {quoted(with_values[0].title)} is read; --sheet chooses another one: {others}"
            )
        return with_values[0]


class SheetFile:
    """A workbook with one sheet, to which rows are added."""

    def __init__(self, path: Path, title: str, headings: list[Cell]) -> None:
        self._path = path
        self._book = openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet(title)
        if headings:
            self.add(headings)

    def add(self, row: object) -> None:
        """Add a row of cells."""
        assert isinstance(row, list)
        width = max((cell.column for cell in row), default=0)
        values: list[Any] = [None] * width
        for cell in row:
            values[cell.column - 1] = self._copy(cell)
        self._sheet.append(values)

    def close(self) -> None:
        """Write the workbook."""
        self._book.save(self._path)

    def _copy(self, cell: Cell) -> object:
        if cell.data_type == "f":
            return NO_VALUE
        if not isinstance(cell.value, str):
            return cell.value
        copy = WriteOnlyCell(self._sheet, value=cell.value)
        copy.data_type = "e" if cell.data_type == "e" else "s"  # a text that begins with = is not a formula
        return copy


def _refuse_unfit(file: IO[bytes]) -> None:
    """Raise NotBooks for a file that is not a workbook, or whose XML is too large."""
    with _reading(), zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        names = {member.filename for member in members}
        if "xl/workbook.bin" in names:
            raise NotBooks("is a binary Excel workbook (.xlsb); save it as .xlsx or as CSV")
        if "xl/workbook.xml" in names and STRICT in archive.open("xl/workbook.xml").read(SMALL_PART_BYTES):
            raise NotBooks("is a Strict Open XML Spreadsheet; save it as Excel Workbook (.xlsx) or as CSV")
    if "[Content_Types].xml" not in names or not any(name.startswith("xl/") for name in names):
        raise NotBooks("is a ZIP archive, but not an Excel workbook (.xlsx); save it as .xlsx or as CSV")
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    whole = (
        member.file_size for member in members if not re.search("sheet[^/]*.xml$|sharedStrings.xml$", member.filename)
    )
    is_too_large = size > MOST_XML_BYTES or max(whole, default=0) > MOST_PART_BYTES
    if is_too_large or size > max(SMALL_XML_BYTES, packed * MOST_TIMES_SMALLER):
        raise NotBooks(f"is too large for an Excel workbook: unpacked, it has {size:,} bytes; save it as CSV")


@contextmanager
def _reading() -> Iterator[None]:
    """Raise NotBooks for errors of openpyxl."""
    try:
        yield
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # of the disk, and not of openpyxl
        raise NotBooks(f"is a damaged Excel workbook ({type(error).__name__}: {str(error)[:100]})") from error


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Suppress warnings of openpyxl about parts that it does not read, such as styles."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
