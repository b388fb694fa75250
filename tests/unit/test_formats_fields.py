"""What the fields of MARC 21 and UNIMARC become, in each of the formats."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from pymarc import Record

from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    ITEM_FIELD_852,
    ITEM_FIELD_949,
    ITEM_FIELD_952,
    ITEM_FIELD_995,
    ITEM_FIELD_NONE,
    ITEM_FIELD_UNSPECIFIED,
    MARC_MAPPING_MARC21,
    MARC_MAPPING_UNIMARC,
    ItemField,
    MarcMapping,
)
from library_domain.field_texts import contributor_texts, identifier_texts
from library_formats.mapping.rules import mapping_of
from library_formats.mapping.takers import TAKERS
from library_formats.mapping.texts import without_isbd
from library_formats.readers.raw import MOST_PROBLEMS
from library_formats.records import ItemDraft, ReadRecord
from library_formats.writers.formats import marc_xml
from tests.support.marc_cases.making import iso, record
from tests.support.marc_cases.marc21 import FIELD_CASES, FieldCase
from tests.support.marc_cases.unimarc import UNIMARC_CASES
from tests.support.marc_files import read


def _xml(made: Record) -> bytes:
    parts: list[bytes] = []
    with marc_xml(parts.append) as write:
        write(made)
    return b"".join(parts)


def _value(book: Any, field: str) -> Any:
    value = getattr(book, field)
    if field == "identifiers":
        return identifier_texts(value)
    if field == "contributors":
        return contributor_texts(value)
    return value if isinstance(value, (str, int)) else list(value)


def _check(case: FieldCase, read_record: ReadRecord) -> None:
    assert read_record.book is not None, read_record.problems
    assert {field: _value(read_record.book, field) for field in case.values} == case.values
    assert tuple(problem.field for problem in read_record.problems) == case.problems, read_record.problems


@pytest.mark.parametrize(
    ("case", "mapping"),
    [(case, MARC_MAPPING_MARC21) for case in FIELD_CASES] + [(case, MARC_MAPPING_UNIMARC) for case in UNIMARC_CASES],
    ids=[case.name for case in FIELD_CASES] + [f"UNIMARC: {case.name}" for case in UNIMARC_CASES],
)
def test_what_comes_of_fields(case: FieldCase, mapping: MarcMapping.ValueType) -> None:
    made = record(*case.lines, leader=case.leader)
    files = {IMPORT_FORMAT_MARC_JSON: json.dumps(made.as_dict()).encode(), IMPORT_FORMAT_MARC_XML: _xml(made)}
    if all(len(line) < 9_000 for line in case.lines):
        files[IMPORT_FORMAT_MARC] = iso(*case.lines, leader=case.leader)

    for form, data in files.items():
        [found] = read(data, form, mapping=mapping)
        _check(case, found)


def test_each_rule_has_a_function_and_a_field_of_the_contract() -> None:
    for mapping in (MARC_MAPPING_MARC21, MARC_MAPPING_UNIMARC):
        for rule in mapping_of(mapping).rules:
            assert rule.fields == "leader" or rule.by in TAKERS


ITEM_LINES = [
    "852 8_ $bMAIN$cShelf 1$h813$iGIB$pB852$xtorn",
    "952 __ $aMAIN$bNORTH$cFIC$o813 GIB$pB952$yDVD$g12.50$zsigned",
    "949 __ $a813 GIB$iB949$lEAST$cJUV$tBOOK$p9.99",
    "995 __ $bSUD$eRom$fB995$kR GIB$rLivre$uabîmé",
]
ITEMS = {
    ITEM_FIELD_852: ItemDraft("B852", "MAIN", "Shelf 1", "813 GIB", note="torn"),
    ITEM_FIELD_949: ItemDraft("B949", "EAST", "JUV", "813 GIB", "BOOK", price="9.99"),
    ITEM_FIELD_952: ItemDraft("B952", "MAIN", "FIC", "813 GIB", "DVD", "signed", "12.50"),
    ITEM_FIELD_995: ItemDraft("B995", "SUD", "Rom", "R GIB", "Livre", "abîmé"),
}


@pytest.mark.parametrize(("items", "draft"), ITEMS.items(), ids=["852", "949", "952", "995"])
def test_items_of_the_chosen_field(items: ItemField.ValueType, draft: ItemDraft) -> None:
    [found] = read(iso("245 00 $aA", *ITEM_LINES), IMPORT_FORMAT_MARC, items=items)

    assert found.items == (draft,)


def test_the_branch_of_an_item_is_the_one_that_owns_it_if_that_is_known() -> None:
    lines = ("952 __ $bNORTH$aMAIN", "952 __ $bNORTH", "952 __ $a $bNORTH", "952 __ $cFIC")
    [found] = read(iso("245 00 $aA", *lines), IMPORT_FORMAT_MARC)

    assert [item.branch for item in found.items] == ["MAIN", "NORTH", "NORTH", ""]


@pytest.mark.parametrize(
    ("lines", "mapping", "barcodes"),
    [
        (ITEM_LINES, MARC_MAPPING_MARC21, ["B952"]),
        ([ITEM_LINES[0], ITEM_LINES[2]], MARC_MAPPING_MARC21, ["B852"]),
        ([ITEM_LINES[2]] * 3, MARC_MAPPING_MARC21, ["B949"] * 3),
        ([ITEM_LINES[3]], MARC_MAPPING_MARC21, []),
        ([ITEM_LINES[3]], MARC_MAPPING_UNIMARC, ["B995"]),
        ([], MARC_MAPPING_MARC21, []),
    ],
)
def test_items_of_the_first_field_that_is_there(
    lines: Sequence[str], mapping: MarcMapping.ValueType, barcodes: list[str]
) -> None:
    title = "200 1_ $aA" if mapping == MARC_MAPPING_UNIMARC else "245 00 $aA"
    [found] = read(iso(title, *lines), IMPORT_FORMAT_MARC, mapping=mapping, items=ITEM_FIELD_UNSPECIFIED)
    [none] = read(iso(title, *lines), IMPORT_FORMAT_MARC, mapping=mapping, items=ITEM_FIELD_NONE)

    assert [item.barcode for item in found.items] == barcodes
    assert none.items == ()


def test_unimarc_in_its_old_character_sets() -> None:
    def data(stated: str, title: bytes) -> bytes:
        coded = f"100 __ $a19880101d1988    m  y0frey{stated}      ba"
        return iso("001 x", coded, "200 1_ $aA", leader="00000nam  2200000   450 ", raw={"200": b"1 \x1fa" + title})

    cases = [
        ("0103", b"\xc2ecole", "école", 0),  # ISO 5426
        ("0103", b"gar\xd0con \xf1 \xafA\xa5", "garçon æ ®A¥", 0),
        ("50  ", "école".encode(), "école", 0),
        ("01  ", "école".encode(), "école", 1),  # it states ISO 646
        ("01  ", "école".encode("latin-1"), "école", 0),
    ]
    for stated, title, expected, problems in cases:
        [found] = read(data(stated, title), IMPORT_FORMAT_MARC, mapping=MARC_MAPPING_UNIMARC)
        assert found.book is not None
        assert (found.book.title, len(found.problems)) == (expected, problems)


def test_a_long_text_of_punctuation_takes_no_longer_than_other_texts() -> None:
    begin = time.process_time()
    assert without_isbd("Dune" + " /" * 400_000) == "Dune"
    assert without_isbd("Dune" + " ;:" * 200_000 + " /.") == "Dune"
    assert time.process_time() - begin < 5


def test_of_very_many_wrong_numbers_some_are_reported() -> None:
    wrong = ["020 __ " + "$ax" * 50] * 100
    [found] = read(iso("245 00 $aA", "020 __ $a0441569595", *wrong), IMPORT_FORMAT_MARC)

    assert found.book is not None
    assert found.book.isbn == "9780441569595"
    assert [problem.field for problem in found.problems] == ["isbn"] * MOST_PROBLEMS
