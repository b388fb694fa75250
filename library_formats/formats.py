"""Recognize the format of a file, and read its records."""

from __future__ import annotations

import re
from collections.abc import Iterator

from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_JSON_LINES,
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    IMPORT_FORMAT_UNSPECIFIED,
    MARC_MAPPING_UNSPECIFIED,
    ImportFormat,
    MarcMapping,
)
from library_formats.mapping.apply import mapped
from library_formats.readers.iso2709 import read_iso2709
from library_formats.readers.json_lines import read_json_lines
from library_formats.readers.marc_json import read_marc_json
from library_formats.readers.marc_xml import read_marc_xml
from library_formats.readers.raw import RawRecord, whole
from library_formats.records import FileUnreadableError, OpenAt, Place, ReadingOptions, ReadRecord
from service_kit.logs import logger

RECOGNIZED_BY = 4_096
"""Bytes at the beginning of a file by which its format is recognized."""

CONTENT_TYPES = {
    "application/marc": IMPORT_FORMAT_MARC,
    "application/marcxml+xml": IMPORT_FORMAT_MARC_XML,
    "application/xml": IMPORT_FORMAT_MARC_XML,
    "text/xml": IMPORT_FORMAT_MARC_XML,
    "application/marc-in-json": IMPORT_FORMAT_MARC_JSON,
    "application/marc+json": IMPORT_FORMAT_MARC_JSON,
    "application/json": IMPORT_FORMAT_MARC_JSON,
    "application/jsonl": IMPORT_FORMAT_JSON_LINES,
    "application/x-ndjson": IMPORT_FORMAT_JSON_LINES,
}

log = logger(__name__)

FAILED = "was left out, because the server failed to read it; the log of the server has the reason"

_UTF_16 = (b"\xff\xfe", b"\xfe\xff", b"<\0", b"\0<")
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLANKS = b" \t\r\n\v\f\0"
_LEADER = re.compile(rb"(?:\d{5}[\x20-\x7e]{5}|[ ]{0,5}[acdnp][a-z][\x20-\x7e]{3})[0-9 ]{2}\d{5}")
_MARC_JSON = re.compile(rb"[\[\s]*\{\s*\"(?:leader|fields)\"\s*:")


def recognized(first_bytes: bytes, content_type: str, mapping: MarcMapping.ValueType) -> ImportFormat.ValueType:
    """Return the format of a file by its first bytes, or by its content type; UNSPECIFIED for an unknown one.

    Args:
        first_bytes: At least `RECOGNIZED_BY` bytes, if the file has as many.
        content_type: Of an HTTP request, or empty.
        mapping: As the import has it. If it is set, the file has MARC records.
    """
    beginning = first_bytes.removeprefix(_BYTE_ORDER_MARK).lstrip(_BLANKS)
    if beginning.startswith(b"<") or first_bytes.startswith(_UTF_16):
        return IMPORT_FORMAT_MARC_XML
    if _LEADER.match(beginning):
        return IMPORT_FORMAT_MARC
    if beginning.startswith((b"{", b"[")):
        is_marc = mapping != MARC_MAPPING_UNSPECIFIED or beginning.startswith(b"[") or _MARC_JSON.match(beginning)
        return IMPORT_FORMAT_MARC_JSON if is_marc else IMPORT_FORMAT_JSON_LINES
    return CONTENT_TYPES.get(content_type.partition(";")[0].strip().lower(), IMPORT_FORMAT_UNSPECIFIED)


def read_records(open_at: OpenAt, options: ReadingOptions, start: Place) -> Iterator[ReadRecord]:
    """Yield the records of a file from a place on, each with what is wrong with it.

    Raises:
        FileUnreadableError: For a file that cannot be read any further, after its last readable record.
    """
    if options.format == IMPORT_FORMAT_JSON_LINES:
        yield from read_json_lines(open_at, start)
    else:
        for record in _raw_records(open_at, options, start):
            yield _mapped(record, options)


def _mapped(record: RawRecord, options: ReadingOptions) -> ReadRecord:
    """Return a record with its book. If the mapping itself fails, only this record is left out."""
    try:
        return mapped(record, options.mapping, options.items)
    except Exception:
        log.exception("a record failed and is left out", record=record.number)
        return ReadRecord(record.number, record.after, record.control_number, None, (), (whole(FAILED),))


def _raw_records(open_at: OpenAt, options: ReadingOptions, start: Place) -> Iterator[RawRecord]:
    if options.format == IMPORT_FORMAT_MARC:
        return read_iso2709(open_at, start, options.mapping)
    if options.format == IMPORT_FORMAT_MARC_XML:
        return read_marc_xml(open_at, start)
    if options.format == IMPORT_FORMAT_MARC_JSON:
        return read_marc_json(open_at, start)
    raise FileUnreadableError("its format is unknown")
