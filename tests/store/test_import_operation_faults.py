"""No record is lost or imported twice, whenever an operation is interrupted, on both engines."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import peewee
import pytest

from admin_server.intake import batches
from admin_server.operations import importing, leases, problems, records
from admin_server.operations.leases import LeaseLost
from admin_server.operations.uploads import start_import
from admin_server.store.models import ImportOperation
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_ADD_COPIES
from library.admin.v1.import_service_pb2 import (
    IMPORT_STATE_FAILED,
    IMPORT_STATE_RUNNING,
    IMPORT_STATE_WAITING,
    ImportConfig,
    ImportSummary,
)
from service_kit.errors import StoreUnavailable
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.import_operations import (
    SMALL,
    Operations,
    after_each_batch,
    catalogue,
    json_lines,
    leftovers,
    messages,
    progress,
    reason,
    some_books,
    summary,
)

BOOKS = some_books(40)
FILE = json_lines([*BOOKS, {"title": ""}, *some_books(10)])
EXPECTED = ImportSummary(record_count=51, added_count=40, copies_added_count=10, refused_count=1, problem_count=1)


class Killed(BaseException):
    """As if the process ended here: nothing catches it."""


@pytest.fixture
def operations(admin: Admin) -> Operations:
    return Operations(admin)


def start(operations: Operations) -> Any:
    return operations.start(FILE, on_duplicate=ON_DUPLICATE_ADD_COPIES)


def test_a_process_that_ends_at_any_statement_leaves_what_the_next_one_completes(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    statements = Killer(operations.store, monkeypatch)
    kills = 0
    distance = 3  # grows at each kill, so that no record is imported at three kills in a row
    while not operations.get(started).done:
        with statements.killing_after(distance):
            try:
                operations.another_worker().work()
            except Killed:
                kills += 1
        distance = (distance + 13) % 150
    assert kills > 5
    operations.worker.work()
    assert summary(operations.get(started)) == EXPECTED
    assert [each.record for each in operations.problems(started)] == [41]
    assert_each_book_is_there_once(operations)


def assert_each_book_is_there_once(operations: Operations) -> None:
    found = [(isbn, copies) for isbn, _, _, copies, *_ in catalogue(operations.store)]
    expected = [(str(book["isbn"]), 2 if number < 10 else 1) for number, book in enumerate(BOOKS)]
    assert sorted(found) == sorted(expected)


class Killer:
    """Raises `Killed` at a statement, and lets the transaction be rolled back, as an engine does after a kill."""

    def __init__(self, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
        self._left: int | None = None
        database: Any = store.database
        real = database.execute_sql

        def execute_sql(*arguments: Any, **named: Any) -> Any:
            if self._left is not None:
                self._left -= 1
                if self._left < 0:
                    self._left = None
                    raise Killed
            return real(*arguments, **named)

        monkeypatch.setattr(database, "execute_sql", execute_sql)

    def killing_after(self, statements: int) -> Any:
        """Return a context in which the process ends after these statements."""
        killer = self

        class Context:
            def __enter__(self) -> None:
                killer._left = statements

            def __exit__(self, *_: object) -> None:
                killer._left = None

        return Context()


def test_a_record_that_ends_the_process_is_left_out_and_the_others_are_imported(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    real = batches.import_batch

    def import_batch(store: Store, rows: Any, *others: Any) -> Any:
        if any(row.line == 10 and row.columns for row in rows):
            raise Killed
        return real(store, rows, *others)

    monkeypatch.setattr(importing, "import_batch", import_batch)
    kills = run_until_ended(operations, started)
    assert kills <= 3 * SMALL.starts + 1
    found = operations.get(started)
    assert summary(found).refused_count == 2
    assert summary(found).record_count == 51
    [left_out, _] = operations.problems(started)
    assert (left_out.record, left_out.imported) == (10, False)
    assert "the server ended" in left_out.description
    assert len(operations.admin.titles()) == 40  # the book is in the file again


def run_until_ended(operations: Operations, started: Any) -> int:
    kills = 0
    while not operations.get(started).done:
        try:
            operations.another_worker().work()
        except Killed:
            kills += 1
            assert kills < 50
    return kills


def test_a_record_that_ends_the_process_while_it_is_read_ends_the_operation(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    real = records.Batches._row

    def row(self: Any, record: Any) -> Any:
        if record.number == 10:
            raise Killed
        return real(self, record)

    monkeypatch.setattr(records.Batches, "_row", row)
    assert run_until_ended(operations, started) < 20
    found = operations.get(started)
    assert (reason(found), progress(found).state) == ("FILE_UNREADABLE", IMPORT_STATE_FAILED)
    assert progress(found).summary.record_count == 9


def test_a_record_that_fails_is_left_out_and_the_others_are_imported(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    real = batches.import_batch

    def import_batch(store: Store, rows: Any, *others: Any) -> Any:
        if any(row.line == 10 and row.columns for row in rows):
            raise ArithmeticError("a fault of the program")
        return real(store, rows, *others)

    monkeypatch.setattr(importing, "import_batch", import_batch)
    assert operations.worker.work()
    assert summary(operations.get(started)).refused_count == 2
    assert [each.record for each in operations.problems(started)] == [10, 41]


def test_work_that_fails_each_time_ends_even_if_its_end_fails_once(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    runs, ends = [], []
    real = importing.Import.fail

    def run(work: importing.Import) -> None:
        runs.append(work)
        if len(runs) > 10:
            raise Killed  # the work would go on for ever
        raise ArithmeticError("a fault of the program")

    def fail(work: importing.Import, problem: str) -> None:
        ends.append(problem)
        if len(ends) == 1:
            raise ArithmeticError("another one")
        real(work, problem)

    monkeypatch.setattr(importing.Import, "run", run)
    monkeypatch.setattr(importing.Import, "fail", fail)
    assert operations.worker.work()
    assert reason(operations.get(started)) == "FILE_UNREADABLE"
    assert (len(runs), len(ends)) == (3, 2)


@pytest.mark.parametrize(
    "error", [StoreUnavailable(), peewee.OperationalError("database or disk is full (code=13, ...)")]
)
def test_an_import_waits_for_the_store_and_loses_nothing(
    operations: Operations, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    started = start(operations)
    left = iter([error] * 12)
    real = problems.save_problems

    def save_problems(*arguments: Any) -> int:
        failure = next(left, None)
        if failure is not None:
            raise failure
        return real(*arguments)

    monkeypatch.setattr(importing, "save_problems", save_problems)
    assert operations.worker.work()
    assert summary(operations.get(started)) == EXPECTED
    assert_each_book_is_there_once(operations)


def test_a_worker_that_was_paused_stops_when_another_one_has_gone_on(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    paused, other = operations.worker, operations.another_worker()
    outcome: list[bool] = []

    def take_over(batches: int) -> None:
        if batches == 2:
            thread = threading.Thread(target=lambda: outcome.append(other.work()))
            thread.start()
            thread.join()

    after_each_batch(monkeypatch, take_over)
    assert paused.work()
    assert outcome == [True]
    assert summary(operations.get(started)) == EXPECTED
    assert_each_book_is_there_once(operations)


def test_a_worker_does_not_take_over_what_another_one_works_on(admin: Admin, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = Operations(admin, replace(SMALL, lease_seconds=1_000.0))
    start(operations)
    tried: list[bool] = []
    other = operations.another_worker()

    def look(batches: int) -> None:
        thread = threading.Thread(target=lambda: tried.append(other.work()))
        thread.start()
        thread.join()

    after_each_batch(monkeypatch, look)
    assert operations.worker.work()
    assert tried
    assert not any(tried)
    assert_each_book_is_there_once(operations)


def test_a_lease_lapses_when_it_is_not_renewed_for_as_long_as_it_lasts() -> None:
    now = 0.0
    watch = leases.Watch(5.0, lambda: now)
    assert list(watch.free([(1, "a", 1), (2, "", 0)])) == [(2, "", 0)]
    for seconds, beat, is_free in ((4.0, 1, False), (4.9, 2, False), (9.8, 2, False), (9.9, 2, True), (10, 3, False)):
        now = seconds
        assert list(watch.free([(1, "a", beat)])) == ([(1, "a", beat)] if is_free else [])


def test_a_stop_releases_the_operation_for_the_next_process(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = start(operations)
    after_each_batch(monkeypatch, lambda batches: operations.signals.stop() if batches == 2 else None)
    assert operations.worker.work()
    stopped = progress(operations.get(started))
    assert (stopped.state, stopped.summary.record_count) == (IMPORT_STATE_WAITING, 14)
    with operations.store.reading():
        row = ImportOperation.get()
    assert (row.worker, row.starts) == ("", 0)
    restarted = Operations(operations.admin)
    assert restarted.worker.work()
    assert summary(restarted.get(started)) == EXPECTED
    assert_each_book_is_there_once(operations)


def test_a_cancel_is_heeded_by_the_process_that_takes_over(operations: Operations) -> None:
    started = start(operations)
    first = operations.worker
    with pytest.raises(Killed):
        run_killed_after(operations, first, 3)
    assert progress(operations.get(started)).state == IMPORT_STATE_RUNNING
    operations.cancel(started)
    assert operations.another_worker().work()
    assert reason(operations.get(started)) == "OPERATION_CANCELLED"


def run_killed_after(operations: Operations, worker: Any, batches: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        after_each_batch(patch, _raiser(batches))
        worker.work()


def _raiser(batches: int) -> Callable[[int], None]:
    def do(count: int) -> None:
        if count == batches:
            raise Killed

    return do


def test_what_an_ended_process_has_left_behind_is_deleted(admin: Admin) -> None:
    operations = Operations(admin)

    def breaking() -> Any:
        yield next(messages(json_lines(some_books(200)), ImportConfig(), 9_000))
        raise Killed

    with pytest.raises(Killed):
        start_import(admin.store, breaking(), admin.clock, operations.signals, SMALL)
    assert leftovers(operations.store) > 0
    operations.worker.work()
    assert leftovers(operations.store) > 0  # it may still be going on
    admin.clock.advance(seconds=7_200)
    operations.another_worker().work()
    assert leftovers(operations.store) == 0
    with operations.store.reading():
        assert ImportOperation.select().count() == 0


def test_a_lost_lease_is_an_error_at_each_transaction(operations: Operations) -> None:
    start(operations)
    row = leases.claim(operations.store, leases.Watch(0.0), "one")
    assert row is not None
    for call in (leases.renew, leases.release, leases.go_on):
        with pytest.raises(LeaseLost):
            call(operations.store, row.key, "two")
