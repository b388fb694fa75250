"""Files of books, made in memory."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import openpyxl

from library_cli.importing.reading.problems import Choices


def xlsx(*rows: list[Any], sheet: str = "Sheet", **others: list[list[Any]]) -> bytes:
    """An Excel workbook with these rows in a sheet, and those of others in sheets of their own."""
    book = openpyxl.Workbook(write_only=True)
    for title, content in {sheet: rows, **others}.items():
        page = book.create_sheet(title)
        for row in content:
            page.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def changed(content: bytes, **parts: Callable[[bytes], bytes]) -> bytes:
    """A workbook with some of its parts changed, which are named by the name of the file in it without the suffix."""
    file = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as whole, zipfile.ZipFile(file, "w") as archive:
        for name in whole.namelist():
            change = parts.get(PurePosixPath(name).stem, bytes)
            archive.writestr(name, change(whole.read(name)))
    return file.getvalue()


def chosen(**choices: Any) -> Choices:
    """What a person chooses about a file, by options."""
    return Choices(**choices)
