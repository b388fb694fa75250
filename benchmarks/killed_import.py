"""Import many generated MARC records as an operation while its server is killed: `python -m benchmarks.killed_import`.

Prints the records a second, without the time that the server was down, and the peak memory of its processes. Then it
checks that each record is in the catalogue once, with its item.
"""

from __future__ import annotations

import contextlib
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import click
import grpc
import psutil
from google.longrunning.operations_pb2 import GetOperationRequest, Operation
from google.longrunning.operations_pb2_grpc import OperationsStub

from benchmarks.environment import FULL, Environment, opened
from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_MARC,
    ImportConfig,
    ImportProgress,
    StartImportRequest,
)
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from tests.support.isbns import isbn13
from tests.support.marc_with_items import marc
from tests.support.processes import ServerProcess

CHUNK_BYTES = 900_000
LOOK_SECONDS = 0.5
PATIENCE_SECONDS = 600.0
"""The longest time without progress."""


@click.command()
@click.option("--records", type=click.IntRange(min=1), default=1_000_000, show_default=True)
@click.option("--kills", type=click.IntRange(min=0), default=20, show_default=True)
@click.option("--engine", type=click.Choice(["SQLite", "PostgreSQL"]), default="SQLite", show_default=True)
@click.option("--seed", type=int, default=None, help="Repeats the moments of the kills.  [default: random]")
def main(records: int, kills: int, engine: Any, seed: int | None) -> None:
    """Import generated records while the server is killed, and check the catalogue."""
    seed = random.randrange(2**32) if seed is None else seed
    click.echo(f"seed {seed}")
    chance = random.Random(seed)
    with contextlib.ExitStack() as ending:
        folder = Path(ending.enter_context(tempfile.TemporaryDirectory(prefix="library-benchmarks-")))
        environment = Environment(folder, FULL, ending)
        file = folder / "records.mrc"
        write_records(file, records)
        click.echo(f"{file.stat().st_size:,} bytes")
        url = environment.new_database(engine)
        server = environment.servers.start("admin", url)
        run = Run(server, records)
        run.upload(file)
        file.unlink()
        moments = sorted(chance.randrange(records) for _ in range(kills))
        run.follow(moments, chance)
        click.echo(
            f"{records:,} records, {run.kills} kills: {records / run.seconds:,.0f} records a second while it ran, "
            f"peak memory {run.peak_megabytes:,.0f} MB, at first {run.first_megabytes:,.0f} MB"
        )
        server.stop()
        problem = difference(url, records)
    click.echo(problem or "All records are in the catalogue once.")
    sys.exit(1 if problem else 0)


def write_records(file: Path, count: int) -> None:
    """Write MARC records, each with an ISBN and an item with a barcode."""
    with file.open("wb") as output:
        for number in range(count):
            item = {"p": f"G{number:08}", "c": f"Shelf {number % 50}", "o": f"{number % 1000:03} G"}
            output.write(marc((f"Generated title {number}", isbn13(number), [item])))


class Run:
    """One import, and the server that is killed meanwhile."""

    def __init__(self, server: ServerProcess, records: int) -> None:
        self._server, self._count = server, records
        self._name = ""
        self._progress = ImportProgress()
        self._records = -1
        self._last: float | None = None  # when progress was seen; None after a kill
        self.kills = 0
        self.seconds = self.peak_megabytes = self.first_megabytes = 0.0

    def upload(self, file: Path) -> None:
        """Start the import."""
        with file.open("rb") as source:
            stub = ImportServiceStub(self._server.channel())
            self._name = stub.StartImport(self._messages(source), timeout=600).name
        self.first_megabytes = self._megabytes()

    def _messages(self, source: IO[bytes]) -> Iterator[StartImportRequest]:
        config = ImportConfig(format=IMPORT_FORMAT_MARC, source="generated")
        yield StartImportRequest(config=config)
        while part := source.read(CHUNK_BYTES):
            yield StartImportRequest(chunk=part)

    def follow(self, moments: list[int], chance: random.Random) -> None:
        """Kill the server at these numbers of records, until the import has ended."""
        while (records := self._next_records()) is not None:
            if moments and records >= moments[0]:
                moments = [each for each in moments if each > records]
                time.sleep(chance.random())
                self._server.kill()
                self.kills += 1
                self._server.start()
                self._last = None
        summary = self._progress.summary
        if summary.added_count != self._count or summary.record_count != self._count:
            raise RuntimeError(f"the import ended like this: {self._progress}")

    def _next_records(self) -> int | None:
        """Wait for progress; return the number of records, or None after the end."""
        begin = time.monotonic()
        while True:
            time.sleep(LOOK_SECONDS)
            self.peak_megabytes = max(self.peak_megabytes, self._megabytes())
            operation = self._operation()
            now = time.monotonic()
            if operation is not None:
                operation.metadata.Unpack(self._progress)
            records = self._progress.summary.record_count
            if operation is not None and (operation.done or records != self._records):
                self._records = records
                if self._last is not None:
                    self.seconds += now - self._last
                self._last = now
                return None if operation.done else records
            if now - begin > PATIENCE_SECONDS:
                raise RuntimeError(f"the import does not go on:\n{self._server.log_tail()}")

    def _operation(self) -> Operation | None:
        stub: Any = OperationsStub(self._server.channel())
        try:
            found: Operation = stub.GetOperation(GetOperationRequest(name=self._name), timeout=30)
        except grpc.RpcError:
            return None
        return found

    def _megabytes(self) -> float:
        return float(psutil.Process(self._server.pid).memory_info().rss) / 1_048_576


def difference(url: str, records: int) -> str:
    """Return in what the catalogue differs from one with each record once; empty if it does not."""
    queries = {
        "books": "SELECT count(*) FROM book",
        "ISBNs": "SELECT count(DISTINCT isbn) FROM book WHERE isbn <> ''",
        "items": "SELECT count(*) FROM item",
        "barcodes of the file": "SELECT count(DISTINCT barcode) FROM item WHERE barcode LIKE 'G%'",
        "rows of the run": "SELECT count(*) FROM import_row",
        "books of the run": "SELECT count(*) FROM import_book WHERE is_added = 1",
    }
    with opened(url) as store, store.reading():
        found = {name: store.database.execute_sql(query).fetchone()[0] for name, query in queries.items()}
    return ", ".join(f"{name}: {count:,}" for name, count in found.items() if count != records)


if __name__ == "__main__":
    main()
