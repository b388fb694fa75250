"""Files of ISO 2709 with faults: one bad record never costs the next one, and each is reported."""

from __future__ import annotations

import pytest

from library.admin.v1.import_service_pb2 import IMPORT_FORMAT_MARC
from library_formats.readers.raw import MOST_RECORD_BYTES
from library_formats.records import ReadRecord
from tests.support.marc_cases.bytes_of_files import FILE_CASES, LATER, ONE, TWO, FileCase
from tests.support.marc_files import read


def _titles(records: list[ReadRecord]) -> list[str | None]:
    return [record.book.title if record.book else None for record in records]


@pytest.mark.parametrize("case", FILE_CASES, ids=lambda case: case.name)
def test_what_comes_of_a_file(case: FileCase, capfd: pytest.CaptureFixture[str]) -> None:
    records = read(case.data, IMPORT_FORMAT_MARC)

    assert _titles(records) == list(case.titles), [record.problems for record in records]
    found = [problem.description for record in records for problem in record.problems]
    assert len(found) == len(case.problems), found
    assert all(part in description for part, description in zip(case.problems, found, strict=True)), found
    assert [record.number for record in records] == list(range(1, len(records) + 1))
    if case.control_numbers:
        assert [record.control_number for record in records] == list(case.control_numbers)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("case", FILE_CASES, ids=lambda case: case.name)
def test_a_file_is_the_same_in_parts_of_any_size(case: FileCase) -> None:
    whole = read(case.data, IMPORT_FORMAT_MARC)

    for part in (1, 7, 64) if len(case.data) < 5_000 else (997,):
        assert read(case.data, IMPORT_FORMAT_MARC, part=part) == whole


@pytest.mark.parametrize("case", FILE_CASES, ids=lambda case: case.name)
def test_reading_goes_on_after_each_record(case: FileCase) -> None:
    records = read(case.data, IMPORT_FORMAT_MARC)

    for number, record in enumerate(records, 1):
        assert read(case.data, IMPORT_FORMAT_MARC, start=record.after) == records[number:]
    if records:
        assert records[-1].after.position <= len(case.data)


def test_a_record_without_an_end_is_passed_over_in_bounded_memory() -> None:
    garbage = b"x" * (3 * MOST_RECORD_BYTES)

    records = read(ONE + garbage + TWO + LATER, IMPORT_FORMAT_MARC)

    assert _titles(records) == ["First", None, "Second", "Third"]
    assert f"more than {MOST_RECORD_BYTES} bytes" in records[1].problems[0].description
    assert read(ONE + garbage + TWO + LATER, IMPORT_FORMAT_MARC, start=records[1].after) == records[2:]


def test_a_file_that_is_one_record_too_long_is_reported_once() -> None:
    [record] = read(ONE[:-1] + b"x" * (2 * MOST_RECORD_BYTES), IMPORT_FORMAT_MARC)

    assert record.book is None
    assert record.control_number == "one"
