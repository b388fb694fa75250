"""Decide which column of a file is which field: by exact names, by known headings, and by options.

No column is left out unless an option names it, and no field is taken from two columns: a heading that is not
understood would lose a field of every book.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

from library_cli.importing.reading import fields
from library_cli.importing.reading.problems import Choices, NotBooks, quoted
from library_cli.importing.reading.table import Table, Value
from library_domain.isbn import normalized_isbn13

ALIKE = 0.7
"""Similarity to a known heading, 0 to 1, from which that heading is suggested: one letter in four can differ."""

SHORTEST_ALIKE = 4
"""In letters. Shorter words are too often alike by chance."""

SHOWN_VALUES = 3

MOST_LINES_BEFORE = 10
"""Lines before the headings, such as the name of the list, at most."""


@dataclass(frozen=True)
class Column:
    """A column, and the field that it goes to; None for one that is left out."""

    number: int
    heading: str
    field: str | None
    is_guess: bool = False
    is_chosen: bool = False
    """Whether an option names it."""

    @property
    def shown(self) -> str:
        """Its name in messages."""
        return quoted(self.heading) if self.heading else f"column {self.number}, which has no heading"

    @property
    def option(self) -> str:
        """Its name in options: the heading where a shell does not change it; otherwise the number."""
        plain = self.heading and self.heading == " ".join(self.heading.split()) and len(self.heading) <= 100
        if (
            plain
            and self.heading[0] != "#"
            and not re.search(r'["$`\\!=]', self.heading)
            and self.heading.isprintable()
        ):
            return self.heading
        return f"#{self.number}"


def certainty(heading: str) -> float:
    """Return how certain it is that a text is a heading: 1 for a known one, 0.5 for a similar one, otherwise 0."""
    if _known_field(heading):
        return 1
    return 0.5 if suggestion(heading) else 0


def columns_of(table: Table, choices: Choices) -> list[Column]:
    """Return the columns of a table with their fields.

    Raises:
        NotBooks: When a column is not understood, a field has two columns or no column has the title, or when an
            option names an unknown column or field. The message contains the options to add to the command.
    """
    if choices.columns:
        return _named(table, choices)
    chosen = _chosen(table.headings, choices)
    columns = [_column(number, heading, chosen) for number, heading in enumerate(table.headings, start=1)]
    known = [column for column in columns if column.field]
    if len(columns) == 1 and not chosen:
        _refuse_whole_lines(table)
    if table.kind != "JSON Lines" and not known:
        _refuse_without_headings(table)
    unknown = [column for column in columns if _is_unknown(column, table, chosen)]
    _refuse_unknown(table, unknown, {column.field for column in known})
    _refuse_doubled(columns, chosen, table)
    if not any(column.field == "title" for column in columns):
        raise NotBooks(f"has no column 'title'; it has {_list(table.headings)}. Name it with --map \"Heading=title\"")
    return columns


def first_values(table: Table, number: int) -> str:
    """Return the first values of a column, for messages."""
    values = [_text(row[number - 1]) for row in table.samples if len(row) >= number]
    found = list(dict.fromkeys(quoted(value) for value in values if value))[:SHOWN_VALUES]
    return ", ".join(found) or "no values at the beginning"


def suggestion(heading: str) -> str:
    """Return the field that a heading probably means; empty when it is not similar to a known one."""
    key = fields.key_of(heading)
    if hint := fields.HINTS.get(key):
        return hint
    if len(key) < SHORTEST_ALIKE or key in fields.OTHERS:
        return ""
    found = process.extractOne(key, list(fields.FIELD_OF), scorer=OSA.normalized_similarity, score_cutoff=ALIKE)
    return fields.FIELD_OF[found[0]] if found else _field_of_a_part(heading)


def _field_of_a_part(heading: str) -> str:
    """Return the field that one part of a heading such as `Genre / Category` or `Authors (Last, First)` names."""
    parts = re.split(r"[()/,;:+&]| or | and ", heading, flags=re.IGNORECASE)
    return next((field for part in parts if (field := _known_field(part))), "") if len(parts) > 1 else ""


def _named(table: Table, choices: Choices) -> list[Column]:
    """Return the columns of a file without headings, as --columns names them."""
    if choices.maps or choices.ignores:
        raise NotBooks("cannot be read: --columns names all columns, so --map and --ignore have nothing to do")
    names = [name.strip() for name in choices.columns]
    columns = [
        Column(number, "", None if name in ("-", "") else _field(name, "--columns"), is_chosen=True)
        for number, name in enumerate(names, start=1)
    ]
    named = [column.field for column in columns if column.field]
    doubled = sorted({name for name in named if named.count(name) > 1 and name not in fields.LIST_FIELDS})
    if doubled:
        raise NotBooks(f"cannot be read: --columns has {doubled[0]} more than once")
    if "title" not in named:
        raise NotBooks("cannot be read: --columns has no column 'title'")
    _refuse_unlike(table, columns)
    return columns


def _refuse_unlike(table: Table, columns: list[Column]) -> None:
    """Raise NotBooks where the columns that --columns names are not those of the file."""
    if not table.samples:
        return
    first = [_text(value) for value in table.samples[0]]
    known = [_known_field(text) for text in first]
    has_heading = any(field == column.field == "title" for field, column in zip(known, columns, strict=False))
    if has_heading or (all(field or not text for field, text in zip(known, first, strict=True)) and "title" in known):
        raise NotBooks("has a first line that names the columns, so leave --columns out, or remove that line")
    if table.kind == "text" and not any(len(row) == len(columns) for row in table.samples):
        raise NotBooks(
            f"does not have the {len(columns)} columns that --columns names: its first line has {len(first)}, which "
            f"are {_list(first)}"
        )


def _chosen(headings: Sequence[str], choices: Choices) -> dict[int, str | None]:
    """Return the fields that options name, by the numbers of the columns; None for a column to leave out."""
    chosen: dict[int, str | None] = {}
    for text in choices.maps:
        heading, equals, name = text.rpartition("=")
        if not equals:
            raise NotBooks(f'cannot be read: --map {text!r} is not of the form "Heading=field"')
        chosen[_number(headings, heading, "--map", chosen)] = _field(name.strip(), "--map")
    for heading in choices.ignores:
        chosen[_number(headings, heading, "--ignore", chosen)] = None
    return chosen


def _number(headings: Sequence[str], wanted: str, option: str, chosen: dict[int, str | None]) -> int:
    """Return the number of the column that an option names, by its heading or its number."""
    by_number = re.fullmatch(r"#([0-9]{1,5})", wanted.strip())
    numbers = [number for number, heading in enumerate(headings, start=1) if heading == wanted.strip()]
    if by_number and not numbers:
        numbers = [number for number in [int(by_number[1])] if 1 <= number <= len(headings)]
    elif not numbers:
        key = fields.key_of(wanted)
        numbers = [number for number, heading in enumerate(headings, start=1) if key and fields.key_of(heading) == key]
    if not numbers:
        raise NotBooks(f"has no column {wanted!r}, which {option} names; it has {_list(headings)}")
    if len(numbers) > 1:
        which = " or ".join(f'"#{number}"' for number in numbers)
        raise NotBooks(f"has more than one column {wanted!r}, which {option} names; name one by its number: {which}")
    if numbers[0] in chosen:
        raise NotBooks(f"cannot be read: --map and --ignore name the column {wanted!r} more than once")
    return numbers[0]


def _field(name: str, option: str) -> str:
    field = name if name in fields.FIELDS else fields.FIELD_OF.get(fields.key_of(name))
    if field is None:
        nearest = suggestion(name)
        hint = f"; did you mean {nearest}?" if nearest else ""
        raise NotBooks(f"cannot be read: {name!r}, which {option} names, is not a field{hint} {_all_fields()}")
    return field


def _column(number: int, heading: str, chosen: dict[int, str | None]) -> Column:
    if number in chosen:
        return Column(number, heading, chosen[number], is_chosen=True)
    if heading.strip().lower() in fields.FIELDS:
        return Column(number, heading, heading.strip().lower())
    field = _known_field(heading)
    return Column(number, heading, field, is_guess=field is not None)


def _known_field(heading: str) -> str | None:
    return fields.FIELD_OF.get(fields.key_of(heading))


def _is_unknown(column: Column, table: Table, chosen: dict[int, str | None]) -> bool:
    if column.field or column.number in chosen:
        return False
    # Spreadsheets write columns without heading and without values after the last one.
    return bool(column.heading) or any(
        _text(row[column.number - 1]) for row in table.samples if len(row) >= column.number
    )


def _refuse_without_headings(table: Table) -> None:
    if not any(suggestion(heading) for heading in table.headings) or any(map(_is_isbn, table.headings)):
        example = ",".join(["title", "authors", "isbn", *["-"] * (len(table.headings) - 3)][: len(table.headings)])
        raise NotBooks(
            f"has no column 'title' in line {table.heading_line}, where columns are named; it has "
            f"{_list(table.headings)}. If that is a book already, name the columns with --columns, such as --columns "
            f'{example} (- for a column to leave out); if it is headings, with --map "Heading=field".'
            f"{_later_headings(table)}"
        )


def _refuse_whole_lines(table: Table) -> None:
    """Raise NotBooks for a file whose only heading is a line of headings."""
    names = re.split("[,;\t|]", table.headings[0])
    if len(names) > 1 and all(map(_known_field, names)):
        raise NotBooks(
            f"has one column, {quoted(table.headings[0])}, as whole lines are in quotes; remove the quotes around them"
        )


def _later_headings(table: Table) -> str:
    """Return a sentence about a later row that looks like the headings; empty without one."""
    for row in table.samples[:MOST_LINES_BEFORE]:
        texts = [_text(value) for value in row]
        known = [field for text in texts if (field := _known_field(text))]
        if len(known) > 1 or known == ["title"]:
            return f" A later line looks like them, {_list(texts)}: remove the lines before it."
    return ""


def _is_isbn(text: str) -> bool:
    try:
        return bool(normalized_isbn13(text))
    except ValueError:
        return False


def _refuse_unknown(table: Table, unknown: list[Column], taken: set[str | None]) -> None:
    if not unknown:
        return
    lines = [f"  {column.shown}: {first_values(table, column.number)}" for column in unknown]
    options = []
    may_be_a_book = (
        [] if taken else [f"If line {table.heading_line} is a book already, name the columns with --columns."]
    )
    for column in unknown:
        field = suggestion(column.heading)
        is_free = field and field not in taken
        name = _option(column, table)
        options.append(f'--map "{name}={field}"' if is_free else f'--ignore "{name}"')
        taken = taken | {field}
    raise NotBooks(
        "\n".join(
            [
                "has columns that are not understood, so nothing was imported:",
                *lines,
                'Say what each of them is, with --map "Heading=field", or leave it out, with --ignore Heading:',
                f"  {' '.join(options)}",
                *may_be_a_book,
                _all_fields(),
            ]
        )
    )


def _refuse_doubled(columns: list[Column], chosen: dict[int, str | None], table: Table) -> None:
    for field in fields.FIELDS:
        found = [column for column in columns[: table.named_columns] if column.field == field]
        if len({_part(column, chosen) for column in found}) < len(found):
            shown = "; ".join(f"{column.shown} ({first_values(table, column.number)})" for column in found)
            names = [_option(column, table) for column in found]
            options = " or ".join(f'--ignore "{name}"' for name in names)
            both = " ".join(f'--map "{name}={field}"' for name in names) if field in fields.LIST_FIELDS else ""
            all_of_them = f"; or take the {field} in all of them with {both}" if both else ""
            raise NotBooks(
                f"has more than one column '{field}': {shown}. Leave out all but one with {options}{all_of_them}"
            )


def _part(column: Column, chosen: dict[int, str | None]) -> object:
    """Return which part of its field a column has. Two columns of a field must have different parts."""
    key = fields.key_of(column.heading)
    if column.field in fields.LIST_FIELDS and column.number in chosen:
        return column.number
    if column.field == "authors":
        return key in fields.MORE_AUTHORS_KEYS
    if column.field in ("identifiers", "contributors"):
        return fields.TYPE_OF.get(key), fields.ROLE_OF.get(key)
    return isbn_rank(key) if column.field == "isbn" else 0


def isbn_rank(key: str) -> int:
    """Return the rank of a column of ISBNs: columns of ISBN-13 are used first."""
    return 0 if key in fields.ISBN_13_KEYS else 2 if key in fields.ISBN_10_KEYS else 1


def _option(column: Column, table: Table) -> str:
    return column.option if list(table.headings).count(column.heading) == 1 else f"#{column.number}"


def _list(headings: Sequence[str]) -> str:
    shown = ", ".join(quoted(heading) for heading in headings[:20])
    return f"{shown} and {len(headings) - 20} more" if len(headings) > 20 else shown


def _all_fields() -> str:
    return f"The fields are: {', '.join(fields.FIELDS)}."


def _text(value: Value) -> str:
    return "; ".join(value) if isinstance(value, list) else str(value)
