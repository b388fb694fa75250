"""Print rows: as a table on a terminal, otherwise as lines with tabs between the values, or as JSON with --json."""

from __future__ import annotations

import itertools
import json
import tempfile
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import click
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from library_cli.plain_text import one_line

SHOWN_ON_A_TERMINAL = 50
"""The default of --limit on a terminal. Programs get all rows."""

MOST_IN_MEMORY = 4 * 1024 * 1024
"""Bytes of JSON that are kept in memory until the list is complete; more are kept in a file."""

COPIED_AT_ONCE = 64 * 1024
"""Characters of JSON that are copied at once."""

WIDE = 110
"""The least width of a terminal, in characters, for a table with ids."""

LONGEST_WORD = 30
"""Words of at most this many characters are broken last. Most e-mail addresses are shorter."""

LEAST_WIDTH = 4
"""The least width of a column whose words are broken, in characters."""

SHORT_ID = 18
"""The least number of characters of an id in a narrow table: its time, and what differs within a millisecond."""

Item = TypeVar("Item")

limit_option = click.option(
    "--limit",
    type=click.IntRange(min=0),
    help=f"Show at most this many; 0 for all.  [default: {SHOWN_ON_A_TERMINAL} on a terminal, otherwise all]",
)
json_option = click.option("--json", "json_wanted", is_flag=True, help="Write all fields as JSON.")


@dataclass(frozen=True)
class Column(Generic[Item]):
    heading: str
    plain: Callable[[Item], str]
    """The value in a line for programs."""
    shown: Callable[[Item], str | Text] | None = None
    """The value in a table, if it differs from that in a line."""
    min_width: int = 0
    """The least width of the terminal for this column."""
    max_width: int = 1_000_000
    """The width from which on the table leaves it out, so that another column can replace it."""
    in_lines: bool = True
    """Whether lines have this column."""
    is_whole: bool = False
    """Whether a table never breaks the value into lines, so that it can be copied."""
    short_below: int = 0
    """The width below which a table shows only the beginnings of ids that are unique in this table."""


@dataclass(frozen=True)
class Form(Generic[Item]):
    """How one kind of row is shown."""

    columns: Sequence[Column[Item]]
    as_json: Callable[[Item], dict[str, Any]]
    nothing: str
    """The sentence for an empty list, for a terminal."""


def show(items: Iterable[Item], form: Form[Item], *, json_wanted: bool, limit: int | None) -> int:
    """Print at most `limit` rows, and a note on standard error if more exist; return how many were printed."""
    console = Console()
    if limit is None and console.is_terminal and not json_wanted:
        limit = SHOWN_ON_A_TERMINAL
    rest = iter(items)
    chosen = itertools.islice(rest, limit) if limit else rest
    if json_wanted:
        count = write_json(form.as_json(item) for item in chosen)
    elif console.is_terminal:
        listed = list(chosen)
        console.print(table(listed, form.columns, console.width) if listed else form.nothing)
        count = len(listed)
    else:
        count = _write_lines(lines(chosen, form.columns))
    if limit and count == limit and not json_wanted and next(rest, None) is not None:
        click.echo(f"More rows exist: --limit {limit * 2} shows the next ones too, --limit 0 shows all.", err=True)
    return count


def lines(items: Iterable[Item], columns: Sequence[Column[Item]]) -> Iterator[str]:
    """Yield each row as a line, with tabs between the values."""
    for item in items:
        yield "\t".join(one_line(column.plain(item)) for column in columns if column.in_lines)


def table(items: Iterable[Item], columns: Sequence[Column[Item]], width: int) -> Table:
    """Return the rows as a table for a terminal of this width, in characters."""
    chosen = [column for column in columns if column.min_width <= width < column.max_width]
    listed = list(items)
    cells = [_cells(column, listed, width) for column in chosen]
    widths = _widths(chosen, cells, width)
    built = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column, column_width in zip(chosen, widths, strict=True):
        built.add_column(column.heading, overflow="fold", no_wrap=column.is_whole, width=column_width)
    for row in zip(*cells, strict=True):
        built.add_row(*row)
    return built


def _cells(column: Column[Item], items: Sequence[Item], width: int) -> list[Text]:
    """Return the values of a column, ids shortened if the terminal is narrow."""
    cells = [_cell(column, item) for item in items]
    if width >= column.short_below:
        return cells
    ids = {cell.plain for cell in cells}
    length = next(
        (size for size in range(SHORT_ID, 36) if len({each[:size] for each in ids}) == len(ids)),
        max(map(len, ids), default=0),
    )
    return [Text(cell.plain[:length].rstrip("-")) for cell in cells]


def _cell(column: Column[Item], item: Item) -> Text:
    value = (column.shown or column.plain)(item)
    return value if isinstance(value, Text) else Text(one_line(value))


def _widths(columns: Sequence[Column[Item]], cells: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Return the width of each column. Words are broken only if the terminal is too narrow for whole words."""
    texts = [
        [column.heading, *(cell.plain for cell in column_cells)]
        for column, column_cells in zip(columns, cells, strict=True)
    ]
    widths = [max(map(cell_len, column_texts)) for column_texts in texts]
    least = [
        needed if column.is_whole else min(LONGEST_WORD, max(map(_longest_word, column_texts)))
        for column, column_texts, needed in zip(columns, texts, widths, strict=True)
    ]
    broken = [needed if column.is_whole else LEAST_WIDTH for column, needed in zip(columns, widths, strict=True)]
    room = width - (3 * len(columns) - 1)  # two blanks and a line between two columns, one blank at both ends
    for narrowest in (least, broken):
        _narrow(widths, narrowest, room)
    return widths


def _narrow(widths: list[int], narrowest: Sequence[int], room: int) -> None:
    """Narrow the columns that exceed `narrowest` most until all fit into `room`, or none can be narrowed."""
    while sum(widths) > room:
        spare, position = max((widths[place] - narrowest[place], place) for place in range(len(widths)))
        if spare <= 0:
            return
        widths[position] -= 1


def _longest_word(text: str) -> int:
    return max(map(cell_len, text.split()), default=0)


def _write_lines(written: Iterable[str]) -> int:
    count = 0
    for line in written:
        click.echo(line)
        count += 1
    return count


def as_json(message: Message) -> dict[str, Any]:
    """Return all fields of a message by the names of the contract, including empty ones."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)


def write_json(objects: Iterable[dict[str, Any]]) -> int:
    """Print a JSON array when the list is complete. If a call fails before, only its error is printed.

    A long list is kept in a temporary file until it is complete, not in memory.
    """
    count = 0
    with tempfile.SpooledTemporaryFile(MOST_IN_MEMORY, "w+", encoding="utf-8", errors="surrogatepass") as waiting:
        for each in objects:
            text = textwrap.indent(json.dumps(each, indent=2, ensure_ascii=False), "  ")
            waiting.write(f"{',' if count else '['}\n{text}")
            count += 1
        waiting.write("\n]\n" if count else "[]\n")
        waiting.seek(0)
        while part := waiting.read(COPIED_AT_ONCE):
            click.echo(part, nl=False)
    return count
