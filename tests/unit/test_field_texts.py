"""Lists, identifiers and contributors have one text form, which is read as what was written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_OCLC,
    IDENTIFIER_TYPE_OTHER,
    Contributor,
    Identifier,
    IdentifierType,
)
from library_domain.field_texts import (
    contributor_in,
    contributor_text,
    contributor_texts,
    identifier_in,
    identifier_text,
    identifier_texts,
    list_text,
    texts_in,
)
from service_kit.text.keys import tidied

awkward = st.sampled_from(["; ", "|", " (", ")", "(", "\\", " ()", "[", '"', "'", "&amp;", "ISSN ", ": ", " & ", ","])
texts = st.lists(awkward | st.text(st.characters(exclude_categories=["C"]), max_size=5), max_size=6)
values = texts.map("".join).map(tidied)
names = values.filter(bool)
identifiers = st.builds(Identifier, type=st.sampled_from([t for t in IdentifierType.values() if t]), value=names)
contributors = st.builds(Contributor, name=names, role=values)


@given(st.lists(names))
def test_a_list_is_read_as_it_was_written(listed: list[str]) -> None:
    assert texts_in(list_text(listed)) == listed


@given(st.lists(identifiers))
def test_identifiers_are_read_as_they_were_written(listed: list[Identifier]) -> None:
    assert [identifier_in(text) for text in texts_in(list_text(identifier_texts(listed)))] == listed


@given(st.lists(contributors))
def test_contributors_are_read_as_they_were_written(listed: list[Contributor]) -> None:
    assert [contributor_in(text) for text in texts_in(list_text(contributor_texts(listed)))] == listed


@pytest.mark.parametrize(
    ("text", "kind", "value"),
    [
        ("ISSN 0317-8471", IDENTIFIER_TYPE_ISSN, "0317-8471"),
        ("issn: 0317-8471", IDENTIFIER_TYPE_ISSN, "0317-8471"),
        ("OCLC=10980207", IDENTIFIER_TYPE_OCLC, "10980207"),
        ("EAN 4006381333931", IDENTIFIER_TYPE_EAN, "4006381333931"),
        ("10980207", IDENTIFIER_TYPE_OTHER, "10980207"),
        ("OCLCX 1", IDENTIFIER_TYPE_OTHER, "OCLCX 1"),
        ("OTHER ISSN 1", IDENTIFIER_TYPE_OTHER, "ISSN 1"),
    ],
)
def test_an_identifier_is_a_type_and_a_value(text: str, kind: IdentifierType.ValueType, value: str) -> None:
    assert identifier_in(text) == Identifier(type=kind, value=value)


@pytest.mark.parametrize(
    ("text", "name", "role"),
    [
        ("Reinhard Heinz (translator)", "Reinhard Heinz", "translator"),
        ("Jane Roe", "Jane Roe", ""),
        ("Queen (band) ()", "Queen (band)", ""),
        ("Jane Roe (author (of a preface))", "Jane Roe", "author (of a preface)"),
        ("Jane Roe (a) (b)", "Jane Roe (a)", "b"),
        ("(translator)", "(translator)", ""),
        ("Jane (Roe", "Jane (Roe", ""),
        ("Jane) (Roe)", "Jane)", "Roe"),
        ("Jane(Roe)", "Jane(Roe)", ""),
        ("a))", "a))", ""),
    ],
)
def test_a_contributor_is_a_name_and_a_role(text: str, name: str, role: str) -> None:
    assert contributor_in(text) == Contributor(name=name, role=role)


def test_the_forms_of_the_documentation() -> None:
    issn, oclc = identifier_in("ISSN 0317-8471"), identifier_in("OCLC 10980207")
    assert list_text([identifier_text(issn), identifier_text(oclc)]) == "ISSN 0317-8471; OCLC 10980207"
    people = [Contributor(name="Reinhard Heinz", role="translator"), Contributor(name="Jane Roe")]
    assert list_text([contributor_text(each) for each in people]) == "Reinhard Heinz (translator); Jane Roe"
    assert list_text(["Games; toys", "Chess"]) == '["Games; toys", "Chess"]'
