"""Read MARC records in ISO 2709. pymarc decodes each record; what is wrong with one does not affect the next."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator

from pymarc import Field, Indicators, Leader, Record, Subfield
from pymarc.exceptions import PymarcException
from pymarc.field import RawField

from library.admin.v1.import_service_pb2 import MarcMapping
from library_formats.readers.charsets import Decoded, charset_of
from library_formats.readers.pieces import LEADER_BYTES, LONGEST_STATED, TERMINATOR, Piece, pieces, stated_length
from library_formats.readers.raw import (
    BAD_CODE,
    LONGEST_CONTROL_NUMBER,
    MOST_FIELDS,
    MOST_RECORD_BYTES,
    RawRecord,
    control_number_of,
    is_control_tag,
    shown,
    whole,
)
from library_formats.records import OpenAt, Place, RecordProblem

FIELD_END = b"\x1e"
SUBFIELD = b"\x1f"
ENTRY_BYTES = 12

_DIRECTORY = re.compile(rb"(?:[0-9A-Za-z]{3}[0-9]{9})*")
_BAD_CODE = re.compile(rb"\x1f[\x80-\xff]")
UNREADABLE_CODE = "?"
_PROBLEMS_OF_TEXTS = 5
"""Fields with unreadable characters that are named one by one."""

# It logs a warning for each field without indicators, which Python would print on standard error.
logging.getLogger("pymarc").setLevel(logging.ERROR)


class RecordUnreadableError(Exception):
    """A record cannot be read. Its text says why."""


def read_iso2709(open_at: OpenAt, start: Place, mapping: MarcMapping.ValueType) -> Iterator[RawRecord]:
    """Yield the records of a file from a place on."""
    for number, piece in enumerate(pieces(open_at, start), start.records + 1):
        yield _read(piece, number, mapping)


def _read(piece: Piece, number: int, mapping: MarcMapping.ValueType) -> RawRecord:
    after = Place(piece.end, number)
    try:
        record, problems = _decoded(piece, mapping)
    except RecordUnreadableError as problem:
        return RawRecord(number, after, _control_number(piece.data), None, (whole(str(problem)),))
    return RawRecord(number, after, control_number_of(record), record, tuple(problems))


def _decoded(piece: Piece, mapping: MarcMapping.ValueType) -> tuple[Record, list[RecordProblem]]:
    data = piece.data
    if piece.is_too_long:
        raise RecordUnreadableError(f"The record has more than {MOST_RECORD_BYTES} bytes.")
    if piece.is_cut:
        raise RecordUnreadableError(
            f"The record is cut off: its leader states {stated_length(data)} bytes, {len(data)} are there."
            if stated_length(data)
            else f"These {len(data)} bytes are not a MARC record: {shown(data[:40].decode('latin-1'))}"
        )
    problems: list[RecordProblem] = []
    leader, base = _leader(data, problems)
    fields = _fields(data, leader, base, problems)
    stated = _stated_characters(fields)
    decoded, problem = charset_of(data, leader, stated, mapping)
    if problem:
        problems.append(problem)
    record = Record(leader=leader)
    record.leader = Leader(leader)
    faulty: dict[str, int] = {}
    record.fields += (_with_texts(field, decoded, faulty) for field in fields)
    problems += [
        RecordProblem(tag, f"{count} characters are not in the record's character set, and were left out.")
        for tag, count in list(faulty.items())[:_PROBLEMS_OF_TEXTS]
    ]
    return record, problems


def _leader(data: bytes, problems: list[RecordProblem]) -> tuple[str, int]:
    """Return the leader, with the lengths that the record has, and the position of its first field."""
    base = data.find(FIELD_END) + 1
    if base <= LEADER_BYTES or len(data) <= base + len(TERMINATOR):
        raise RecordUnreadableError(f"The record has no fields: {shown(data[:40].decode('latin-1'))}")
    length = stated_length(data)
    # Systems that write longer records state 99999, or the last five digits.
    if length != len(data) and len(data) <= LONGEST_STATED:
        problems.append(
            whole(f"The leader states {length} bytes, but the record has {len(data)}; it was read to its end.")
        )
    leader = "".join(chr(byte) if 0x20 <= byte < 0x7F else " " for byte in data[:LEADER_BYTES])
    return f"{min(len(data), LONGEST_STATED):05}{leader[5:12]}{min(base, LONGEST_STATED):05}{leader[17:]}", base


def _fields(data: bytes, leader: str, base: int, problems: list[RecordProblem]) -> list[RawField]:
    directory = data[LEADER_BYTES : base - 1]
    if len(directory) // ENTRY_BYTES > MOST_FIELDS:
        raise RecordUnreadableError(f"The record has more than {MOST_FIELDS} fields.")
    if _BAD_CODE.search(data):
        data = _BAD_CODE.sub(SUBFIELD + UNREADABLE_CODE.encode(), data)
        problems.append(whole(BAD_CODE))
    if _is_sound(data, directory, base):
        try:
            return Record(leader.encode() + data[LEADER_BYTES:], to_unicode=False).fields  # type: ignore[return-value]
        except (PymarcException, ValueError, IndexError) as problem:
            raise RecordUnreadableError(f"The record cannot be decoded: {shown(str(problem))}") from problem
    problems.append(whole("The directory does not fit the fields; they were read in its order, up to their ends."))
    return _in_order(data, directory, base)


def _is_sound(data: bytes, directory: bytes, base: int) -> bool:
    """Return whether each entry of the directory is a whole field. pymarc would cut the fields of another silently."""
    if not directory or not _DIRECTORY.fullmatch(directory) or base > LONGEST_STATED:
        return False
    for at in range(0, len(directory), ENTRY_BYTES):
        length = int(directory[at + 3 : at + 7])
        end = base + int(directory[at + 7 : at + 12]) + length
        if length < 1 or data[end - 1 : end] != FIELD_END or data.find(FIELD_END, end - length, end) != end - 1:
            return False
    return True


def _in_order(data: bytes, directory: bytes, base: int) -> list[RawField]:
    """Return the fields of a record by the order of the tags in its directory, without its lengths."""
    contents = data[base:].rstrip(TERMINATOR).split(FIELD_END)
    if contents and not contents[-1]:
        contents.pop()
    tags = [directory[at : at + 3] for at in range(0, len(directory), ENTRY_BYTES)]
    if len(tags) != len(contents) or len(directory) % ENTRY_BYTES or not all(tag.isalnum() for tag in tags):
        raise RecordUnreadableError(
            f"The directory is damaged: it has {len(directory)} bytes, {ENTRY_BYTES} for each field, but the record "
            f"has {len(contents)} fields."
        )
    return [_raw_field(tag.decode(), content) for tag, content in zip(tags, contents, strict=True)]


def _raw_field(tag: str, content: bytes) -> RawField:
    if is_control_tag(tag):
        return RawField(tag, data=content)  # type: ignore[arg-type]
    indicators, *subfields = content.split(SUBFIELD)
    pair = indicators.decode("ascii", "replace").ljust(2)
    return RawField(
        tag,
        Indicators(pair[0], pair[1]),
        [Subfield(text[:1].decode(), text[1:]) for text in subfields if text],  # type: ignore[arg-type]
    )


def _stated_characters(fields: list[RawField]) -> str:
    """Return what field 100 $a of a UNIMARC record states on its character sets."""
    for field in fields:
        if field.tag == "100" and field.subfields:
            return _bytes(field.subfields[0].value)[26:34].decode("ascii", "replace")
    return ""


def _with_texts(field: RawField, decoded: Decoded, faulty: dict[str, int]) -> Field:
    def text(data: object) -> str:
        decoded_text, wrong = decoded(_bytes(data))
        if wrong:
            faulty[field.tag] = faulty.get(field.tag, 0) + wrong
        return decoded_text

    if field.control_field:
        return Field(field.tag, data=text(field.data))
    subfields = [Subfield(part.code, text(part.value)) for part in field.subfields if part.code != UNREADABLE_CODE]
    return Field(field.tag, field.indicators, subfields)


def _bytes(value: object) -> bytes:
    """Return a text of a RawField, which is of bytes in spite of its type."""
    return value if isinstance(value, bytes) else b""


def _control_number(data: bytes) -> str:
    """Return field 001 of a record that cannot be read, if it can be found: it is the first one."""
    if data[LEADER_BYTES : LEADER_BYTES + 3] != b"001":
        return ""
    content, end, _ = data.partition(FIELD_END)[2].partition(FIELD_END)
    if not end:
        return ""
    text = content.decode("latin-1").strip()
    return text if len(text) <= LONGEST_CONTROL_NUMBER and text.isprintable() else ""
