"""Take the names of people and bodies, as authors or as contributors, by what they did."""

from __future__ import annotations

from pymarc import Field

from library.v1.book_pb2 import Contributor
from library_formats.mapping.draft import Draft
from library_formats.mapping.rules import Rule, roles
from library_formats.mapping.texts import direct_order, single_line, without_isbd

OTHER_ROLE = "oth"
"""The relator code of a role that the list has no code for: the name is not an author's."""

SURNAME_FIRST = "1"
SECONDARY = ("702", "712")
"""In UNIMARC, names with secondary responsibility."""


def take_name(rule: Rule, field: Field, position: int, draft: Draft) -> None:
    """Take a name as an author's or a contributor's, by its roles."""
    name = _name(rule, field, draft)
    if not name:
        return
    codes = [code.strip(" .,").rpartition("/")[2] for code in field.get_subfields("4")]
    table = roles().unimarc if draft.is_unimarc else roles().marc
    coded = [table[code] for code in codes if code in table]
    written = [] if draft.is_unimarc else _written_roles(field, draft)
    if _is_author(field, codes, [*coded, *written], draft):
        draft.authors.append((position, name))
    else:
        role = ", ".join(dict.fromkeys(written or coded))
        draft.contributors.append((position, Contributor(name=name, role=role)))


def _is_author(field: Field, codes: list[str], words: list[str], draft: Draft) -> bool:
    if OTHER_ROLE in codes:
        return False
    if words or codes:
        return any(word.casefold() in roles().authors for word in words)
    return not (draft.is_unimarc and field.tag in SECONDARY)


def _written_roles(field: Field, draft: Draft) -> list[str]:
    """Return the roles in words. In 111 and 711 they are in $j, and $e is a part of the name."""
    written = [draft.text(value) for value in field.get_subfields("j" if field.tag.endswith("11") else "e")]
    return [word for word in written if word]


def _name(rule: Rule, field: Field, draft: Draft) -> str:
    if field.get("t") is not None:
        return ""  # the entry of another work by this author
    if rule.given_name:
        given = draft.text(field.get(rule.given_name, "") or "")
        entry = draft.text(field.get("a", "") or "")
        is_person = field.tag.startswith("70")
        return " ".join(filter(None, [given, entry] if is_person else [entry, given]))
    texts = [single_line(value) for code, value in field.subfields if code in rule.subfields]
    if not draft.keeps_punctuation:
        texts = [without_isbd(text) for text in texts]
    if field.tag.endswith("10"):
        return ". ".join(filter(None, texts))
    name = " ".join(filter(None, texts))
    if field.indicator1 != SURNAME_FIRST or not field.tag.endswith("00"):
        return name
    suffix = draft.text(field.get("c", "") or "")
    return direct_order(f"{name}, {suffix}" if suffix and "," in name else name)
