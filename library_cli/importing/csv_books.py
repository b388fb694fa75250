"""Read books from CSV (RFC 4180), row by row in bounded memory, and say what is wrong with which line.

A row becomes the ImportBooksRequest that the admin service takes, or, where that is not possible, the ImportOutcome
that the service would have given: so a row refused here and a row refused there are told in the same way.
"""

from __future__ import annotations

import contextlib
import csv
import json
import re
from collections import deque
from collections.abc import Iterator
from typing import IO

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_REFUSED,
    AddBookRequest,
    FieldProblem,
    ImportBooksRequest,
    ImportOutcome,
)
from library_domain.isbn import normalized_isbn13
from service_kit import validation
from service_kit.validation import joined

TEXT_COLUMNS = ("title", "publisher", "category", "language", "cover_uri", "description")
NUMBER_COLUMNS = ("published_year", "page_count", "copies")
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS, "authors", "isbn")

WINDOWS_1252 = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
"""What these control characters of Unicode were meant to be: bytes of Windows-1252 that somebody took for Latin-1 on
their way into a UTF-8 file. The HTML standard reads character references in the same way."""

LONGEST_LINE = 2**20
"""In bytes. A file that is no text may have no line end at all, and must not be read whole to find that out."""


class NotBooks(Exception):
    """The file cannot be read as a CSV of books; the message says why, as the end of a sentence about the file."""


class CsvBooks:
    """The books in a CSV file: a header line with at least `title`, UTF-8, the columns in any order.

    Raises NotBooks, at once for the header, and while iterating for a line that is no text.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._lines = _Lines(file)
        self._reader = csv.reader(self._lines, strict=True)
        self._columns = self._read_header()
        self.unknown_columns = [column for column in self._columns if column not in COLUMNS]

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, in bytes."""
        return self._lines.bytes_read

    @property
    def mended_lines(self) -> int:
        """How many lines had characters that are only right as Windows-1252, and were read so."""
        return self._lines.mended

    def __iter__(self) -> Iterator[ImportBooksRequest | ImportOutcome]:
        while True:
            self._lines.begin_record()
            line = self._lines.number + 1
            try:
                values = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                # A quote that is not closed swallows the good rows after it: only the line that opens it is given up.
                self._lines.read_again_after_first()
                yield refused(line, [("row", f"is no valid CSV ({error}); is a quote missing, or not doubled?")])
                continue
            values = [value.strip() for value in values]
            if not any(values):
                continue
            if len(values) == len(self._columns):
                yield book_row(line, dict(zip(self._columns, values, strict=True)))
            else:
                reason = f"has {len(values)} values for {len(self._columns)} columns; is a comma or a quote missing?"
                yield refused(line, [("row", reason)])

    def _read_header(self) -> list[str]:
        try:
            columns = [name.strip().lower() for name in next(self._reader)]
        except StopIteration:
            raise NotBooks("is empty: its first line must name the columns") from None
        except csv.Error as error:
            raise NotBooks(f"does not begin with a CSV line that names the columns ({error})") from error
        if "title" not in columns:
            found = ", ".join(columns)[:100]
            raise NotBooks(f"has no column 'title' in its first line, which names the columns; it has {found!r}")
        twice = sorted({name for name in columns if name in COLUMNS and columns.count(name) > 1})
        if twice:
            raise NotBooks(f"has more than one column {', '.join(map(repr, twice))}")
        return columns


def book_row(line: int, values: dict[str, str]) -> ImportBooksRequest | ImportOutcome:
    """Make the request for a row, or the refusal that names every value of it that cannot be read."""
    book = AddBookRequest()
    for name in TEXT_COLUMNS:
        setattr(book, name, values.get(name, ""))
    book.authors.extend(authors_of(values.get("authors", "")))
    problems: list[validation.Problem] = []
    if not book.title:
        problems.append(("title", "is missing"))
    try:
        book.isbn = normalized_isbn13(values.get("isbn", ""))
    except ValueError as error:
        problems.append(("isbn", f"{values['isbn'][:40]!r}: {error}"))
    for name in NUMBER_COLUMNS:
        text = values.get(name, "")
        if re.fullmatch("[+-]?[0-9]{1,9}", text):
            setattr(book, name, int(text))
        elif text:
            problems.append((name, f"{text[:40]!r} is not a whole number of up to nine digits"))
    if not problems:
        return ImportBooksRequest(line=line, book=book)
    # The service would report the rest only when these are fixed, so its rules are tried here, too.
    return refused(line, joined(problems, validation.problems(book)))


def authors_of(cell: str) -> list[str]:
    """Return the authors in a cell: a JSON array, as an export writes names that have a semicolon, or a `;` between."""
    if re.fullmatch(r'\[".*"\]', cell, re.DOTALL):
        with contextlib.suppress(ValueError):
            return [str(author) for author in json.loads(cell)]
    return [author for part in cell.split(";") if (author := part.strip())]


def refused(line: int, problems: list[tuple[str, str]]) -> ImportOutcome:
    """Make the outcome of a row that is not worth sending."""
    return ImportOutcome(
        line=line,
        result=IMPORT_RESULT_REFUSED,
        problems=[FieldProblem(field=field, description=description) for field, description in problems],
    )


class _Lines:
    """The lines of a file, counted, those of the record in hand kept so that they can be read again."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._record: list[str] = []
        self._again: deque[str] = deque()
        self.number = 0
        self.bytes_read = 0
        self.mended = 0

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._read_line()
        self.number += 1
        self._record.append(line)
        return line

    def begin_record(self) -> None:
        """Forget the lines of the record before."""
        self._record.clear()

    def read_again_after_first(self) -> None:
        """Go back to the second line of the record in hand."""
        self._again.extendleft(reversed(self._record[1:]))
        self.number -= len(self._record) - 1

    def _read_line(self) -> str:
        line = self._file.readline(LONGEST_LINE)
        if not line:
            raise StopIteration
        encoding = "utf-8" if self.bytes_read else "utf-8-sig"
        self.bytes_read += len(line)
        if len(line) == LONGEST_LINE:
            raise NotBooks(f"is no CSV: line {self.number + 1} is longer than {LONGEST_LINE:,} bytes")
        try:
            text = line.decode(encoding)
        except UnicodeDecodeError as error:
            wrong = f"byte 0x{line[error.start]:02x} in line {self.number + 1}"
            raise NotBooks(f"is no UTF-8 text ({wrong}); save it as CSV in UTF-8") from error
        if not re.search("[\x80-\x9f]", text):
            return text
        self.mended += 1
        return text.translate(WINDOWS_1252)
