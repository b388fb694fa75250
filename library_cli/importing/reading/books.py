"""The books in a file of any kind that is read: the plan of its columns, and its rows.

A row becomes the ImportBooksRequest that the admin service takes, or, where that is not possible, the ImportOutcome
that the service would have returned: so a row refused here and a row refused there are reported in the same way.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator
from typing import IO

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_REFUSED,
    AddBookRequest,
    FieldProblem,
    ImportBooksRequest,
    ImportOutcome,
)
from library_cli.importing.reading import fields, values
from library_cli.importing.reading.delimited import DelimitedText
from library_cli.importing.reading.encodings import encoding_of
from library_cli.importing.reading.headings import Column, certainty, columns_of, first_values, isbn_rank
from library_cli.importing.reading.json_lines import JsonLines
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks, quoted
from library_cli.importing.reading.source import Source
from library_cli.importing.reading.table import Row, Table, Value
from service_kit import validation
from service_kit.validation import joined

NOT_TEXT = (
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook of the old kind (.xls) or with a password; save it as .xlsx or as CSV"),
    (b"%PDF", "is a PDF document, which has no columns; save the list as CSV or .xlsx"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
    (b"BZh", "is compressed; unpack it first"),
    (b"SQLite format 3\0", "is a database; save its table of books as CSV"),
)
"""How files begin that people take for lists of books, and what is said about them."""

ZIP = b"PK\x03\x04"

MOST_SPOOLED_BYTES = 2**29
"""A workbook from a pipe is copied to disk, as its directory is at its end."""

MOST_REPAIRS_SHOWN = 3


class Books:
    """The books in a file, and what was found out about it. Raises NotBooks, at once or while iterating."""

    def __init__(self, file: IO[bytes], choices: Choices = AS_FOUND) -> None:
        if choices.last_first and any("," in separator for separator in choices.authors_separators):
            raise NotBooks("cannot be read: with --last-first, a comma cannot separate authors, too")
        self._choices = choices
        self._separators = choices.authors_separators or values.AUTHORS_SEPARATORS
        self.table = _table(file, choices)
        self.columns = columns_of(self.table, choices)
        in_order = sorted(self.columns, key=lambda column: isbn_rank(fields.key_of(column.heading)))
        self._numbers = {
            field: [column.number - 1 for column in in_order if column.field == field] for field in fields.FIELDS
        }
        self._unnamed = [
            column.number - 1 for column in self.columns if not (column.field or column.heading or column.is_said)
        ]
        self._headings = [heading.casefold() for heading in self.table.headings if self.table.heading_line]
        self._repairs: list[str] = []
        self._repaired = 0

    @property
    def bytes_read(self) -> int:
        """How much of the file has been read, in bytes."""
        return self.table.bytes_read

    @property
    def is_guess(self) -> bool:
        """Whether something about the file is only a guess, which a person is to confirm before it is used."""
        return bool(self.table.facts.guessed) or any(column.is_guess for column in self.columns)

    @property
    def shown(self) -> list[str]:
        """How the file is read, for people to read: empty when all names are exact, and the text is plain CSV."""
        lines = [*self.table.facts.certain, *self.table.facts.guessed]
        if self.is_guess and not self._choices.columns:
            lines += [
                f"{column.shown} is {column.field}: {first_values(self.table, column.number)}"
                for column in self.columns[: self.table.named_columns]
                if column.field
            ]
        lines += [f"{column.shown} is left out" for column in self.columns if column.field is None and column.heading]
        return lines + self._about_commas()

    @property
    def remarks(self) -> list[str]:
        """What was repaired in the file, when it has been read."""
        lines = self.table.remarks
        if self._repaired:
            examples = ", ".join(self._repairs)
            lines.append(f"ISBNs that had lost zeros at their beginning were completed: {self._repaired} ({examples})")
        return lines

    def __iter__(self) -> Iterator[ImportBooksRequest | ImportOutcome]:
        for row in self.table.rows():
            problem = row.problem or self._repeated_headings(row) or self._unnamed_value(row)
            try:
                found = refused(row.line, [("row", problem)]) if problem else self._book_row(row)
            except UnicodeEncodeError as error:  # JSON can write one
                half = f"has half of a character, U+{ord(error.object[error.start]):04X}"
                found = refused(row.line, [("row", half)])
            yield found

    def _book_row(self, row: Row) -> ImportBooksRequest | ImportOutcome:
        """Make the request for a row, or the refusal that names every value of it that cannot be read."""
        book = AddBookRequest()
        problems: list[validation.Problem] = []
        for name in fields.TEXT_FIELDS:
            value = self._value(row, name)
            if isinstance(value, list):
                problems.append((name, "is a list; only authors may be several"))
            else:
                setattr(book, name, str(value))
        self._read_authors(row, book)
        if not book.title and not problems:
            problems.append(("title", "is missing"))
        self._read_isbn(row, book, problems)
        for name in fields.NUMBER_FIELDS:
            self._read_number(row, name, book, problems)
        if not problems:
            return ImportBooksRequest(line=row.line, book=book)
        # The service would report the rest only when these are fixed, so its rules are tried here, too.
        return refused(row.line, joined(problems, validation.problems(book)))

    def _repeated_headings(self, row: Row) -> str:
        """Return what is wrong with a row that has the headings, as where two files were joined to one."""
        if len(self._headings) > 1 and [str(value).casefold() for value in row.values] == self._headings:
            return "has the headings once more"
        return ""

    def _unnamed_value(self, row: Row) -> str:
        """Return what is wrong with a row that has a value in a column without a heading."""
        for index in self._unnamed:
            if row.values[index] != "":
                return f"has a value in column {index + 1}, which has no heading: {quoted(str(row.values[index]))}"
        return ""

    def _value(self, row: Row, field: str) -> Value:
        """Return the value of the first column of a field that has one."""
        return next((value for index in self._numbers[field] if (value := row.values[index]) != ""), "")

    def _read_authors(self, row: Row, book: AddBookRequest) -> None:
        for index in self._numbers["authors"]:
            for author in values.authors_of(row.values[index], self._separators, last_first=self._choices.last_first):
                if author not in book.authors or len(self._numbers["authors"]) == 1:
                    book.authors.append(author)

    def _read_isbn(self, row: Row, book: AddBookRequest, problems: list[validation.Problem]) -> None:
        texts = [text for index in self._numbers["isbn"] if (text := str(row.values[index]))]
        text = next((text for text in texts if values.without_protection(text)), "")
        try:
            book.isbn, repair = values.isbn_of(text)
        except ValueError as error:
            problems.append(("isbn", f"{text[:40]!r}: {error}"))
            return
        others = [other for other in texts if other is not text and values.is_other_isbn(other, book.isbn)]
        if others:
            both = f"{text[:40]!r} and {others[0][:40]!r}"
            problems.append(("isbn", f"{both} are the ISBNs of 2 books; leave the one of this book"))
        elif repair:
            self._repaired += 1
            if self._repaired <= MOST_REPAIRS_SHOWN:
                self._repairs.append(f"line {row.line}: {repair}")

    def _read_number(self, row: Row, name: str, book: AddBookRequest, problems: list[validation.Problem]) -> None:
        value = self._value(row, name)
        if value == "":
            return
        try:
            if name == "published_year":
                book.published_year = values.year_of(value)
            elif values.without_protection(str(value)):
                setattr(book, name, values.number_of(name, str(value)))
        except ValueError as error:
            problems.append((name, str(error)))

    def _about_commas(self) -> list[str]:
        """Point out authors with commas, which may be several or `Last, First`: only a person knows."""
        if self._choices.last_first or "," in self._separators:
            return []
        for column in self.columns:
            if column.field == "authors":
                found = [row[column.number - 1] for row in self.table.samples if len(row) >= column.number]
                with_comma = [value for value in found if isinstance(value, str) and "," in value]
                if len(with_comma) * 2 > sum(value != "" for value in found):
                    kept = f"authors such as {quoted(with_comma[0])} are taken as they are"
                    return [f"{kept}; say --last-first for Last, First, or --authors-separator , for several"]
        return []


def refused(line: int, problems: list[tuple[str, str]]) -> ImportOutcome:
    """Make the outcome of a row that is not worth sending."""
    return ImportOutcome(
        line=line,
        result=IMPORT_RESULT_REFUSED,
        problems=[FieldProblem(field=field, description=description) for field, description in problems],
    )


def _table(file: IO[bytes], choices: Choices) -> Table:
    """Return the table of a file, of the kind that its first bytes show."""
    source = Source(file)
    if not source.head:
        raise NotBooks("is empty: its first line must name the columns")
    if source.head.startswith(ZIP):
        return _workbook(source, choices)
    for beginning, reason in NOT_TEXT:
        if source.head.startswith(beginning):
            raise NotBooks(reason)
    if choices.sheet:
        raise NotBooks("is not an Excel workbook, so --sheet has nothing to choose from")
    encoding = encoding_of(source, choices.encoding)
    begins_with = source.head[len(encoding.mark) :].decode(encoding.name, "ignore").lstrip()[:1]
    if begins_with == "[":
        _refuse_json_array(source, encoding.name)
    if begins_with == "{":
        _refuse_for(choices.columns or choices.delimiter, "JSON Lines", "--columns and --delimiter")
        return JsonLines(source, encoding)
    return DelimitedText(source, encoding, choices, certainty)


def _refuse_json_array(source: Source, encoding: str) -> None:
    text = source.head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n[")
    if text.startswith("{"):
        raise NotBooks("is a JSON array; write one object on each line instead, without [ and commas (JSON Lines)")


def _refuse_for(said: object, kind: str, options: str) -> None:
    if said:
        raise NotBooks(f"is {kind}, for which {options} cannot be used")


def _workbook(source: Source, choices: Choices) -> Table:
    # It takes a third of a second to import, which other commands and files do not need.
    from library_cli.importing.reading.workbook import Workbook  # noqa: PLC0415

    _refuse_for(choices.encoding or choices.delimiter, "an Excel workbook", "--encoding and --delimiter")
    if source.can_be_read_twice and source.start == 0:
        size = source.file.seek(0, 2)
        return Workbook(source.file, size, choices)
    spooled = tempfile.TemporaryFile()  # noqa: SIM115 - it is open as long as the table
    for chunk in source.chunks():
        spooled.write(chunk)
        if source.bytes_read > MOST_SPOOLED_BYTES:
            raise NotBooks(f"is larger than {MOST_SPOOLED_BYTES:,} bytes; import it from a file, or save it as CSV")
    table = Workbook(spooled, source.bytes_read, choices)
    weakref.finalize(table, spooled.close)
    return table


__all__ = ["Books", "Choices", "Column", "NotBooks", "refused"]
