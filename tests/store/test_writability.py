"""Which errors mean that a store cannot be written, raised by SQLite; no second rollback hides them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import peewee
import pytest

from service_kit.sqlite.run import reading_file
from service_kit.store import Store, StoreTimes, is_unavailable, open_store
from service_kit.writability import LineLimit, is_noted, write_problem


@pytest.fixture
def times() -> StoreTimes:
    return StoreTimes()


@pytest.fixture
def store(tmp_path: Path, times: StoreTimes) -> Iterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/library.db", times=times)
    with store.writing():
        store.database.execute_sql("CREATE TABLE counter (id INTEGER PRIMARY KEY, revision INTEGER)")
        store.database.execute_sql("INSERT INTO counter VALUES (1, 0)")
    yield store
    store.close()


REASONS = [("query_only = 1", "query_only = 0", "read-only"), ("max_page_count = 3", "max_page_count = 9999", "full")]


@pytest.mark.parametrize(("pragma", "undo", "problem"), REASONS)
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_the_error_that_ends_a_transaction_is_the_one_that_is_raised(
    store: Store, pragma: str, undo: str, problem: str, depth: int
) -> None:
    def write(depth: int) -> None:
        if depth:
            with store.database.atomic():
                write(depth - 1)
        else:
            store.database.execute_sql("INSERT INTO counter (revision) VALUES (zeroblob(100000))")

    store.database.execute_sql(f"PRAGMA {pragma}")
    with pytest.raises(peewee.OperationalError) as raised, store.writing():
        write(depth)
    assert problem in str(write_problem(raised.value))
    assert is_unavailable(raised.value)
    assert is_noted(raised.value)
    store.database.execute_sql(f"PRAGMA {undo}")
    with store.writing():
        write(depth)


@pytest.mark.parametrize("times", [StoreTimes(probe_seconds=0.01)])
def test_a_store_is_reported_once_and_again_when_a_probe_succeeds(store: Store) -> None:
    reports: list[bool] = []
    store.writability.report = reports.append
    store.database.execute_sql("PRAGMA query_only = 1")  # for this connection; the probe has one of its own
    for _ in range(3):
        with pytest.raises(peewee.OperationalError), store.writing():
            pass
    prober = store.writability._prober
    if prober is not None:
        prober.join()
    assert reports[:2] == [False, True]
    with reading_file(Path(store.url.removeprefix("sqlite:///")), 5) as connection:
        ((revision,),) = connection.execute("SELECT revision FROM counter")
    assert revision >= 1, "the probe has written"


def test_a_wrong_statement_does_not_count_against_the_store(store: Store) -> None:
    with pytest.raises(peewee.OperationalError) as raised, store.writing():
        store.database.execute_sql("SELECT nothing FROM nowhere")
    assert write_problem(raised.value) is None
    assert not is_noted(raised.value)


def test_lines_of_a_kind_are_left_out_for_a_minute_and_counted() -> None:
    now = 1_000.0
    lines = LineLimit(60.0, lambda: now)
    assert [lines.suppressed("full"), lines.suppressed("full"), lines.suppressed("other")] == [0, None, 0]
    now += 60.0
    assert lines.suppressed("full") == 1
    now += 60.0
    assert lines.suppressed("full") == 0
