"""A file is imported as an operation, against `executemany` of the rows that it wrote into the same tables."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from google.longrunning.operations_pb2 import Operation, WaitOperationRequest
from google.longrunning.operations_pb2_grpc import OperationsStub

from admin_server.store.models import MIGRATIONS
from benchmarks.environment import Environment, opened, settle
from benchmarks.killed_import import CHUNK_BYTES, write_records
from benchmarks.results import Result
from library.admin.v1.import_service_pb2 import IMPORT_FORMAT_MARC, ImportConfig, ImportSummary, StartImportRequest
from library.admin.v1.import_service_pb2_grpc import ImportServiceStub
from service_kit.migrations import migrate

ROWS = 1_000
TABLES = ("book", "item", "vocabulary", "import_row", "import_book")


def import_operation(environment: Environment) -> Iterator[Result]:
    """Run a server process on SQLite, and measure from the answer to the upload to the end of the import."""
    count = environment.scale.books
    imported, inserted = [], []
    for _ in range(environment.scale.sync_pairs):
        url = environment.new_database("SQLite")
        imported.append(_imported(environment, url, count))
        inserted.append(_inserted(environment, url, count))
        environment.drop(url)
    best = min(imported)
    yield Result(
        f"import of {count:,} MARC records",
        "SQLite",
        f"operation: {best:,.1f} s, {count / best:,.0f} records/s",
        f"executemany: {min(inserted):,.1f} s, {count / min(inserted):,.0f} records/s",
        [insert / operation for insert, operation in zip(inserted, imported, strict=True)],
    )


def _imported(environment: Environment, url: str, count: int) -> float:
    file = environment.folder / "import.mrc"
    write_records(file, count)
    admin = environment.servers.start("admin", url)

    def messages() -> Iterator[StartImportRequest]:
        yield StartImportRequest(config=ImportConfig(format=IMPORT_FORMAT_MARC))
        with file.open("rb") as source:
            while part := source.read(CHUNK_BYTES):
                yield StartImportRequest(chunk=part)

    operation: Operation = ImportServiceStub(admin.channel()).StartImport(messages(), timeout=600)
    begin = time.perf_counter()
    stub: Any = OperationsStub(admin.channel())
    while not operation.done:
        operation = stub.WaitOperation(WaitOperationRequest(name=operation.name), timeout=120)
    seconds = time.perf_counter() - begin
    summary = ImportSummary()
    if not operation.response.Unpack(summary) or summary.added_count != count:
        raise RuntimeError(f"the import ended like this: {operation}")
    admin.stop()
    return seconds


def _inserted(environment: Environment, source_url: str, count: int) -> float:
    """Copy the rows into another store in one transaction; return the seconds without reading."""
    target_url = environment.new_database("SQLite")
    seconds = 0.0
    with opened(source_url) as source, opened(target_url) as target:
        migrate(target, MIGRATIONS)
        cursor = target.database.connection().cursor()
        cursor.execute("BEGIN IMMEDIATE")
        for table in TABLES:
            rows = source.database.connection().cursor().execute(f"SELECT * FROM {table}")
            columns = ", ".join("?" * len(source.database.get_columns(table)))
            while chunk := rows.fetchmany(ROWS):
                begin = time.perf_counter()
                cursor.executemany(f"INSERT INTO {table} VALUES ({columns})", chunk)
                seconds += time.perf_counter() - begin
        begin = time.perf_counter()
        cursor.execute("COMMIT")
        seconds += time.perf_counter() - begin
        (stored,) = cursor.execute("SELECT COUNT(*) FROM book").fetchone()
        assert stored == count
        settle(target)
    environment.drop(target_url)
    return seconds
