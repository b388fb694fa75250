"""Write reports as CSV (RFC 4180), so that a spreadsheet does not compute what people typed."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from library_cli.exporting.output import opened
from library_cli.reports.kinds import Item, Report, Value

FORMULA_BEGINNINGS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""A spreadsheet takes a text that begins with one of these for a formula (OWASP, CSV injection)."""


def write_csv(path: Path, items: Iterable[Item], report: Report[Item]) -> int:
    """Write a line of headings and each row, and return the number of rows; `-` is standard output. Raises OSError."""
    count = 0
    with opened(path, is_private=report.is_private) as file:
        table = csv.writer(file, lineterminator="\r\n")
        table.writerow(report.cells(report.empty))
        for item in items:
            table.writerow(map(cell, report.cells(item).values()))
            count += 1
    return count


def cell(value: Value) -> Value:
    """Return a value as it is written: a text that a spreadsheet would compute begins with an apostrophe."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA_BEGINNINGS) else value
