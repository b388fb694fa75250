"""Make a MARC 21 record of a book and its items, from which the reader makes the same book again.

The texts are written as the library has them, without the punctuation of ISBD, which the leader states (position 18).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pymarc import Field, Indicators, Leader, Record, Subfield

from library.admin.v1.import_service_pb2 import MARC_MAPPING_MARC21
from library.v1.book_pb2 import Book, Contributor, Identifier, IdentifierType
from library.v1.item_pb2 import Item
from library_domain.money import NANOS
from library_formats.mapping.apply import format_of
from library_formats.mapping.names import OTHER_ROLE
from library_formats.mapping.rules import FormatRule, mapping_of, roles, words
from library_formats.mapping.texts import language_of

LEADER = "00000nam a2200000 c 4500"
"""A new record of a monograph; a: the texts are Unicode, c: without the punctuation of ISBD."""

UNKNOWN_LANGUAGE = "und"
LONGEST_TEXT = 9_900
"""Bytes of a subfield: a field of ISO 2709 can have 9,999. A longer description is divided."""

UNKNOWN_DATE = "      "
"""When the record was made, which each library has for itself."""


def record_of(book: Book, items: Iterable[Item], control_number: str, item_tag: str) -> Record:
    """Return the record of a book.

    Args:
        book: The book. Its id, its times and its state are not written: each library sets them itself.
        items: Its items.
        control_number: Field 001.
        item_tag: The field for the items: 852, 949, 952 or 995.
    """
    record = Record()
    record.leader = Leader(LEADER)
    record.fields = [
        Field("001", data=control_number),
        *_format_fields(book.format),
        Field("008", data=_coded(book)),
        *(_identifier(identifier, book.isbn) for identifier in _with_isbn(book)),
        *filter(_has_text, _about(book)),
        *_names(book),
        *(_field(item_tag, "  ", *_item(item, item_tag)) for item in items),
    ]
    kind = _format_rule(book.format)
    if kind:
        record.leader = Leader(f"{LEADER[:6]}{kind.type[0]}{(kind.level or 'm')[0]}{LEADER[8:]}")
        if kind.fields == "008":
            coded = record["008"]
            text = coded.data or ""
            coded.data = text[: kind.at] + kind.any_of[0] + text[kind.at + 1 :]
    if format_of(record) != book.format:
        record.fields.append(
            _field("338", "  ", ("a", book.format), ("2", "local"))
            if book.format
            else _field("338", "  ", ("a", "unspecified"), ("b", "zu"), ("2", "rdacarrier"))
        )
    return record


def _field(tag: str, indicators: str, *subfields: tuple[str, str]) -> Field:
    return Field(tag, Indicators(*indicators), [Subfield(code, text) for code, text in subfields if text])


def _format_rule(name: str) -> FormatRule | None:
    found = (rule for rule in mapping_of(MARC_MAPPING_MARC21).formats if rule.format == name)
    return next(found, None)


def _format_fields(name: str) -> list[Field]:
    rule = _format_rule(name)
    if rule is None or rule.fields != "007":
        return []
    return [Field("007", data=rule.begins.ljust(rule.at) + rule.any_of[:1])]


def _coded(book: Book) -> str:
    """Return field 008, in which what is not known has a fill character."""
    year = book.published_year
    kind, date = ("s", f"{year:04}") if year > 0 else ("b", " " * 4) if year < 0 else ("n", "uuuu")
    return f"{UNKNOWN_DATE}{kind}{date}    xx {'|' * 17}{_language_code(book.language)} |"


def _language_code(language: str) -> str:
    """Return the code of MARC for a language tag."""
    tag = language.partition("-")[0].lower()
    codes = (code for code, short in words().languages.items() if short == tag)
    code = next(codes, tag)
    return code if len(code) == 3 and code.isascii() and code.isalpha() else UNKNOWN_LANGUAGE


def _with_isbn(book: Book) -> Iterator[Identifier]:
    if book.isbn:
        yield Identifier(type=IdentifierType.IDENTIFIER_TYPE_ISBN, value=book.isbn)
    yield from book.identifiers


def _identifier(identifier: Identifier, isbn: str) -> Field:
    kind, value = identifier.type, identifier.value
    if kind == IdentifierType.IDENTIFIER_TYPE_ISBN:
        # A reader takes the first 020 as the book's own ISBN.
        return _field("020", "  ", ("a", value)) if isbn else _field("024", "7 ", ("a", value), ("2", "isbn"))
    if kind == IdentifierType.IDENTIFIER_TYPE_ISSN:
        return _field("022", "  ", ("a", value))
    if kind == IdentifierType.IDENTIFIER_TYPE_EAN:
        return _field("024", "3 ", ("a", value))
    if kind == IdentifierType.IDENTIFIER_TYPE_OCLC:
        return _field("035", "  ", ("a", f"(OCoLC){value}"))
    if kind == IdentifierType.IDENTIFIER_TYPE_LCCN:
        return _field("010", "  ", ("a", value))
    return _field("024", "8 ", ("a", value))


def _about(book: Book) -> Iterator[Field]:
    """Yield the fields that describe the book, without names and numbers; some of them can be empty."""
    year = book.published_year
    before, after = (str(-year), "") if year < 0 else ("", str(year or ""))
    is_coded = language_of(_language_code(book.language)) == book.language
    yield _field("041", " 7", ("a", "" if is_coded else book.language), ("2", "rfc5646"))
    yield _field("046", "  ", ("b", before))
    number = "" if book.series else book.volume
    yield _field("245", f"{int(bool(book.authors))}0", ("a", book.title), ("b", book.subtitle), ("n", number))
    yield _field("250", "  ", ("a", book.edition))
    yield _field("264", " 1", ("b", book.publisher), ("c", after))
    yield _field("300", "  ", ("a", f"{book.page_count} pages" if book.page_count else ""))
    yield _field("490", "0 ", ("a", book.series), ("v", book.volume if book.series else ""))
    yield from _description(book.description)
    yield from (_field("653", "  ", ("a", subject)) for subject in book.subjects)
    yield _field("655", " 7", ("a", book.category), ("2", "local"))
    yield _field("856", "42", ("u", book.cover_uri), ("3", "Cover image"))


def _has_text(field: Field) -> bool:
    """Return whether a field has more than the source or the label of a text that is missing."""
    return any(code not in "238" for code, _ in field.subfields)


def _description(text: str) -> Iterator[Field]:
    """Yield a description in as many fields as it needs, which $8 links in their order (type x)."""
    parts: list[str] = []
    part = ""
    size = 0
    for char in text:
        size += len(char.encode())
        if size > LONGEST_TEXT:
            parts.append(part)
            part, size = "", len(char.encode())
        part += char
    if not parts:
        yield from [_field("520", "  ", ("a", part))] if part else []
        return
    for number, linked in enumerate([*parts, part], 1):
        yield _field("520", "  ", ("8", f"1.{number}\\x"), ("a", linked))


def _names(book: Book) -> Iterator[Field]:
    """Yield the authors and contributors, with the names in direct order (first indicator 0)."""
    for index, author in enumerate(book.authors):
        yield _field("700" if index else "100", "0 ", ("a", author), ("e", "author"), ("4", "aut"))
    for contributor in book.contributors:
        yield _field("700", "0 ", ("a", contributor.name), ("e", contributor.role), ("4", _role_code(contributor)))


def _role_code(contributor: Contributor) -> str:
    """Return the code of a role. One that a reader would take for an author's has the code of any other role."""
    if contributor.role.casefold() in roles().authors:
        return OTHER_ROLE
    return next((code for code, word in roles().marc.items() if word == contributor.role), OTHER_ROLE)


def _item(item: Item, tag: str) -> Iterator[tuple[str, str]]:
    rule = mapping_of(MARC_MAPPING_MARC21).item_fields[tag]
    texts = {
        rule.barcode: item.barcode,
        **dict.fromkeys(rule.branch, item.branch),  # Koha needs both
        rule.shelf[:1]: item.shelf,
        rule.call_number[:1]: item.call_number,
        rule.item_type[:1]: item.item_type,
        rule.note[:1]: item.note,
        rule.price[:1]: _price(item),
    }
    return ((code, text) for code, text in texts.items() if code)


def _price(item: Item) -> str:
    """Return a price as a decimal number with its currency, `12.50 EUR`; "" without a price."""
    if not item.HasField("price"):
        return ""
    units, nanos = divmod(item.price.units * NANOS + item.price.nanos, NANOS)
    places = f"{nanos:09}".rstrip("0").ljust(2, "0")
    return f"{units}.{places} {item.price.currency_code}".strip()
