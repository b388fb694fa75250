"""Read lines of JSON: an AddBookRequest on each, as `library export` writes books."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

from google.protobuf import json_format
from google.protobuf.message import Message

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library_domain.field_texts import contributor_in, identifier_in
from library_formats.readers.lines import Line, lines
from library_formats.readers.raw import MOST_RECORD_BYTES, shown, whole
from library_formats.records import OpenAt, Place, ReadRecord, RecordProblem

FIELDS = {
    name: field.name
    for field in AddBookRequest.DESCRIPTOR.fields
    if field.name != "request_id"
    for name in (field.name, field.json_name)
}
"""The fields of a line, by each of their names in JSON. Each line is imported once, so it has no request id."""

TEXT_FORMS: dict[str, Callable[[str], Message]] = {"identifiers": identifier_in, "contributors": contributor_in}
"""Lists whose items can also be texts, as `library export` writes them: `ISSN 0317-8471`."""

_MOST_UNKNOWN = 20


def read_json_lines(open_at: OpenAt, start: Place) -> Iterator[ReadRecord]:
    """Yield the books of a file from a place on."""
    for number, line in enumerate(lines(open_at, start.position), start.records + 1):
        book, problems = _book(line)
        yield ReadRecord(number, Place(line.end, number), "", book, (), tuple(problems))


def _book(line: Line) -> tuple[AddBookRequest | None, list[RecordProblem]]:
    if line.is_too_long:
        return None, [whole(f"The line has more than {MOST_RECORD_BYTES} bytes.")]
    try:
        values = json.loads(line.data.decode())
    except UnicodeDecodeError:
        return None, [whole("The line is not UTF-8.")]
    except (ValueError, RecursionError) as problem:
        return None, [whole(f"The line is not JSON: {_reason(problem)}.")]
    if not isinstance(values, dict):
        return None, [whole("The line is not an object of JSON.")]
    unknown = [name for name in values if name not in FIELDS]
    ignored = [RecordProblem(shown(name), "unknown field; it was ignored") for name in unknown[:_MOST_UNKNOWN]]
    book = AddBookRequest()
    wrong: list[RecordProblem] = []
    for name, value in values.items():
        if name in FIELDS:
            wrong += _taken(book, FIELDS[name], value)
    return (None, wrong + ignored) if wrong else (book, ignored)


def _taken(book: AddBookRequest, field: str, value: object) -> list[RecordProblem]:
    """Set a field of a book to a value of JSON; return what is wrong with the value."""
    try:
        if field in TEXT_FORMS and isinstance(value, list):
            in_text = TEXT_FORMS[field]
            value = [json_format.MessageToDict(in_text(item)) if isinstance(item, str) else item for item in value]
        book.MergeFrom(json_format.ParseDict({field: value}, AddBookRequest()))
    except (json_format.ParseError, ValueError, TypeError, RecursionError) as problem:
        return [RecordProblem(field, shown(str(problem)))]
    return []


def _reason(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError):
        return f"{problem.msg} at character {problem.pos + 1}"
    return "it is nested too deeply" if isinstance(problem, RecursionError) else shown(str(problem))
