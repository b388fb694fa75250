"""The results as lines for a terminal and as a table for docs/performance.md."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cysqlite._cysqlite import sqlite_version

from benchmarks.results import Result

BEGIN = "<!-- The table of the last run: `python -m benchmarks --output docs/performance.md` writes it. -->"
END = "<!-- End of the table. -->"

PACKAGES = (
    *("grpcio", "protobuf", "protovalidate", "peewee", "cysqlite", "psycopg"),
    *("uvicorn", "starlette", "protobuf-py", "fastapi", "pydantic", "sqlalchemy"),
)


class NoPlace(Exception):
    """The file lacks the lines around the table."""


def line(result: Result) -> str:
    """Return a result as one line."""
    cpu = "" if result.cpu_ratio is None else f"  by processor time {result.cpu_ratio:.2f}"
    return (
        f"{result.name:<26} {result.store:<10}  {_ratio(result)}{cpu}  ({result.measured}; {result.yardstick})"
        + "".join(f"\n  {remark}" for remark in result.remarks)
    )


def table(results: Sequence[Result], command: str, load: float) -> str:
    """Return all results as Markdown, with the machine and the versions."""
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    rows = [
        "| what | store | measured | against | ratio (range) | by processor time | hoped for |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        *(
            f"| {each.name} | {each.store} | {each.measured} | {each.yardstick} | {_ratio(each)} | "
            f"{'' if each.cpu_ratio is None else f'{each.cpu_ratio:.2f}'} | "
            f"{'' if each.target is None else f'{each.target:.2f}'} |"
            for each in results
        ),
    ]
    remarks = [f"- {each.name}, {remark}" for each in results for remark in each.remarks]
    measured_on = (
        f"`{command}` on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} cores ({platform.machine()}), "
        f"{platform.python_implementation()} {platform.python_version()}, "
        f"SQLite {sqlite_version}, {versions}. Load average before it began: {load:.1f}."
    )
    return "\n".join([measured_on, "", *rows, *(["", *remarks] if remarks else [])])


def write_into(file: Path, text: str) -> None:
    """Replace the table in the file. Raises `NoPlace`."""
    page = file.read_text(encoding="utf-8") if file.exists() else ""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise NoPlace(f"{file} lacks the two lines around the table:\n{BEGIN}\n{END}")
    file.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _ratio(result: Result) -> str:
    return f"{result.ratio:.2f} ({min(result.ratios):.2f}-{max(result.ratios):.2f})"
