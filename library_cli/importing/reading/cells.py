"""The cells of a workbook, and their values as texts."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any, NamedTuple

from library_cli.importing.reading.table import DateText

LAST_COLUMN = 16_384
"""The last column that a sheet of Excel has."""


class Cell(NamedTuple):
    """A cell with a value. `data_type` is "s" for texts, "e" for errors, "f" for a formula without its value."""

    column: int
    value: Any
    data_type: str


def cells_with_values(cells: list[dict[str, Any]]) -> list[Cell]:
    """Return the cells that have a value, of those that openpyxl read. Raises ValueError for an impossible column."""
    found = [Cell(cell["column"], cell["value"], cell["data_type"]) for cell in cells]
    found = [cell for cell in found if cell.data_type == "f" or _shown(cell.value)]
    if found and not 1 <= min(cell.column for cell in found) <= max(cell.column for cell in found) <= LAST_COLUMN:
        raise ValueError("a cell is in a column that no sheet has")
    return found


def texts_of(cells: list[Cell], width: int) -> list[str]:
    """Return the texts of the first `width` columns."""
    texts = [""] * width
    for cell in cells:
        if cell.column <= width:
            texts[cell.column - 1] = _shown(cell.value)
    return texts


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 10**15 else str(value)


def _date(value: dt.datetime) -> str:
    return value.date().isoformat() if value.time() == dt.time() else value.isoformat(" ")


_FORMS: dict[type, Callable[[Any], str]] = {
    float: _number,
    dt.datetime: _date,
    bool: lambda value: "TRUE" if value else "FALSE",
}


def _shown(value: object) -> str:
    """Return the text of a cell's value."""
    if value is None:
        return ""
    text = _FORMS.get(type(value), str)(value).strip()
    return DateText(text) if isinstance(value, dt.date | dt.time | dt.timedelta) else text
