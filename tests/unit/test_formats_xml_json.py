"""MARCXML, MARC-in-JSON and lines of JSON: what is refused, what is bounded, and where reading goes on."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_JSON_LINES,
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    IMPORT_FORMAT_UNSPECIFIED,
    ITEM_FIELD_UNSPECIFIED,
    MARC_MAPPING_MARC21,
    MARC_MAPPING_UNIMARC,
    MARC_MAPPING_UNSPECIFIED,
    ImportFormat,
    MarcMapping,
)
from library_domain.field_texts import contributor_texts, identifier_texts
from library_formats import formats
from library_formats.formats import FAILED, read_records, recognized
from library_formats.mapping.apply import mapped
from library_formats.readers.marc_json import MOST_NESTED
from library_formats.readers.marc_xml import MOST_SUBFIELDS
from library_formats.readers.raw import BAD_CODE, MOST_FIELDS, MOST_MARKUP_BYTES, MOST_RECORD_BYTES, RawRecord
from library_formats.records import FileUnreadableError, Place, ReadingOptions, ReadRecord, RecordProblem
from tests.support.marc_cases.making import iso, record
from tests.support.marc_files import opened, read

MARCXML = "http://www.loc.gov/MARC21/slim"


def _titles(records: list[ReadRecord]) -> list[str | None]:
    return [found.book.title if found.book else None for found in records]


def _xml_record(title: str, control_number: str = "one", more: str = "") -> str:
    return (
        f'<record><leader>00000nam a2200000 i 4500</leader><controlfield tag="001">{control_number}</controlfield>'
        f'<datafield tag="245" ind1="0" ind2="0"><subfield code="a">{title}</subfield></datafield>{more}</record>'
    )


def _collection(*records: str, namespace: str = MARCXML) -> str:
    return f'<collection xmlns="{namespace}">{"".join(records)}</collection>'


def _until_unreadable(data: bytes, form: ImportFormat.ValueType) -> tuple[list[str | None], str]:
    """Return the titles of the records before the point where reading ends, and why it ends."""
    titles: list[str | None] = []
    options = ReadingOptions(form, MARC_MAPPING_MARC21, ITEM_FIELD_UNSPECIFIED)
    with pytest.raises(FileUnreadableError) as caught:  # noqa: PT012
        for found in read_records(opened(data), options, Place()):
            titles += _titles([found])
    return titles, str(caught.value)


XML_FILES = {
    "a collection": (_collection(_xml_record("First"), _xml_record("Second")).encode(), ["First", "Second"]),
    "one record": (_xml_record("First").encode(), ["First"]),
    "no namespace": (f"<collection>{_xml_record('First')}</collection>".encode(), ["First"]),
    "a prefix": (
        (
            f'<m:collection xmlns:m="{MARCXML}"><m:record><m:datafield tag="245"><m:subfield code="a">First'
            "</m:subfield></m:datafield></m:record></m:collection>"
        ).encode(),
        ["First"],
    ),
    "MarcXchange": (_collection(_xml_record("First"), namespace="info:lc/xmlns/marcxchange-v2").encode(), ["First"]),
    "an envelope of OAI-PMH": (
        (
            '<OAI-PMH xmlns="http://www.openarchives.org/OAI/2.0/"><ListRecords><record><header/><metadata>'
            f"{_collection(_xml_record('First'))}</metadata></record></ListRecords></OAI-PMH>"
        ).encode(),
        ["First"],
    ),
    "UTF-16": (
        f'<?xml version="1.0" encoding="UTF-16"?>{_collection(_xml_record("Café 日本"))}'.encode("utf-16"),
        ["Café 日本"],
    ),
    "ISO 8859-1": (f'<?xml version="1.0" encoding="ISO-8859-1"?>{_xml_record("Café")}'.encode("latin-1"), ["Café"]),
    "Windows-1252": (
        f'<?xml version="1.0" encoding="windows-1252"?>{_xml_record("“Café”")}'.encode("cp1252"),
        ["“Café”"],
    ),
    "references to characters": (_xml_record("A &amp; B &#x65E5;").encode(), ["A & B 日"]),
    "CDATA": (_xml_record("<![CDATA[A & <B>]]>").encode(), ["A & <B>"]),
    "comments within": (_xml_record("A<!-- no -->B").encode(), ["AB"]),
    "a record within a record": (
        _collection(_xml_record("First", more=_xml_record("Second")), _xml_record("Third")).encode(),
        [None, "Second", "Third"],
    ),
    "a record as an envelope": (f"<record>{_xml_record('First')}</record>".encode(), ["First"]),
    "no title": (_collection(_xml_record(""), _xml_record("Second")).encode(), [None, "Second"]),
}


@pytest.mark.parametrize(("data", "titles"), XML_FILES.values(), ids=XML_FILES)
def test_forms_of_xml(data: bytes, titles: list[str | None]) -> None:
    for part in (1, 50, 65_536):
        assert _titles(read(data, IMPORT_FORMAT_MARC_XML, part=part)) == titles


ENTITIES = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
EXTERNAL = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
BAD_XML = {
    "entities": (f"{ENTITIES}{_xml_record('&b;')}", [], "document type or entities"),
    "an external entity": (f"{EXTERNAL}{_xml_record('&a;')}", [], "document type or entities"),
    "a document type": (f'<!DOCTYPE collection SYSTEM "x.dtd">{_xml_record("A")}', [], "document type or entities"),
    "an unknown entity": (_collection(_xml_record("First"), _xml_record("&x;")), ["First"], "not well-formed"),
    "an unclosed tag": (_collection(_xml_record("First"), "<record>"), ["First"], "not well-formed"),
    "cut off": (_collection(_xml_record("First"), _xml_record("Second"))[:-80], ["First"], "not well-formed"),
    "a control character": (_collection(_xml_record("First"), _xml_record("\x01")), ["First"], "not well-formed"),
    "an unknown encoding": ('<?xml version="1.0" encoding="x-unknown"?><record/>', [], "not well-formed"),
    "a codec that is not an encoding": ('<?xml version="1.0" encoding="rot13"?><record/>', [], "not well-formed"),
    "nested too deeply": ("<a>" * 60, [], "nested more than 50"),
    "no record": ("<html><body>Not found</body></html>", [], "no MARC record"),
    "a tag of 5 MB": (f"<record {'a' * 5_000_000}", [], "more than 4000000 bytes"),
}


@pytest.mark.parametrize(("text", "titles", "problem"), BAD_XML.values(), ids=BAD_XML)
def test_xml_that_cannot_be_read_any_further(text: str, titles: list[str | None], problem: str) -> None:
    found, reason = _until_unreadable(text.encode(), IMPORT_FORMAT_MARC_XML)

    assert found == titles
    assert problem in reason


def test_the_place_of_an_error_in_xml_is_named_as_editors_count() -> None:
    _, reason = _until_unreadable(b"<collection>\n<record>A & B</record></collection>", IMPORT_FORMAT_MARC_XML)
    assert reason == "the XML is not well-formed at line 2, column 12: invalid token"


def test_xml_is_read_again_from_its_beginning_and_goes_on_after_a_record() -> None:
    data = _collection(*(_xml_record(f"Book {number}", str(number)) for number in range(300))).encode()
    records = read(data, IMPORT_FORMAT_MARC_XML)

    for number in (1, 150, 299, 300):
        after = records[number - 1].after
        assert read(data, IMPORT_FORMAT_MARC_XML, start=after) == records[number:]
        assert 0 < after.position <= len(data)
    assert [found.control_number for found in records] == [str(number) for number in range(300)]


MOST_EMPTY_SUBFIELDS = '<subfield code="a"/>' * (MOST_SUBFIELDS - 1)
BAD_RECORDS = {
    "too many characters": (
        f'<datafield tag="500"><subfield code="a">{"x" * (MOST_RECORD_BYTES + 1)}</subfield></datafield>',
        True,
    ),
    "too many fields": ('<datafield tag="500"/>' * (MOST_FIELDS + 1), True),
    "too many subfields": (
        f'<datafield tag="500">{MOST_EMPTY_SUBFIELDS}</datafield>' * (MOST_RECORD_BYTES // 9_900),
        True,
    ),
    "a tag of four digits": ('<datafield tag="2451"><subfield code="a">x</subfield></datafield>', False),
    "no tag": ('<datafield><subfield code="a">x</subfield></datafield>', False),
    "a control field with a tag of others": ('<controlfield tag="245">x</controlfield>', False),
    "a data field with a tag of control fields": (
        '<datafield tag="008"><subfield code="a">x</subfield></datafield>',
        False,
    ),
    "a leader of 5 characters": ("<leader>00000</leader>", False),
}


@pytest.mark.parametrize(("more", "is_left_out"), BAD_RECORDS.values(), ids=BAD_RECORDS)
def test_a_bad_record_in_xml_costs_no_other(more: str, is_left_out: bool) -> None:
    data = _collection(_xml_record("First", more=more), _xml_record("Second")).encode()

    first, second = read(data, IMPORT_FORMAT_MARC_XML)

    assert _titles([first, second]) == [None if is_left_out else "First", "Second"]
    assert (first.control_number, len(first.problems), second.problems) == ("one", 1, ())


JSON_RECORD = json.dumps(record("001 one", '245 00 $aFi{r}s[t "\\').as_dict())
JSON_TITLE = 'Fi{r}s[t "\\'
JSON_FILES: dict[str, tuple[str, list[str | None]]] = {
    "one object": (JSON_RECORD, [JSON_TITLE]),
    "an array": (f"[{JSON_RECORD},{JSON_RECORD}]", [JSON_TITLE] * 2),
    "lines": (f"{JSON_RECORD}\n{JSON_RECORD}\n", [JSON_TITLE] * 2),
    "an object over several lines": (json.dumps(json.loads(JSON_RECORD), indent=2), [JSON_TITLE]),
    "a byte order mark": (f"\ufeff{JSON_RECORD}", [JSON_TITLE]),
    "an empty array": ("[]", []),
    "other values": (f"[1, {JSON_RECORD}, null]", [None, JSON_TITLE, None]),
    "an object that is not a record": (f'[{{"a": 1}}, {JSON_RECORD}]', [None, JSON_TITLE]),
    "broken JSON within an object": (f'[{{"fields": [1, ]}}, {JSON_RECORD}]', [None, JSON_TITLE]),
    "the last one is cut": (f"[{JSON_RECORD}, {JSON_RECORD[:60]}", [JSON_TITLE, None]),
    "fields of other forms": ('{"fields": [1, {"245": 2}, {"24": {}}, {"245": {"subfields": [{"a": "A"}]}}]}', ["A"]),
    "texts of other types": ('{"fields": [{"001": 5}, {"245": {"subfields": [{"a": 5}]}}]}', [None]),
    "nested too deeply": (f'[{{"fields": {"[" * 100}{"]" * 100}}}, {JSON_RECORD}]', [None, JSON_TITLE]),
    "a huge number": (f'[{{"fields": {"9" * 5_000}}}, {JSON_RECORD}]', [None, JSON_TITLE]),
    "half of a surrogate": (
        f'[{{"fields": [{{"245": {{"subfields": [{{"a": "\\ud800"}}]}}}}]}}, {JSON_RECORD}]',
        [None, JSON_TITLE],
    ),
}


@pytest.mark.parametrize(("text", "titles"), JSON_FILES.values(), ids=JSON_FILES)
def test_forms_of_json(text: str, titles: list[str | None]) -> None:
    data = text.encode()
    records = read(data, IMPORT_FORMAT_MARC_JSON)

    assert _titles(records) == titles, records
    for part in (1, 7):
        assert read(data, IMPORT_FORMAT_MARC_JSON, part=part) == records
    for number, found in enumerate(records, 1):
        assert read(data, IMPORT_FORMAT_MARC_JSON, start=found.after) == records[number:]


def test_a_subfield_without_a_code_is_left_out_and_reported() -> None:
    subfields = [{"": "B1", "pp": "B2"}, {"c": "Shelf"}]
    fields = [{"245": {"subfields": [{"a": "T"}]}}, {"952": {"subfields": subfields}}]
    bad = "".join(f"<subfield{code}>B1</subfield>" for code in ("", ' code=""', ' code="pp"'))
    more = f'<datafield tag="952">{bad}<subfield code="c">Shelf</subfield></datafield>'

    for found in (
        *read(json.dumps({"leader": "", "fields": fields}).encode(), IMPORT_FORMAT_MARC_JSON),
        *read(_collection(_xml_record("T", more=more)).encode(), IMPORT_FORMAT_MARC_XML),
    ):
        assert [(item.barcode, item.shelf) for item in found.items] == [("", "Shelf")]
        assert RecordProblem("952", BAD_CODE) in found.problems


def test_an_object_that_is_too_long_is_passed_over_in_bounded_memory() -> None:
    def parts(position: int) -> Iterator[bytes]:
        yield b'[{"001": "x", "fields": ["'
        for _ in range(100):
            yield b'\\"' * 50_000
        yield b'"]},' + JSON_RECORD.encode() + b"]"

    options = ReadingOptions(IMPORT_FORMAT_MARC_JSON, MARC_MAPPING_MARC21, ITEM_FIELD_UNSPECIFIED)
    tracemalloc.start()
    first, second = read_records(parts, options, Place())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (first.book, first.control_number) == (None, "x")
    assert str(MOST_MARKUP_BYTES) in first.problems[0].description
    assert second.book is not None
    assert peak < 2 * MOST_MARKUP_BYTES  # of 10 MB


TEXT_FORMS = {
    "title": "A",
    "publishedYear": 1984,
    "contributors": ["B (translator)"],
    "identifiers": ["ISSN 0317-8471", {"type": "IDENTIFIER_TYPE_OCLC", "value": "1"}],
}


def test_lines_of_json() -> None:
    lines = [
        '{"title": "A", "authors": ["B"], "isbn": "", "published_year": 1984, "page_count": null, "copies": 2}',
        json.dumps(TEXT_FORMS),
        '{"title": "A", "shelf": "x"}',
        "",
        '{"title": 5, "published_year": "soon", "authors": "B"}',
        "[]",
        "{",
        '{"title": "\\ud800"}',
        '{"title": "A", "identifiers": ["ISSN \\ud800"], "contributors": ["\\ud800 (editor)"]}',
        '{"a": ' + "[" * 100_000 + "}",
        '{"title": "A", "request_id": "0193b8a2-5c00-7a1e-9c4d-1f2e3d4c5b6a"}',
    ]
    data = (
        ("\n".join(lines) + "\n").encode()
        + b"\xff\xfe\n"
        + b'{"title": "'
        + b"x" * MOST_RECORD_BYTES
        + b'"}\n{"title": "Last"}'
    )

    records = read(data, IMPORT_FORMAT_JSON_LINES)

    expected = AddBookRequest(title="A", authors=["B"], published_year=1984, copies=2)
    assert records[0].book == expected
    second = records[1].book
    assert second is not None
    assert identifier_texts(second.identifiers) == ["ISSN 0317-8471", "OCLC 1"]
    assert contributor_texts(second.contributors) == ["B (translator)"]
    assert _titles(records[2:]) == ["A", None, None, None, None, None, None, "A", None, None, "Last"]
    fields = [tuple(problem.field for problem in found.problems) for found in records]
    assert fields[2:4] == [("shelf",), ("title", "published_year", "authors")]
    assert fields[7] == ("identifiers", "contributors")
    assert fields[9] == ("request_id",)
    assert all(len(names) == 1 for names in (*fields[4:7], *fields[8:12]))
    for part in (10_000, 1_000_000):
        assert read(data, IMPORT_FORMAT_JSON_LINES, part=part) == records
    for number, found in enumerate(records, 1):
        assert read(data, IMPORT_FORMAT_JSON_LINES, start=found.after) == records[number:]


RECOGNIZED = [
    (iso("245 00 $aA"), "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC),
    (b"\n\xef\xbb\xbf" + iso("245 00 $aA"), "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_UNSPECIFIED),
    (b"\xef\xbb\xbf\n" + iso("245 00 $aA"), "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC),
    (b"<?xml", "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC_XML),
    ("<record/>".encode("utf-16"), "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC_XML),
    (b'{"leader": "', "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC_JSON),
    (b'[ {"fields": [', "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC_JSON),
    (b'{"title": "A"}', "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_JSON_LINES),
    (b'{"title": "A"}', "application/json", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_JSON_LINES),
    (b'{"x": 1}', "", MARC_MAPPING_UNIMARC, IMPORT_FORMAT_MARC_JSON),
    (b"00000", "application/marc; charset=utf-8", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_MARC),
    (b"title,authors\n", "text/csv", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_UNSPECIFIED),
    (b"", "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_UNSPECIFIED),
    (b"PK\x03\x04", "", MARC_MAPPING_UNSPECIFIED, IMPORT_FORMAT_UNSPECIFIED),
]


@pytest.mark.parametrize(("data", "content_type", "mapping", "form"), RECOGNIZED)
def test_formats_are_recognized(
    data: bytes, content_type: str, mapping: MarcMapping.ValueType, form: ImportFormat.ValueType
) -> None:
    assert recognized(data, content_type, mapping) == form


def test_a_record_for_which_the_mapping_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(raw: RawRecord, *options: Any) -> ReadRecord:
        if raw.control_number == "two":
            raise RuntimeError("a fault of the program")
        return mapped(raw, *options)

    monkeypatch.setattr(formats, "mapped", failing)
    numbers = ("one", "two", "three")
    found = read(_collection(*(_xml_record(number, number) for number in numbers)).encode(), IMPORT_FORMAT_MARC_XML)
    assert _titles(found) == ["one", None, "three"]
    assert (found[1].control_number, found[1].problems) == ("two", (RecordProblem("", FAILED),))


@pytest.mark.parametrize("part", [7, 65_536])
@pytest.mark.parametrize("depth", [MOST_NESTED, MOST_NESTED + 1])
def test_the_limit_of_nesting_is_the_same_in_small_parts(part: int, depth: int) -> None:
    deep = '{"a":' * (depth - 1) + '{"b": "c"}' + "}" * (depth - 1)
    [found] = read(deep.encode(), IMPORT_FORMAT_MARC_JSON, part=part)
    assert ("nested more than" in found.problems[0].description) == (depth > MOST_NESTED)
