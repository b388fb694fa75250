"""Write rows as CSV (RFC 4180) or JSON Lines, and rename the file when it is complete."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import secrets
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from library_cli.exporting.kinds import Row, Value
from library_domain.field_texts import list_text
from service_kit.private_files import FILE_MODE

FORMATS = ("csv", "jsonl")
SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl"}
MARC_SUFFIXES = {".mrc": "marc", ".marc": "marc", ".xml": "marcxml", ".json": "marcjson"}
"""Of files with books. A file with users or loans is CSV for these, too."""

OPEN_MODE = 0o666
"""Mode of a file that is not about people, before the umask is applied."""

Writer = Callable[[Row], object]


def writer_of(form: str, file: IO[str], columns: Sequence[str]) -> Writer:
    """Return a function that writes a row; for CSV, write the line of headings."""
    if form == "jsonl":
        return lambda row: file.write(json.dumps({name: row[name] for name in columns}, ensure_ascii=False) + "\n")
    table = csv.writer(file, lineterminator="\r\n")  # with another terminator, it leaves a lone CR without quotes
    table.writerow(columns)
    return lambda row: table.writerow([_cell(name, row[name]) for name in columns])


def _cell(name: str, value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return list_text(value)
    if name == "published_year" and isinstance(value, int) and 0 < value < 1_000:
        return f"{value:04}"  # 98 could be a year of any century
    return str(value)


@contextlib.contextmanager
def opened(path: Path, *, is_private: bool) -> Iterator[IO[str]]:
    """Open a file for writing that replaces `path` when the block ends without an error.

    What is not a plain file, such as a pipe, is written to as it is, and `-` is standard output. Raises OSError.
    """
    if str(path) == "-":
        sys.stdout.flush()
        out = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield out
            out.flush()
        finally:
            out.detach()  # otherwise it would close standard output
        return
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8", newline="") as file:
            yield file
        return
    path = path.resolve()  # a link stays one
    new = path.with_name(f".{path.name[:100]}.{secrets.token_hex(4)}.part")
    mode = FILE_MODE if is_private else OPEN_MODE
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            if is_private:
                os.fchmod(file.fileno(), FILE_MODE)
            elif path.exists():
                os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
