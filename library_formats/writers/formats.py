"""Write MARC records in ISO 2709, in XML (MARC21slim) and in JSON, one after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from xml.etree import ElementTree

from pymarc import Record, record_to_xml_node

LONGEST_RECORD = 99_999
LONGEST_FIELD = 9_999
NAMESPACE = "http://www.loc.gov/MARC21/slim"

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

Write = Callable[[bytes], object]
WriteRecord = Callable[[Record], None]


class RecordUnwritableError(Exception):
    """A record does not fit the format. Its text says why, and what to do."""


@contextmanager
def iso2709(write: Write) -> Iterator[WriteRecord]:
    """Yield a function that writes a record in ISO 2709, in UTF-8."""

    def write_record(record: Record) -> None:
        data: bytes = record.as_marc()
        longest = max(len(field.as_marc("utf-8")) for field in record.fields)
        if len(data) > LONGEST_RECORD or longest > LONGEST_FIELD:
            raise RecordUnwritableError(
                f"it needs {len(data)} bytes, its longest field {longest}, but ISO 2709 can state {LONGEST_RECORD} and "
                f"{LONGEST_FIELD} at most; write XML or JSON instead"
            )
        write(data)

    yield write_record


@contextmanager
def marc_xml(write: Write) -> Iterator[WriteRecord]:
    """Yield a function that writes a record in XML."""

    def write_record(record: Record) -> None:
        node: ElementTree.Element = record_to_xml_node(record)
        text = ElementTree.tostring(node, encoding="unicode")
        wrong = _NOT_XML.search(text)
        if wrong:
            raise RecordUnwritableError(f"it has the character U+{ord(wrong[0]):04X}, which XML cannot contain")
        # A parser would make a line feed of a carriage return that is not written as a reference.
        write(text.replace("\r", "&#13;").encode() + b"\n")

    write(f'<?xml version="1.0" encoding="UTF-8"?>\n<collection xmlns="{NAMESPACE}">\n'.encode())
    yield write_record
    write(b"</collection>\n")


@contextmanager
def marc_json(write: Write) -> Iterator[WriteRecord]:
    """Yield a function that writes a record in JSON, as part of an array."""
    count = 0

    def write_record(record: Record) -> None:
        nonlocal count
        write(b",\n" if count else b"[\n")
        count += 1
        write(json.dumps(record.as_dict(), ensure_ascii=False, separators=(",", ":")).encode())

    yield write_record
    write(b"\n]\n" if count else b"[]\n")


MarcWriter = Callable[[Write], AbstractContextManager[WriteRecord]]

MARC_WRITERS: Mapping[str, MarcWriter] = {"marc": iso2709, "marcxml": marc_xml, "marcjson": marc_json}
"""The writers by the name of their format in `library export`."""
