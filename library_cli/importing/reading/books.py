"""Read the books in a file of any known format.

A row becomes the ImportBooksRequest for the admin service or, where that is not possible, the ImportOutcome of a
refused row, so rows refused here and rows refused by the service are reported in the same way.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Callable, Iterator
from typing import IO

from library.admin.v1.catalog_service_pb2 import (
    IMPORT_RESULT_REFUSED,
    AddBookRequest,
    FieldProblem,
    ImportBooksRequest,
    ImportOutcome,
)
from library.v1.book_pb2 import IDENTIFIER_TYPE_EAN, IDENTIFIER_TYPE_OTHER
from library_cli.importing.reading import fields, values
from library_cli.importing.reading.delimited import DelimitedText
from library_cli.importing.reading.encodings import encoding_of
from library_cli.importing.reading.headings import Column, certainty, columns_of, first_values, isbn_rank
from library_cli.importing.reading.json_lines import JsonLines
from library_cli.importing.reading.problems import AS_FOUND, Choices, NotBooks, quoted
from library_cli.importing.reading.source import Source
from library_cli.importing.reading.strangers import refuse_other_bytes, refuse_other_text
from library_cli.importing.reading.table import DateText, Row, Table, Value
from library_domain.field_texts import contributor_in, identifier_in
from service_kit import validation
from service_kit.validation import joined

ZIP = b"PK\x03\x04"

MOST_SPOOLED_BYTES = 2**29
"""A workbook from a pipe is copied to disk, because its directory is at its end."""

MADE_A_DATE = "a spreadsheet has made a date of this text; format the cell as text, and type it again"

SEVERAL = f"{', '.join(fields.LIST_FIELDS[:-1])} and {fields.LIST_FIELDS[-1]}"

MOST_EXAMPLES_SHOWN = 3

SIGNS_BETWEEN_AUTHORS = (",", "/", " and ", " und ", " et ", " y ", "\uff1b", "、")
LEAST_PART_NOTED = 10
"""From one in this many authors with such a sign, it is reported; fewer have it in their names."""


class _Examples:
    """A count of what was found in a file, with the first examples."""

    def __init__(self) -> None:
        self.count = 0
        self._shown: list[str] = []

    def add(self, example: str) -> None:
        """Count an example, and keep it if it is among the first."""
        self.count += 1
        if self.count <= MOST_EXAMPLES_SHOWN:
            self._shown.append(example)

    def __str__(self) -> str:
        return f"{self.count} ({', '.join(self._shown)})"


class Books:
    """The books in a file, and how the file is read. Raises NotBooks, at once or while iterating."""

    def __init__(self, file: IO[bytes], choices: Choices = AS_FOUND) -> None:
        if choices.last_first and any("," in separator for separator in choices.authors_separators):
            raise NotBooks("cannot be read: with --last-first, a comma cannot separate authors, too")
        self._choices = choices
        self._separators = choices.authors_separators or values.AUTHORS_SEPARATORS
        self.table = table_of(file, choices)
        try:
            self.columns = columns_of(self.table, choices)
        except NotBooks as problem:
            guessed = [f"It was read like this: {line}." for line in self.table.facts.guessed]
            raise NotBooks("\n".join([str(problem), *guessed])) from problem
        in_order = sorted(self.columns, key=lambda column: isbn_rank(fields.key_of(column.heading)))
        self._numbers = {
            field: [column.number - 1 for column in in_order if column.field == field] for field in fields.FIELDS
        }
        self._keys = {column.number - 1: fields.key_of(column.heading) for column in self.columns}
        self._unnamed = [
            column.number - 1 for column in self.columns if not (column.field or column.heading or column.is_chosen)
        ]
        self._repairs = _Examples()
        self._absent = _Examples()
        named = sum(heading != "" for heading in self.table.headings)
        has_line = self.table.heading_line > 0 and named > 1
        self._heading_line = [heading.casefold() for heading in self.table.headings] if has_line else []

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that have been read."""
        return self.table.bytes_read

    @property
    def is_guess(self) -> bool:
        """Whether something about the file is a guess, which a person must confirm before the import."""
        return bool(self.table.facts.guessed) or any(column.is_guess for column in self.columns)

    @property
    def shown(self) -> list[str]:
        """Lines for people about how the file is read: empty when all names are exact, and the text is plain CSV."""
        lines = [*self.table.facts.certain, *self.table.facts.guessed]
        if self.is_guess and not self._choices.columns:
            lines += [
                f"{column.shown} is {column.field}: {first_values(self.table, column.number)}"
                for column in self.columns[: self.table.named_columns]
                if column.field
            ]
        lines += [f"{column.shown} is left out" for column in self.columns if column.field is None and column.heading]
        return lines + self._about_authors() + self._about_texts()

    @property
    def remarks(self) -> list[str]:
        """Lines for people about what was repaired, complete when the file has been read."""
        lines = self.table.remarks
        if self._repairs.count:
            lines.append(f"ISBNs that had lost zeros at their beginning were completed: {self._repairs}")
        if self._absent.count:
            lines.append(f"Values that mean that nothing is known were left empty: {self._absent}")
        return lines

    def __iter__(self) -> Iterator[ImportBooksRequest | ImportOutcome]:
        for row in self.table.rows():
            problem = row.problem or self._repeated_headings(row) or self._unnamed_value(row)
            yield refused(row.line, [("row", problem)]) if problem else self._book_row(row)

    def _book_row(self, row: Row) -> ImportBooksRequest | ImportOutcome:
        """Return the request for a row, or a refusal with every value that cannot be read."""
        book = AddBookRequest()
        problems: list[validation.Problem] = []
        for name in fields.TEXT_FIELDS:
            value = self._value(row, name)
            if isinstance(value, list):
                problems.append((name, f"is a list; only {SEVERAL} may be several"))
            elif isinstance(value, DateText):
                problems.append((name, f"{value!r}: {MADE_A_DATE}"))
            else:
                setattr(book, name, str(value))
        problems += self._lists_made_dates(row)
        self._read_authors(row, book)
        self._read_lists(row, book)
        if not book.title and not problems:
            problems.append(("title", "is missing"))
        self._read_isbn(row, book, problems)
        for name in fields.NUMBER_FIELDS:
            self._read_number(row, name, book, problems)
        if not problems:
            return ImportBooksRequest(line=row.line, book=book)
        # The service would report the other problems only when these are fixed, so its rules are checked here, too.
        return refused(row.line, joined(problems, validation.problems(book)))

    def _unnamed_value(self, row: Row) -> str:
        """Return the problem of a row with a value in a column without a heading; empty for other rows."""
        for index in self._unnamed:
            if row.values[index] != "":
                return f"has a value in column {index + 1}, which has no heading: {quoted(str(row.values[index]))}"
        return ""

    def _repeated_headings(self, row: Row) -> str:
        """Return the problem of a row that repeats the headings, as in concatenated files; empty for other rows."""
        if self._heading_line and all(
            isinstance(value, str) and value.strip("\ufeff ").casefold() == heading
            for value, heading in zip(row.values, self._heading_line, strict=True)
        ):
            return "repeats the headings; remove this line"
        return ""

    def _value(self, row: Row, field: str) -> Value:
        """Return the value of the first column of a field that has one."""
        return next((value for index in self._numbers[field] if (value := row.values[index]) != ""), "")

    def _read_authors(self, row: Row, book: AddBookRequest) -> None:
        for index in self._numbers["authors"]:
            for author in values.authors_of(row.values[index], self._separators, last_first=self._choices.last_first):
                if author not in book.authors or len(self._numbers["authors"]) == 1:
                    book.authors.append(author)

    def _lists_made_dates(self, row: Row) -> list[validation.Problem]:
        found = ((name, self._value(row, name)) for name in fields.LIST_FIELDS)
        return [(name, f"{value!r}: {MADE_A_DATE}") for name, value in found if isinstance(value, DateText)]

    def _read_lists(self, row: Row, book: AddBookRequest) -> None:
        for name in ("subjects", "identifiers", "contributors"):
            for index in self._numbers[name]:
                key = self._keys[index]
                for text in values.texts_of(row.values[index]):
                    if name == "subjects":
                        book.subjects.append(text)
                    elif name == "identifiers":
                        book.identifiers.append(identifier_in(text, fields.TYPE_OF.get(key, IDENTIFIER_TYPE_OTHER)))
                    else:
                        contributor = contributor_in(text)
                        contributor.role = contributor.role or fields.ROLE_OF.get(key, "")
                        book.contributors.append(contributor)

    def _read_isbn(self, row: Row, book: AddBookRequest, problems: list[validation.Problem]) -> None:
        texts = self._isbn_texts(row, book)
        found: dict[str, tuple[str, str]] = {}
        errors: list[str] = []
        for text in texts:
            try:
                isbn, repair = values.isbn_of(text)
            except ValueError as error:
                errors.append(f"{text[:40]!r}: {error}")
                continue
            found.setdefault(isbn, (text, repair))
            self._note_absent(row, text, is_absent=not isbn)
        found.pop("", None)
        if found and all(values.ROUNDED in error for error in errors):
            errors = []  # the other form has all digits
        if errors:
            problems.append(("isbn", errors[0]))
            return
        if len(found) > 1:
            both = " and ".join(f"{text[:40]!r}" for text, _ in found.values())
            problems.append(("isbn", f"{both} are the ISBNs of {len(found)} books; keep the one of this book"))
            return
        for isbn, (_, repair) in found.items():
            book.isbn = isbn
            if repair:
                self._repairs.add(f"line {row.line}: {repair}")

    def _isbn_texts(self, row: Row, book: AddBookRequest) -> list[str]:
        """Return the texts in the columns of ISBNs. An EAN that is not an ISBN is added to the identifiers."""
        texts = []
        for index in self._numbers["isbn"]:
            text = _text(row.values[index])
            if self._keys[index] in fields.EAN_KEYS and (number := values.ean_of(text)):
                book.identifiers.add(type=IDENTIFIER_TYPE_EAN, value=number)
            elif text:
                texts.append(text)
        return texts

    def _note_absent(self, row: Row, text: str, *, is_absent: bool = True) -> None:
        """Count a value such as `n/a`, which is read as empty."""
        plain = values.without_protection(text)
        if is_absent and plain and values.has_no_value(plain):
            self._absent.add(f"line {row.line}: {quoted(plain)}")

    def _read_number(self, row: Row, name: str, book: AddBookRequest, problems: list[validation.Problem]) -> None:
        value = self._value(row, name)
        if value == "":
            return
        try:
            if name == "published_year":
                book.published_year = values.year_of(value)
            elif values.without_protection(str(value)):
                setattr(book, name, values.number_of(name, str(value)))
            self._note_absent(row, str(value))
        except ValueError as error:
            problems.append((name, str(error)))

    def _about_authors(self) -> list[str]:
        """Return lines about authors with commas and the like, which can be several authors: only a person knows."""
        if self._choices.last_first or self._choices.authors_separators:
            return []
        for column in self.columns:
            if column.field == "authors":
                found = [row[column.number - 1] for row in self.table.samples if len(row) >= column.number]
                texts = [value for value in found if isinstance(value, str) and value]
                lines = [_about_separator(texts, sign) for sign in SIGNS_BETWEEN_AUTHORS]
                return [line for line in lines if line]
        return []

    def _about_texts(self) -> list[str]:
        """Return lines about texts that other programs seem to have changed. They are imported as they are."""
        columns = [
            column.number - 1 for column in self.columns if column.field in (*fields.TEXT_FIELDS, *fields.LIST_FIELDS)
        ]
        texts = [row[index] for row in self.table.samples for index in columns if index < len(row)]
        found: dict[str, str] = {}
        for text in texts:
            if isinstance(text, str) and (what := values.damage_of(text)):
                found.setdefault(what, f"{what}, such as {quoted(text)}; it is taken as it is")
        return list(found.values())


def _about_separator(authors: list[str], sign: str) -> str:
    """Return a line about authors with a sign that may separate them; empty where few have it."""
    with_sign = [text for text in authors if sign in text]
    if len(with_sign) * LEAST_PART_NOTED <= len(authors):
        return ""
    kept = f"authors such as {quoted(with_sign[0])} are taken as they are"
    if sign == ",":
        return f"{kept}; say --last-first for Last, First, or --authors-separator , for several"
    option = f'"{sign}"' if sign != sign.strip() or not sign.isascii() else sign
    return f"{kept}; if they are several, say --authors-separator {option}"


def _text(value: Value) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)


def refused(line: int, problems: list[tuple[str, str]]) -> ImportOutcome:
    """Return the outcome of a row that is not sent."""
    return ImportOutcome(
        line=line,
        result=IMPORT_RESULT_REFUSED,
        problems=[FieldProblem(field=field, description=description) for field, description in problems],
    )


def table_of(file: IO[bytes], choices: Choices, known_heading: Callable[[str], float] = certainty) -> Table:
    """Return the table of a file, whose first bytes show its format."""
    source = Source(file)
    if not source.head:
        raise NotBooks("is empty: its first line must name the columns")
    if source.head.startswith(ZIP):
        return _workbook(source, choices)
    refuse_other_bytes(source.head)
    if choices.sheet:
        raise NotBooks("is not an Excel workbook, so --sheet has nothing to choose from")
    encoding = encoding_of(source, choices.encoding)
    beginning = source.head[len(encoding.mark) :].decode(encoding.name, "ignore").lstrip("\ufeff \t\r\n")[:200]
    refuse_other_text(beginning)
    begins_with = beginning[:1]
    if begins_with == "[":
        _refuse_json_array(source, encoding.name)
    if begins_with == "{":
        _refuse_for(choices.columns or choices.delimiter, "JSON Lines", "--columns and --delimiter")
        return JsonLines(source, encoding)
    return DelimitedText(source, encoding, choices, known_heading)


def _refuse_json_array(source: Source, encoding: str) -> None:
    text = source.head.decode(encoding, "ignore").lstrip("\ufeff \t\r\n[")
    if text.startswith("{"):
        raise NotBooks("is a JSON array; write one object on each line instead, without [ and commas (JSON Lines)")


def _refuse_for(chosen: object, kind: str, options: str) -> None:
    if chosen:
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


__all__ = ["Books", "Choices", "Column", "NotBooks", "refused", "table_of"]
