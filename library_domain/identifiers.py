"""Numbers that identify a book apart from its ISBN: their normalized forms and their check digits."""

from __future__ import annotations

import re

from stdnum import ean, issn
from stdnum.exceptions import ValidationError

from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISBN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_LCCN,
    IDENTIFIER_TYPE_OCLC,
    Identifier,
    IdentifierType,
)
from library_domain.isbn import normalized_isbn13, plain_text
from service_kit.text.keys import tidied

MOST_CHARACTERS = 50
"""The longest value that the contract accepts."""

_BETWEEN_DIGITS = str.maketrans("", "", "- ")
_OCLC = re.compile(r"(?:\(OCoLC\)|OCoLC)?\s?(?:oc[mn]|on)?0{0,12}(?P<number>[0-9]{1,14})", re.IGNORECASE)
"""As WorldCat and MARC records write it: `ocm00012345`, `(OCoLC)12345`."""
_LCCN = re.compile(r"(?P<prefix>[a-z]{0,3})(?P<year>[0-9]{2}|[0-9]{4})(?:-(?P<serial>[0-9]{1,6})|(?P<all>[0-9]{6}))")
_CHECK_DIGIT = "the check digit does not fit the other digits; is one of them mistyped?"


def normalized_identifier(identifier: Identifier) -> Identifier:
    """Return an identifier with its value in the one form in which it is stored.

    An EAN or ISBN is digits only, an ISSN has its hyphen, an OCLC number is without prefix and zeros, an LCCN is as the
    Library of Congress normalizes it (https://www.loc.gov/marc/lccn-namespace.html).

    Raises:
        ValueError: For a wrong check digit, with the problem as the end of a sentence about the value.
    """
    return Identifier(type=identifier.type, value=_normalized(identifier.type, identifier.value))


def _normalized(kind: IdentifierType.ValueType, value: str) -> str:
    if kind == IDENTIFIER_TYPE_EAN:
        return _ean(value)
    if kind == IDENTIFIER_TYPE_ISSN:
        return _issn(value)
    if kind == IDENTIFIER_TYPE_ISBN:
        return normalized_isbn13(value) or tidied(value)
    if kind == IDENTIFIER_TYPE_OCLC:
        number = _OCLC.fullmatch(plain_text(value).strip())
        return number["number"] if number else tidied(value)
    if kind == IDENTIFIER_TYPE_LCCN:
        return _lccn(value)
    return tidied(value)


def _ean(value: str) -> str:
    digits = plain_text(value).translate(_BETWEEN_DIGITS)
    if not re.fullmatch("[0-9]{8}|[0-9]{12,13}", digits):
        raise ValueError("an EAN has 8 or 13 digits")
    digits = digits.zfill(13) if len(digits) == 12 else digits  # a UPC is an EAN that begins with 0
    try:
        return ean.validate(digits)
    except ValidationError as error:
        raise ValueError(_CHECK_DIGIT) from error


def _issn(value: str) -> str:
    written = plain_text(value).translate(_BETWEEN_DIGITS).upper()
    if not re.fullmatch("[0-9]{7}[0-9X]", written):
        raise ValueError("an ISSN has 8 digits, of which the last can be X")
    try:
        return issn.format(issn.validate(written))
    except ValidationError as error:
        raise ValueError(_CHECK_DIGIT) from error


def _lccn(value: str) -> str:
    found = _LCCN.fullmatch(plain_text(value).replace(" ", "").partition("/")[0].lower())
    if found is None:
        return tidied(value)
    return f"{found['prefix']}{found['year']}{found['all'] or found['serial'].zfill(6)}"
