"""What the fuzzer calls with its bytes: a reader, and what must be true of all that it reads."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_JSON_LINES,
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    ITEM_FIELD_UNSPECIFIED,
    MARC_MAPPING_MARC21,
    MARC_MAPPING_UNIMARC,
    ImportFormat,
    MarcMapping,
)
from library.v1.book_pb2 import Book
from library_formats.formats import FAILED, read_records, recognized
from library_formats.records import FileUnreadableError, Place, ReadingOptions, ReadRecord
from service_kit.validation import problems
from tests.support.marc_cases.bytes_of_files import FILE_CASES
from tests.support.marc_cases.making import iso, record
from tests.support.marc_cases.marc21 import FIELD_CASES
from tests.support.marc_cases.unimarc import UNIMARC_CASES
from tests.support.marc_files import opened, written

SMALL_PART = 61


@dataclass(frozen=True)
class Target:
    """A reader with the options of an import."""

    form: ImportFormat.ValueType
    mapping: MarcMapping.ValueType = MARC_MAPPING_MARC21

    def __call__(self, data: bytes) -> None:
        """Read a file. Raises AssertionError, or what the reader should not raise."""
        recognized(data, "", self.mapping)
        records, reason = self._read(data, Place(), 65_536)
        assert len(records) <= len(data)
        assert [found.number for found in records] == list(range(1, len(records) + 1))
        positions = [found.after.position for found in records]
        assert positions == sorted(positions)
        assert not positions or positions[-1] <= len(data)
        for found in records:
            assert found.book is not None or found.problems
            assert FAILED not in {problem.description for problem in found.problems}
            # The contract's limits are checked by the reader of MARC; of lines of JSON, by the import.
            assert found.book is None or self.form == IMPORT_FORMAT_JSON_LINES or not problems(found.book)
        again, same_reason = self._read(data, Place(), SMALL_PART)
        assert _without_places(again) == _without_places(records)
        assert bool(same_reason) == bool(reason)
        if records:
            middle = records[len(records) // 2]
            rest, _ = self._read(data, middle.after, 65_536)
            assert _without_places(rest) == _without_places(records[middle.number :])

    def _read(self, data: bytes, start: Place, part: int) -> tuple[list[ReadRecord], str]:
        records: list[ReadRecord] = []
        options = ReadingOptions(self.form, self.mapping, ITEM_FIELD_UNSPECIFIED)
        try:
            for found in read_records(opened(data, part), options, start):
                records.append(found)  # noqa: PERF402 - those before the error count
        except FileUnreadableError as problem:
            return records, str(problem)
        return records, ""


def _without_places(records: Iterable[ReadRecord]) -> list[tuple[object, ...]]:
    """Return records without their places: that of XML depends on the parts in which the file was read."""
    return [(found.number, found.control_number, found.book, found.items, found.problems) for found in records]


TARGETS = {
    "marc": Target(IMPORT_FORMAT_MARC),
    "unimarc": Target(IMPORT_FORMAT_MARC, MARC_MAPPING_UNIMARC),
    "marcxml": Target(IMPORT_FORMAT_MARC_XML),
    "marcjson": Target(IMPORT_FORMAT_MARC_JSON),
    "jsonl": Target(IMPORT_FORMAT_JSON_LINES),
}


def seeds(name: str) -> list[bytes]:
    """Return the files with which the fuzzer begins."""
    if name == "marc":
        return [case.data for case in FILE_CASES if len(case.data) < 2_000]
    if name == "unimarc":
        return [iso(*case.lines, leader=case.leader) for case in UNIMARC_CASES]
    if name == "jsonl":
        return [b'{"title": "A", "authors": ["B"], "identifiers": ["ISSN 0317-8471"], "copies": 2, "x": null}\n' * 2]
    made = [record(*case.lines, leader=case.leader) for case in FIELD_CASES if sum(map(len, case.lines)) < 500]
    if name == "marcjson":
        return [json.dumps(one.as_dict()).encode() for one in made] + [written("marcjson", [(Book(title="A"), [])] * 2)]
    return [written("marcxml", [(Book(title="A", description="B"), [])] * 2)]
