"""Imports as operations, on both engines: uploaded, imported in batches, cancelled, undone, listed, deleted."""

from __future__ import annotations

from dataclasses import replace

import pytest

from admin_server.operations.limits import LIMITS
from library.admin.v1.catalog_service_pb2 import ON_DUPLICATE_UPDATE
from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_JSON_LINES,
    IMPORT_STATE_CANCELLED,
    IMPORT_STATE_FAILED,
    IMPORT_STATE_RUNNING,
    IMPORT_STATE_SUCCEEDED,
    IMPORT_STATE_WAITING,
    ImportSummary,
)
from library_domain.import_errors import OperationNotDone, OperationNotFound, TooManyImports, UploadTooLarge
from service_kit.errors import FieldInvalid, RequestIdReused
from service_kit.ids import new_id
from tests.support.admin import Admin
from tests.support.import_operations import (
    SMALL,
    Operations,
    after_each_batch,
    catalogue,
    json_lines,
    leftovers,
    progress,
    reason,
    some_books,
    summary,
)


@pytest.fixture
def operations(admin: Admin) -> Operations:
    return Operations(admin)


def test_a_file_becomes_an_operation_that_imports_its_records(operations: Operations) -> None:
    file = json_lines(some_books(30))
    started = operations.start(file, source=" books.jsonl ")
    waiting = progress(started)
    assert not started.done
    assert (waiting.state, waiting.format) == (IMPORT_STATE_WAITING, IMPORT_FORMAT_JSON_LINES)
    assert (waiting.source, waiting.total_bytes, waiting.done_bytes) == ("books.jsonl", len(file), 0)
    assert operations.get(started) == started
    assert operations.worker.work()
    ended = operations.get(started)
    assert summary(ended) == ImportSummary(record_count=30, added_count=30)
    assert progress(ended).state == IMPORT_STATE_SUCCEEDED
    assert progress(ended).done_bytes == len(file)
    assert progress(ended).HasField("end_time")
    assert sorted(operations.admin.titles()) == sorted(f"Title {number}" for number in range(30))
    assert leftovers(operations.store) == 0
    assert not operations.worker.work()
    [run] = operations.admin.import_runs()
    assert (run.id, run.source, run.added_count) == (progress(ended).import_id, "books.jsonl", 30)


def test_a_bad_record_is_reported_and_stops_no_other(operations: Operations) -> None:
    lines = [
        b'{"title": "Good", "unknown": 1}',
        b"not JSON",
        b'{"title": "Bad", "isbn": "9780141439588", "pageCount": -1}',
        b"{}",
        b'{"title": "Also good"}',
    ]
    ended = operations.run(b"\n".join(lines))
    assert summary(ended) == ImportSummary(record_count=5, added_count=2, refused_count=3, problem_count=5)
    assert [(each.record, each.field, each.imported) for each in operations.problems(ended, page_size=2)] == [
        (1, "unknown", True), (2, "", False), (3, "page_count", False), (3, "isbn", False), (4, "title", False),
    ]  # fmt: skip
    assert all(each.description for each in operations.problems(ended))
    assert sorted(operations.admin.titles()) == ["Also good", "Good"]


def test_problems_are_stored_up_to_a_limit_and_counted_beyond_it(admin: Admin) -> None:
    operations = Operations(admin, replace(SMALL, problems=10))
    ended = operations.run(b"x\n" * 25, format=IMPORT_FORMAT_JSON_LINES)
    assert summary(ended) == ImportSummary(record_count=25, refused_count=25, problem_count=25)
    assert [each.record for each in operations.problems(ended)] == list(range(1, 11))


def test_an_upload_with_wrong_values_is_refused_with_each_field_and_leaves_nothing(operations: Operations) -> None:
    for file, field in ((b"", "chunk"), (b"what is this?", "config.format")):
        with pytest.raises(FieldInvalid) as refused:
            operations.start(file)
        assert [name for name, _ in refused.value.problems] == [field]
    small = Operations(operations.admin, replace(SMALL, upload_bytes=5_000))
    small.start(json_lines(some_books(2)))
    with pytest.raises(UploadTooLarge, match="5,000 bytes"):
        small.start(json_lines(some_books(100)))
    assert len(operations.all()) == 1
    with operations.store.reading():
        assert leftovers(operations.store) == 1
    assert operations.worker.work()
    assert not operations.worker.work()


def test_only_so_many_uploads_wait(admin: Admin) -> None:
    operations = Operations(admin, replace(SMALL, waiting=3))
    for number in range(3):
        operations.start(json_lines(some_books(2, first=number)))
    with pytest.raises(TooManyImports, match="3 imports wait"):
        operations.start(json_lines(some_books(2)))
    assert operations.worker.work()
    operations.start(json_lines(some_books(2)))


def test_an_upload_that_is_sent_again_is_the_first_operation(operations: Operations) -> None:
    file, request_id = json_lines(some_books(20)), new_id()
    first = operations.start(file, request_id=request_id)
    again = operations.start(file, part_bytes=99, request_id=request_id.upper())
    assert again == first
    assert len(operations.all()) == 1
    assert operations.worker.work()
    assert operations.start(file, request_id=request_id) == first
    for other, config in ((file[:-1] + b" ", {}), (file, {"validate_only": True}), (file, {"match_title": True})):
        with pytest.raises(RequestIdReused):
            operations.start(other, request_id=request_id, **config)
    assert not operations.worker.work()
    assert leftovers(operations.store) == 0
    assert len(operations.admin.titles()) == 20


def test_a_cancel_takes_effect_at_once_or_at_the_next_batch(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    waiting = operations.start(json_lines(some_books(30)))
    operations.cancel(waiting)
    ended = operations.get(waiting)
    assert (reason(ended), progress(ended).state) == ("OPERATION_CANCELLED", IMPORT_STATE_CANCELLED)
    assert not operations.worker.work()
    running = operations.start(json_lines(some_books(30)))
    after_each_batch(monkeypatch, lambda batches: operations.cancel(running) if batches == 2 else None)
    assert operations.worker.work()
    ended = operations.get(running)
    assert (reason(ended), progress(ended).summary.record_count) == ("OPERATION_CANCELLED", 14)
    assert len(operations.admin.titles()) == 14
    operations.cancel(running)
    assert operations.get(running) == ended
    operations.worker.work()
    assert leftovers(operations.store) == 0


def test_an_import_that_is_undone_while_it_runs_ends(operations: Operations, monkeypatch: pytest.MonkeyPatch) -> None:
    running = operations.start(json_lines(some_books(30)))
    run_id = progress(running).import_id
    after_each_batch(monkeypatch, lambda batches: operations.admin.undo(run_id) if batches == 2 else None)
    assert operations.worker.work()
    ended = operations.get(running)
    assert (reason(ended), progress(ended).state) == ("IMPORT_RUN_UNDONE", IMPORT_STATE_FAILED)
    assert progress(ended).HasField("undo_time")
    assert operations.admin.titles() == []


def test_nothing_is_changed_by_a_trial_and_it_reports_what_an_import_would_do(operations: Operations) -> None:
    operations.admin.add("There", isbn=str(some_books(1)[0]["isbn"]))
    twice: list[dict[str, object]] = [*some_books(20), *some_books(10), {"title": "", "isbn": "1"}]
    before = catalogue(operations.store)
    for config, expected in (
        ({}, ImportSummary(record_count=31, added_count=19, already_there_count=11, refused_count=1, problem_count=2)),
        (
            {"on_duplicate": ON_DUPLICATE_UPDATE},
            ImportSummary(record_count=31, added_count=19, updated_count=11, refused_count=1, problem_count=2),
        ),
    ):
        ended = operations.run(json_lines(twice), validate_only=True, **config)
        assert summary(ended) == expected
        assert progress(ended).validate_only
    assert catalogue(operations.store) == before
    assert operations.admin.import_runs() == []
    assert leftovers(operations.store) == 0
    assert len(operations.problems(operations.all()[0])) == 2


def test_a_file_that_cannot_be_read_to_its_end_is_imported_up_to_there(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = operations.start(json_lines(some_books(30)))
    with operations.store.writing():
        operations.store.database.execute_sql("DELETE FROM import_chunk WHERE number = 5")
    assert operations.worker.work()
    ended = operations.get(running)
    count = len(operations.admin.titles())
    assert (reason(ended), progress(ended).state) == ("FILE_UNREADABLE", IMPORT_STATE_FAILED)
    assert 0 < count < 30
    assert f"after record {count}:" in ended.error.message
    assert leftovers(operations.store) == 0


def test_operations_are_listed_by_pages_and_by_whether_they_have_ended(operations: Operations) -> None:
    ended = [operations.run(json_lines(some_books(2))) for _ in range(3)]
    waiting = [operations.start(json_lines(some_books(2))) for _ in range(2)]
    newest_first = [each.name for each in reversed([*ended, *waiting])]
    assert [each.name for each in operations.all(page_size=2)] == newest_first
    assert [each.name for each in operations.all(filter_="done=true")] == newest_first[2:]
    assert [each.name for each in operations.all(page_size=1, filter_="done = false")] == newest_first[:2]
    for filter_, page_size in (("done", 0), ("state=1", 0), ("", -1)):
        with pytest.raises(FieldInvalid):
            operations.all(page_size, filter_)


def test_only_an_operation_that_has_ended_is_deleted_and_its_run_stays(operations: Operations) -> None:
    operation = operations.start(json_lines([{"title": ""}, *some_books(3)]))
    with pytest.raises(OperationNotDone):
        operations.delete(operation)
    assert operations.worker.work()
    operations.delete(operation)
    for call in (operations.get, operations.cancel, operations.delete, operations.problems):
        with pytest.raises(OperationNotFound):
            call(operation)
    assert operations.all() == []
    assert len(operations.admin.titles()) == 3
    assert len(operations.admin.undo(progress(operation).import_id)) == 3
    assert operations.admin.titles() == []


def test_a_name_that_is_none_is_refused(operations: Operations) -> None:
    operation = operations.start(json_lines(some_books(1)))
    for name in ("", "operations/1", f"operation/{new_id()}", f"operations/{new_id()}/x"):
        operation.name = name
        for call in (operations.get, operations.cancel, operations.delete):
            with pytest.raises(FieldInvalid):
                call(operation)


def test_the_collection_is_no_operation(operations: Operations) -> None:
    """A path without an id has it as the name: DELETE /v1/operations."""
    operation = operations.start(json_lines(some_books(1)))
    for name in ("operations", "operations/"):
        operation.name = name
        for call in (operations.get, operations.cancel, operations.delete):
            with pytest.raises(OperationNotFound):
                call(operation)


def test_the_limits_are_those_that_the_documentation_states() -> None:
    assert (LIMITS.upload_bytes, LIMITS.waiting, LIMITS.problems) == (2_000_000_000, 20, 10_000)
    assert IMPORT_STATE_RUNNING == 2  # as the partial index of the table has it
