"""Identifiers have one stored form for all ways to write them, and no wrong check digit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum import ean, issn

from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISBN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_LCCN,
    IDENTIFIER_TYPE_OCLC,
    IDENTIFIER_TYPE_OTHER,
    Identifier,
    IdentifierType,
)
from library_domain.identifiers import MOST_CHARACTERS, normalized_identifier

EAN, ISSN, ISBN = IDENTIFIER_TYPE_EAN, IDENTIFIER_TYPE_ISSN, IDENTIFIER_TYPE_ISBN
OCLC, LCCN, OTHER = IDENTIFIER_TYPE_OCLC, IDENTIFIER_TYPE_LCCN, IDENTIFIER_TYPE_OTHER


def normalized(kind: IdentifierType.ValueType, value: str) -> str:
    return normalized_identifier(Identifier(type=kind, value=value)).value


@pytest.mark.parametrize(
    ("kind", "written", "stored"),
    [
        (EAN, "4006381333931", "4006381333931"),
        (EAN, " 4 006381-333931 ", "4006381333931"),
        (EAN, "96385074", "96385074"),
        (EAN, "036000291452", "0036000291452"),  # a UPC
        (ISSN, "0317-8471", "0317-8471"),
        (ISSN, "03178471", "0317-8471"),
        (ISSN, "2434\u2013561x", "2434-561X"),
        (ISBN, "0-441-56959-5", "9780441569595"),
        (ISBN, "ISBN-13: 978-0-441-56959-5 (pbk.)", "9780441569595"),
        (OCLC, "ocm00012345", "12345"),
        (OCLC, "(OCoLC)10980207", "10980207"),
        (OCLC, "on1234567890", "1234567890"),
        (OCLC, "ten", "ten"),
        # The examples of the Library of Congress.
        (LCCN, "n78-890351", "n78890351"),
        (LCCN, "n 78890351 ", "n78890351"),
        (LCCN, " 85000002 ", "85000002"),
        (LCCN, "85-2 ", "85000002"),
        (LCCN, "2001-000002", "2001000002"),
        (LCCN, "75-425165//r75", "75425165"),
        (LCCN, " 79139101 /AC/r932", "79139101"),
        (LCCN, "no number", "no number"),
        (OTHER, " GEMA 1-2 ", "GEMA 1-2"),
    ],
)
def test_a_number_has_one_form(kind: IdentifierType.ValueType, written: str, stored: str) -> None:
    assert normalized(kind, written) == stored


@pytest.mark.parametrize(
    ("kind", "written", "problem"),
    [
        (EAN, "4006381333932", "check digit"),
        (EAN, "400638133393", "check digit"),
        (EAN, "40063813339", "8 or 13 digits"),
        (EAN, "4006381333931x", "8 or 13 digits"),
        (ISSN, "0317-8472", "check digit"),
        (ISSN, "0317-847", "8 digits"),
        (ISSN, "0317-84711", "8 digits"),
        (ISBN, "9780441569596", "check digit"),
    ],
)
def test_a_wrong_number_is_refused(kind: IdentifierType.ValueType, written: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        normalized(kind, written)


@given(st.text("0123456789", min_size=7, max_size=7), st.text("0123456789X", min_size=1, max_size=1))
def test_one_check_digit_of_eleven_is_right(digits: str, check: str) -> None:
    if check == issn.calc_check_digit(digits):
        assert normalized(ISSN, digits + check) == f"{digits[:4]}-{digits[4:]}{check}"
    else:
        with pytest.raises(ValueError, match="check digit"):
            normalized(ISSN, digits + check)


@given(st.text("0123456789", min_size=12, max_size=12), st.text("0123456789", min_size=1, max_size=1))
def test_one_check_digit_of_ten_is_right(digits: str, check: str) -> None:
    if check == ean.calc_check_digit(digits):
        assert normalized(EAN, digits + check) == digits + check
    else:
        with pytest.raises(ValueError, match="check digit"):
            normalized(EAN, digits + check)


@given(
    st.sampled_from(IdentifierType.values()),
    st.text(max_size=MOST_CHARACTERS) | st.from_regex("[a-z]{0,3}[0-9-]{6,12}"),
)
def test_a_stored_number_stays_as_it_is(kind: IdentifierType.ValueType, written: str) -> None:
    try:
        stored = normalized(kind, written)
    except ValueError:
        return
    assert normalized(kind, stored) == stored
