"""The file of refused rows, of the same form as the file that is imported, to be corrected and imported in turn."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from library.admin.v1.catalog_service_pb2 import IMPORT_RESULT_REFUSED, ImportBooksRequest, ImportOutcome
from library_cli.importing.reading.books import Books
from library_cli.importing.reading.table import Rejects


class RejectsFile:
    """Gathers refused rows beside the place where they are to go, and puts them there in one step at the end.

    Raises FileExistsError for a file that is there, and OSError for a folder that cannot be written.
    """

    def __init__(self, path: Path) -> None:
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"--rejects {path}: this file exists already; name another one, or remove it")
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        os.close(handle)
        self._path = path
        self._temporary = Path(name)
        self._waiting: deque[tuple[int, object]] = deque()
        self._file: Rejects | None = None
        self._books: Books | None = None
        self.rows = 0

    def watched(self, books: Books) -> Iterator[ImportBooksRequest | ImportOutcome]:
        """Yield the rows of a file, and keep each one until its outcome is known."""
        self._books = books
        for row in books:
            self._waiting.append((row.line, books.table.raw_row()))
            yield row

    def add(self, outcomes: Iterable[ImportOutcome]) -> None:
        """Write the rows that were refused; outcomes are in the order of the rows."""
        for outcome in outcomes:
            while self._waiting and self._waiting[0][0] < outcome.line:
                self._waiting.popleft()
            if not self._waiting:
                return
            _, raw = self._waiting.popleft()
            if outcome.result == IMPORT_RESULT_REFUSED:
                self._write(raw)

    def finish(self) -> str:
        """Put the file in its place, unless no row was refused; return what was done, as a sentence."""
        try:
            if self._file is None:
                return f"No row was refused, so {self._path} was not written."
            self._file.close()
            # Unlike a rename, a link does not replace a file that somebody has made in the meantime.
            os.link(self._temporary, self._path)
        finally:
            self._temporary.unlink(missing_ok=True)
        return f"Refused rows are in {self._path}: {self.rows}. Correct them there, and import that file."

    def _write(self, raw: object) -> None:
        assert self._books is not None
        if self._file is None:
            self._file = self._books.table.rejects(self._temporary)
        self._file.add(raw)
        self.rows += 1
