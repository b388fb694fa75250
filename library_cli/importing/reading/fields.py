"""The fields of a book that a file can have, and the headings that are known to mean them."""

from __future__ import annotations

import unicodedata

from library.v1.book_pb2 import (
    IDENTIFIER_TYPE_EAN,
    IDENTIFIER_TYPE_ISSN,
    IDENTIFIER_TYPE_LCCN,
    IDENTIFIER_TYPE_OCLC,
    IdentifierType,
)
from library_domain.book_fields import BOOK_FIELDS, INPUT_NAMES, LIST_KINDS, FieldKind

FIELDS = INPUT_NAMES
"""All fields of an AddBookRequest but the request id; each is the name of a column, too."""
TEXT_FIELDS = tuple(field.input_name for field in BOOK_FIELDS if field.kind is FieldKind.TEXT)
NUMBER_FIELDS = tuple(field.input_name for field in BOOK_FIELDS if field.kind in (FieldKind.NUMBER, FieldKind.YEAR))
LIST_FIELDS = tuple(field.input_name for field in BOOK_FIELDS if field.kind in LIST_KINDS)

SYNONYMS = {field.input_name: field.headings for field in BOOK_FIELDS}
"""The headings that are taken for each field, as people write them. Case, blanks and punctuation do not matter."""

HINTS = {hint: field.input_name for field in BOOK_FIELDS for hint in field.hints}
"""Headings that may mean a field, and are too uncertain to be taken: a person is asked, with this as the suggestion."""

ISBN_13_HEADINGS = ["ISBN-13", "ISBN13", "ISBN/13", "EAN", "EAN13", "ISBN/EAN", "EAN/ISBN", "ISBN-13/EAN", "EAN-ISBN13"]
ISBN_10_HEADINGS = ["ISBN-10", "ISBN10", "ISBN/10", "UPC-ISBN10"]
"""An ISBN-10 alongside an ISBN-13 is the same number; where there are both, the longer one is taken."""

MORE_AUTHORS_HEADINGS = ["Additional Authors", "Other Authors", "Co-Authors", "Co-Author", "Secondary Author"]
"""Added to the authors in another column."""

IDENTIFIER_HEADINGS: dict[IdentifierType.ValueType, tuple[str, ...]] = {
    IDENTIFIER_TYPE_EAN: ("UPC", "UPC Code"),
    IDENTIFIER_TYPE_ISSN: ("ISSN", "ISSN Number"),
    IDENTIFIER_TYPE_LCCN: ("LCCN", "LC Control Number", "Library of Congress Control Number"),
    IDENTIFIER_TYPE_OCLC: ("OCLC", "OCLC Number", "OCLC No", "OCN"),
}
"""Columns of numbers of one type, which are added to the identifiers. A column headed EAN is one of ISBNs, too."""

ROLE_HEADINGS = {
    "translator": ("Translator", "Translators", "Übersetzer", "Übersetzerin", "Traducteur", "Traductor"),
    "illustrator": ("Illustrator", "Illustrators", "Illustratorin", "Illustrateur", "Ilustrador"),
    "narrator": ("Narrator", "Narrators", "Sprecher", "Sprecherin", "Narrateur", "Narrador"),
}
"""Columns of people with one role, who are added to the contributors."""

OTHERS = frozenset(
    [
        *("eissn", "issnisbn", "placeofpublication", "publicationplace", "publisherplace", "publishedin"),
        *(
            "firstname",
            "authorfirstname",
            "authorid",
            "authorsid",
            "authorrole",
            "primaryauthorrole",
            "titleid",
            "titlesort",
            "publicationtitle",
        ),
        *("copyid", "copynumber", "copyno", "shorttitle", "originaltitle", "pagesread"),
        *("originallanguage", "originallanguages", "languageid", "publisherid", "categoryid", "genreid"),
    ]
)
"""Headings that are like known ones, and mean something else: to leave them out is the suggestion."""


def key_of(heading: str) -> str:
    """Return what is compared of a heading: its letters and digits, in one case."""
    folded = unicodedata.normalize("NFKC", heading).casefold()
    return "".join(letter for letter in folded if letter.isalnum())


FIELD_OF = {key_of(heading): field for field, headings in SYNONYMS.items() for heading in headings}
FIELD_OF |= dict.fromkeys(map(key_of, [*ISBN_13_HEADINGS, *ISBN_10_HEADINGS]), "isbn")
FIELD_OF |= dict.fromkeys(map(key_of, MORE_AUTHORS_HEADINGS), "authors")
TYPE_OF = {key_of(heading): kind for kind, headings in IDENTIFIER_HEADINGS.items() for heading in headings}
FIELD_OF |= dict.fromkeys(TYPE_OF, "identifiers")
ROLE_OF = {key_of(heading): role for role, headings in ROLE_HEADINGS.items() for heading in headings}
FIELD_OF |= dict.fromkeys(ROLE_OF, "contributors")
ISBN_13_KEYS = frozenset(map(key_of, ISBN_13_HEADINGS))
EAN_KEYS = frozenset(key for key in ISBN_13_KEYS if "ean" in key)
ISBN_10_KEYS = frozenset(map(key_of, ISBN_10_HEADINGS))
MORE_AUTHORS_KEYS = frozenset(map(key_of, MORE_AUTHORS_HEADINGS))
