"""The file of refused rows, of the same format as the imported file, to be corrected and imported."""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path

from library.admin.v1.catalog_service_pb2 import IMPORT_RESULT_REFUSED, ImportBooksRequest, ImportOutcome
from library_cli.importing.reading.problems import AS_FOUND, Choices
from library_cli.importing.reading.table import Rejects, Table


class RejectsFile:
    """Writes refused rows to a temporary file in the same folder, which is renamed at the end.

    Raises OSError for a file that exists, and for a folder that cannot be written.
    """

    def __init__(self, path: Path, choices: Choices = AS_FOUND) -> None:
        """Take the options for reading the file, which its refused rows need, too."""
        if path.exists() or path.is_symlink():
            raise FileExistsError(f"--rejects: {path} exists already; name another file, or remove that one")
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        except OSError as error:
            raise OSError(f"--rejects: {path} cannot be written ({error.strerror})") from error
        os.close(handle)
        self._path = path
        self._choices = choices
        self._temporary = Path(name)
        self._waiting: deque[tuple[int, object]] = deque()
        self._file: Rejects | None = None
        self._table: Table | None = None
        self.rows = 0

    def watched(
        self, rows: Iterable[ImportBooksRequest | ImportOutcome], table: Table
    ) -> Iterator[ImportBooksRequest | ImportOutcome]:
        """Yield the rows of a table, and keep each one until its outcome is known."""
        self._table = table
        for row in rows:
            self._waiting.append((row.line, table.raw_row()))
            yield row

    def add(self, outcomes: Iterable[ImportOutcome]) -> None:
        """Write the rows that were refused; outcomes are in the order of the rows."""
        for outcome in outcomes:
            while self._waiting and self._waiting[0][0] < outcome.line:
                self._waiting.popleft()
            if self._waiting and self._waiting[0][0] == outcome.line:
                _, raw = self._waiting.popleft()
                if outcome.result == IMPORT_RESULT_REFUSED:
                    self._write(raw)

    def finish(self) -> str:
        """Rename the file, unless no row was refused; return a sentence about it."""
        if self._file is None or self._table is None:
            self._temporary.unlink(missing_ok=True)
            return f"No row was refused, so {self._path} was not written."
        self._file.close()
        try:
            # Unlike a rename, a link does not replace a file that another program has made in the meantime.
            os.link(self._temporary, self._path)
            self._temporary.unlink()
        except OSError:
            if self._path.exists():
                return f"{self._path} was made by another program; refused rows are in {self._temporary}: {self.rows}."
            self._temporary.rename(self._path)  # a file system without links
        options = ["the same options"] if self._choices != AS_FOUND else []
        if self._table.encoding and not self._choices.encoding:
            options.append(f"--encoding {self._table.encoding}")
        named = f" with {' and '.join(options)}" if options else ""
        return f"Refused rows are in {self._path}: {self.rows}. Correct them there, and import that file{named}."

    def _write(self, raw: object) -> None:
        assert self._table is not None
        if self._file is None:
            self._file = self._table.rejects(self._temporary)
        self._file.add(raw)
        self.rows += 1
