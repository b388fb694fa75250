"""Read MARCXML as a stream. Entities and document types are refused by defusedxml."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.sax import SAXException, SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces

from defusedxml import DefusedXmlException
from defusedxml.sax import make_parser
from pymarc import Field, Indicators, Leader, Record, Subfield

from library_formats.readers.raw import (
    BAD_CODE,
    MOST_FIELDS,
    MOST_PROBLEMS,
    MOST_RECORD_BYTES,
    RawRecord,
    control_number_of,
    is_control_tag,
    shown,
    usable_leader,
)
from library_formats.records import FileUnreadableError, OpenAt, Place, RecordProblem

NAMESPACES = (
    None,
    "",
    "http://www.loc.gov/MARC21/slim",
    "info:lc/xmlns/marcxchange-v1",
    "info:lc/xmlns/marcxchange-v2",
)
"""Of MARCXML, and of MarcXchange (ISO 25577), which UNIMARC uses. Other elements may enclose records, as in OAI-PMH."""

MOST_NESTED = 50
"""Levels of elements. A record has 3, its envelope a few more."""

MOST_SUBFIELDS = 5_000
"""Of one field."""

SUBFIELD_BYTES = 2
"""What a subfield takes in ISO 2709, in addition to its text."""

MOST_PENDING = 4_000_000
"""Bytes without an end of a tag after which reading ends: the parser would keep all of them."""

_PART = 65_536


def read_marc_xml(open_at: OpenAt, start: Place) -> Iterator[RawRecord]:
    """Yield the records of a file after a place. The file is read from its beginning in any case."""
    handler = _Handler()
    parser = make_parser()
    parser.forbid_dtd = True
    parser.setContentHandler(handler)
    parser.setFeature(feature_namespaces, True)
    position = 0
    try:
        for part in open_at(0):
            for begin in range(0, len(part), _PART):
                piece = part[begin : begin + _PART]
                position += len(piece)
                parser.feed(piece)
                yield from handler.taken(start, position)
                if position - _done(parser) > MOST_PENDING:
                    raise FileUnreadableError(f"a tag of the XML has more than {MOST_PENDING} bytes")
        parser.close()
    except (SAXException, DefusedXmlException, LookupError, ValueError) as problem:
        yield from handler.taken(start, position)
        raise FileUnreadableError(_reason(problem)) from problem
    yield from handler.taken(start, position)
    if not handler.found:
        raise FileUnreadableError("the XML has no MARC record")


def _done(parser: Any) -> int:
    """Return how many bytes the parser has passed on."""
    done: int = parser._parser.CurrentByteIndex
    return max(0, done)


def _reason(problem: Exception) -> str:
    if isinstance(problem, DefusedXmlException):
        return "the XML has a document type or entities, which are refused"
    if isinstance(problem, SAXParseException):
        # Columns are counted from 0 here, from 1 in editors.
        place = f"line {problem.getLineNumber()}, column {(problem.getColumnNumber() or 0) + 1}"
        reason = problem.getMessage().removeprefix("not well-formed ").strip("()")
        return f"the XML is not well-formed at {place}: {shown(reason)}"
    return f"the XML is not well-formed: {shown(str(problem))}"


class _Handler(ContentHandler):
    """Makes records of the elements of a file."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0
        """Records so far."""
        self.records: list[tuple[int, Record, tuple[RecordProblem, ...]]] = []
        """Records that were not taken yet."""
        self.depth = 0
        self.record: Record | None = None
        self.problems: list[RecordProblem] = []
        self.size = 0
        """Characters of the record's texts, and what its subfields take."""
        self.field: Field | None = None
        self.tag = ""
        self.code = ""
        self.text: list[str] | None = None
        """The parts of a text that is read; None outside of one."""

    def taken(self, start: Place, position: int) -> Iterator[RawRecord]:
        """Yield the records that were read since the last call, except those before a place."""
        records, self.records = self.records, []
        for number, record, problems in records:
            if number > start.records:
                control_number = control_number_of(record)
                is_whole = not any(problem.description in _FATAL for problem in problems)
                yield RawRecord(number, Place(position, number), control_number, record if is_whole else None, problems)

    def startElementNS(self, name: tuple[str | None, str], qname: str | None, attrs: Any) -> None:  # noqa: N802
        self.depth += 1
        if self.depth > MOST_NESTED:
            raise FileUnreadableError(f"the XML is nested more than {MOST_NESTED} levels deep")
        if name[0] not in NAMESPACES:
            return
        element = name[1]
        if element == "record":
            if self.record is not None and self.record.fields:
                self._note("", NESTED)
                self._end_record(self.record)
            self.record, self.problems, self.size, self.field, self.text = Record(), [], 0, None, None
            self.record.leader = Leader(" " * 24)
        elif self.record is not None and element in _STARTS:
            self.text = [] if element != "datafield" else None
            self._begin(element, {local: value for (_, local), value in attrs.items()})

    def _begin(self, element: str, attributes: dict[str, str]) -> None:
        if element == "subfield":
            self.code = attributes.get("code", "")
        elif element != "leader":
            self.tag = attributes.get("tag", "")
            is_control = element == "controlfield"
            if (
                len(self.tag) != 3
                or not self.tag.isascii()
                or not self.tag.isalnum()
                or is_control_tag(self.tag) != is_control
            ):
                self._note(shown(self.tag)[:3], f"The {element} has the tag {shown(self.tag)!r}; it was left out.")
                self.field = None
                self.tag = ""
            elif not is_control:
                first, second = (attributes.get(name, " ")[:1] or " " for name in ("ind1", "ind2"))
                self.field = Field(self.tag, Indicators(first, second), [])

    def characters(self, content: str) -> None:
        if self.text is None or self.record is None:
            return
        if self._has_room(len(content)):
            self.text.append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: N802
        self.depth -= 1
        record, element = self.record, name[1]
        if name[0] not in NAMESPACES or record is None:
            return
        text = "".join(self.text or ())
        if element == "record":
            self._end_record(record)
        elif element == "leader":
            record.leader = Leader(usable_leader(text, self.problems))
        elif element == "controlfield" and self.tag:
            self._add(Field(self.tag, data=text))
        elif element == "datafield" and self.field is not None:
            self._add(self.field)
            self.field = None
        elif element == "subfield" and self.field is not None:
            self._add_subfield(self.field, text)
        if element in _STARTS:
            self.text = None

    def _end_record(self, record: Record) -> None:
        self.found += 1
        self.records.append((self.found, record, tuple(self.problems)))
        self.record = None

    def _add(self, field: Field) -> None:
        assert self.record is not None
        if len(self.record.fields) < MOST_FIELDS:
            self.record.fields.append(field)
        else:
            self._note("", TOO_MANY_FIELDS)

    def _add_subfield(self, field: Field, text: str) -> None:
        if len(self.code) != 1:
            self._note(field.tag, BAD_CODE)
        elif len(field.subfields) >= MOST_SUBFIELDS:
            self._note("", TOO_MANY_FIELDS)
        elif self._has_room(SUBFIELD_BYTES):
            field.subfields.append(Subfield(self.code, text))

    def _has_room(self, size: int) -> bool:
        """Count a part of the record; return whether the record can have it."""
        self.size += size
        if self.size > MOST_RECORD_BYTES:
            self._note("", TOO_LONG)
        return self.size <= MOST_RECORD_BYTES

    def _note(self, field: str, description: str) -> None:
        problem = RecordProblem(field, description)
        is_fatal = description in _FATAL
        if problem not in self.problems and (is_fatal or len(self.problems) < MOST_PROBLEMS):
            self.problems.append(problem)


TOO_LONG = f"The record has more than {MOST_RECORD_BYTES} characters."
TOO_MANY_FIELDS = f"The record has more than {MOST_FIELDS} fields, or a field more than {MOST_SUBFIELDS} subfields."
NESTED = "Another record begins within the record."
_FATAL = (TOO_LONG, TOO_MANY_FIELDS, NESTED)
_STARTS = ("leader", "controlfield", "datafield", "subfield")
