"""The rules of a mapping, read from `marc21.toml` and `unimarc.toml`, and the tables of words that they use."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from functools import cache
from importlib import resources
from typing import Any

from library.admin.v1.import_service_pb2 import (
    ITEM_FIELD_852,
    ITEM_FIELD_949,
    ITEM_FIELD_952,
    ITEM_FIELD_995,
    MARC_MAPPING_UNIMARC,
    ItemField,
    MarcMapping,
)

ITEM_TAGS: Mapping[int, str] = {
    ITEM_FIELD_852: "852",
    ITEM_FIELD_949: "949",
    ITEM_FIELD_952: "952",
    ITEM_FIELD_995: "995",
}
"""The field of each value of ItemField."""

LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a value comes from, and what it becomes."""

    target: str
    """The field, as AddBookRequest names it."""
    fields: str
    """The numbers of the MARC fields, or `leader`."""
    by: str
    """The name of the function in `takers.py`."""
    ind1: str = ""
    """The first indicators for which the rule applies; empty: all."""
    ind2: str = ""
    subfields: str = ""
    positions: str = ""
    """The characters, from 0, of a field without subfields, or of the subfield."""
    source: str = ""
    """What $2 must be, one of these words."""
    except_source: str = ""
    """What $2 must not be."""
    type: str = ""
    """The kind of an identifier, without the beginning of its name in IdentifierType."""
    prefix: str = ""
    """What the text begins with; it is left out."""
    part: str = ""
    """The subfield with the title of a part."""
    number: str = ""
    """The subfield with the number of a part or of a volume."""
    given_name: str = ""
    """The subfield with the given name, where names have two parts."""
    label: str = ""
    """The subfields with the label of an address."""
    label_words: str = ""
    """Words, one of which must be in the label."""
    note: str = ""
    """What to say about the rule in the documentation."""

    @property
    def tags(self) -> tuple[str, ...]:
        return tuple(self.fields.split())

    @property
    def slice(self) -> slice:
        """The positions, if it has any."""
        first, _, last = self.positions.partition("-")
        return slice(int(first), int(last) + 1) if last else slice(None)


@dataclass(frozen=True, slots=True)
class ItemRule:
    """The subfields of a field that describes an item. A text has all of its subfields; a branch has the first one."""

    barcode: str
    branch: str = ""
    shelf: str = ""
    call_number: str = ""
    item_type: str = ""
    note: str = ""
    price: str = ""


@dataclass(frozen=True, slots=True)
class FormatRule:
    """The format of a record by its leader and, if `fields` is set, by a control field."""

    type: str
    """Position 6 of the leader: one of these letters."""
    format: str
    level: str = ""
    """Position 7: one of these letters; empty: any."""
    fields: str = ""
    at: int = 0
    any_of: str = ""
    """The character at position `at`: one of these; empty: any."""
    begins: str = ""


@dataclass(frozen=True, slots=True)
class Mapped:
    """A mapping."""

    rules: tuple[Rule, ...]
    formats: tuple[FormatRule, ...]
    item_fields: Mapping[str, ItemRule]
    ordered: tuple[tuple[Rule, tuple[str, ...]], ...]
    """The rules and the numbers of their fields, as they are applied: the title last, because the number of a part
    belongs to it only if the volume comes from elsewhere."""
    items: tuple[str, ...]
    """The fields that describe items, in the order in which they are looked for."""


@dataclass(frozen=True, slots=True)
class Words:
    """Tables of words."""

    abbreviations: frozenset[str]
    pages: frozenset[str]
    suffixes: frozenset[str]
    dewey: tuple[str, ...]
    languages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Roles:
    """Tables of roles."""

    authors: frozenset[str]
    marc: Mapping[str, str]
    unimarc: Mapping[str, str]


@cache
def mapping_of(mapping: MarcMapping.ValueType) -> Mapped:
    """Return the rules of a mapping; without one, those of MARC 21."""
    table = _table("unimarc" if mapping == MARC_MAPPING_UNIMARC else "marc21")
    rules = tuple(Rule(**rule) for rule in table["rules"])
    return Mapped(
        rules,
        tuple(FormatRule(**rule) for rule in table["formats"]),
        {tag: ItemRule(**rule) for tag, rule in table["item_fields"].items()},
        tuple((rule, rule.tags) for rule in sorted(rules, key=lambda rule: rule.target == "title")),
        tuple(table["items"]),
    )


@cache
def words() -> Words:
    """Return the tables of words."""
    table = _table("words")
    sets = {name: frozenset(table[name]) for name in ("abbreviations", "pages", "suffixes")}
    return Words(**sets, dewey=tuple(table["dewey"]), languages=_table("languages"))


@cache
def roles() -> Roles:
    """Return the tables of roles."""
    table = _table("roles")
    return Roles(frozenset(table["authors"]), table["marc"], table["unimarc"])


def item_tags(mapping: Mapped, items: ItemField.ValueType) -> tuple[str, ...]:
    """Return the fields that can describe items, in the order in which they are looked for."""
    if items in ITEM_TAGS:
        return (ITEM_TAGS[items],)
    return mapping.items if items == ItemField.ITEM_FIELD_UNSPECIFIED else ()


ITEM_TEXTS = tuple(part.name for part in fields(ItemRule))


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((resources.files(__package__) / f"{name}.toml").read_text(encoding="utf-8"))
