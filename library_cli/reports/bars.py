"""Bars in a table on a terminal, one for each row."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from library_cli.plain_text import one_line
from library_cli.reports.kinds import Item
from library_cli.tables import LONGEST_WORD, Column, Form

LEAST_WIDTH, MOST_WIDTH = 10, 60
"""The width of the longest bar, in characters. With less room for it, there are no bars."""

BETWEEN_COLUMNS = 3
"""Blanks and lines of a table, in characters for each column."""


def with_bars(items: Sequence[Item], form: Form[Item], amount: Callable[[Item], int], console: Console) -> Form[Item]:
    """Return the form with a column of bars, or as it is if the terminal is too narrow."""
    most = max(map(amount, items), default=0)
    shown = [column for column in form.columns if column.min_width <= console.width < column.max_width]
    room = console.width - sum(_width(column, items) + BETWEEN_COLUMNS for column in shown) - BETWEEN_COLUMNS
    width = min(room, MOST_WIDTH)
    if width < LEAST_WIDTH or not most:
        return form
    letter = "█" if console.encoding.startswith("utf") and not console.no_color else "#"

    def bar(item: Item) -> Text:
        return Text(letter * bar_length(amount(item), most, width), style="cyan")

    return replace(form, columns=[*form.columns, Column("", lambda item: "", bar, in_lines=False, is_whole=True)])


def bar_length(amount: int, most: int, width: int) -> int:
    """Return the length of a bar: `width` for the greatest amount, and at least 1 unless the amount is 0."""
    return max(round(amount * width / most), 1) if amount else 0


def _width(column: Column[Item], items: Sequence[Item]) -> int:
    """Return the width that a column gets. Long texts are broken into lines, so that the bars have room."""
    values = [(column.shown or column.plain)(item) for item in items]
    texts = [value.plain if isinstance(value, Text) else one_line(value) for value in values]
    return max(cell_len(column.heading), min(LONGEST_WORD, max(map(cell_len, texts), default=0)))
