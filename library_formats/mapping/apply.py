"""Make a book and its items of a MARC record by the rules of a mapping."""

from __future__ import annotations

from collections.abc import Iterable

from pymarc import Field, Record

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import MARC_MAPPING_MARC21, MARC_MAPPING_UNIMARC, ItemField, MarcMapping
from library.v1.book_pb2 import Identifier
from library_formats.mapping.draft import PUNCTUATION_OMITTED, Draft
from library_formats.mapping.limits import within_limits
from library_formats.mapping.rules import ITEM_TEXTS, LEADER, FormatRule, ItemRule, Mapped, Rule, item_tags, mapping_of
from library_formats.mapping.takers import TAKERS
from library_formats.mapping.texts import single_line
from library_formats.readers.raw import RawRecord, whole
from library_formats.records import ItemDraft, ReadRecord, RecordProblem

UNCONTROLLED = "653"
"""Index terms that are not from a vocabulary, so that none of them is the same term as another one."""

NO_TITLE = "The record has no title."


def mapped(raw: RawRecord, mapping: MarcMapping.ValueType, items: ItemField.ValueType) -> ReadRecord:
    """Return a record with its book and its items, or with what is wrong with it."""
    if raw.record is None:
        return ReadRecord(raw.number, raw.after, raw.control_number, None, (), raw.problems)
    rules = mapping_of(mapping)
    draft = _drafted(raw.record, rules, is_unimarc=mapping == MARC_MAPPING_UNIMARC)
    book, problems = _book(draft)
    found = (*raw.problems, *draft.problems, *problems)
    drafts = tuple(_items(raw.record, rules, items)) if book else ()
    return ReadRecord(raw.number, raw.after, raw.control_number, book, drafts, found)


def _drafted(record: Record, rules: Mapped, *, is_unimarc: bool) -> Draft:
    keeps = not is_unimarc and record.leader[18] in PUNCTUATION_OMITTED
    draft = Draft(record, rules, is_unimarc, keeps)
    by_tag: dict[str, list[tuple[int, Field]]] = {}
    for position, field in enumerate(record.fields):
        by_tag.setdefault(field.tag, []).append((position, field))
    for rule, tags in rules.ordered:
        if rule.fields == LEADER:
            _put_format(rule, draft)
        for tag in tags:
            for position, field in by_tag.get(tag, ()):
                if _applies(rule, field):
                    TAKERS[rule.by](rule, field, position, draft)
    return draft


def _applies(rule: Rule, field: Field) -> bool:
    if field.control_field:
        return True
    if (rule.ind1 and field.indicator1 not in rule.ind1) or (rule.ind2 and field.indicator2 not in rule.ind2):
        return False
    if not rule.source and not rule.except_source:
        return True
    source = (field.get("2", "") or "").strip().lower()
    return source in rule.source.split() if rule.source else source != rule.except_source


def _put_format(rule: Rule, draft: Draft) -> None:
    for form in draft.mapping.formats:
        if "format" not in draft.values and _has_format(form, draft.record):
            draft.put(rule, None, form.format)


def format_of(record: Record) -> str:
    """Return the format that the leader and the control fields of a MARC 21 record state."""
    return next((form.format for form in mapping_of(MARC_MAPPING_MARC21).formats if _has_format(form, record)), "")


def _has_format(form: FormatRule, record: Record) -> bool:
    kind, level = record.leader[6], record.leader[7]
    if kind not in form.type or (form.level and level not in form.level):
        return False
    if not form.fields:
        return True
    return any(_begins(form, field) for field in record.get_fields(form.fields))


def _begins(form: FormatRule, field: Field) -> bool:
    text = (field.data if field.control_field else field.get("a", "")) or ""
    return text.startswith(form.begins) and (not form.any_of or text[form.at : form.at + 1] in [*form.any_of])


def _book(draft: Draft) -> tuple[AddBookRequest | None, list[RecordProblem]]:
    values = {name: value for name, value in draft.values.items() if value}
    book = AddBookRequest(
        **values,  # type: ignore[arg-type]
        authors=[name for _, name in sorted(draft.authors, key=_position)],
        subjects=_subjects(draft),
        contributors=[contributor for _, contributor in sorted(draft.contributors, key=_position)],
        identifiers=_identifiers(draft),
        description=_description(draft),
    )
    if not book.title:
        return None, [whole(NO_TITLE)]
    return within_limits(book)


def _position(entry: tuple[int, object]) -> int:
    return entry[0]


def _identifiers(draft: Draft) -> list[Identifier]:
    """Return the identifiers, each once."""
    found = [identifier for _, identifier in sorted(draft.identifiers, key=_position)]
    return list({(identifier.type, identifier.value): identifier for identifier in found}.values())


def _subjects(draft: Draft) -> list[str]:
    """Return the subjects; of those from controlled vocabularies, each once, without regard to case."""
    subjects: list[str] = []
    seen: set[str] = set()
    for position, subject in sorted(draft.subjects, key=_position):
        is_controlled = draft.record.fields[position].tag != UNCONTROLLED
        if not is_controlled or subject.casefold() not in seen:
            subjects.append(subject)
        if is_controlled:
            seen.add(subject.casefold())
    return subjects


def _description(draft: Draft) -> str:
    text = ""
    linked = ""
    for link, part in draft.descriptions:
        if part.strip() or link:
            text += part if not text or (link and link == linked) else f"\n\n{part}"
        linked = link
    return text.strip()


def _items(record: Record, rules: Mapped, items: ItemField.ValueType) -> Iterable[ItemDraft]:
    for tag in item_tags(rules, items):
        found = record.get_fields(tag)
        if found:
            return [_item(field, rules.item_fields[tag]) for field in found]
    return []


def _item(field: Field, rule: ItemRule) -> ItemDraft:
    texts = {name: _item_text(field, getattr(rule, name)) for name in ITEM_TEXTS if name != "branch"}
    # Koha has the branch that owns an item in $a, and the one where it is at present in $b.
    branches = (_item_text(field, code) for code in rule.branch)
    return ItemDraft(branch=next(filter(None, branches), ""), **texts)


def _item_text(field: Field, codes: str) -> str:
    texts = [single_line(value) for code, value in field.subfields if code in codes] if codes else []
    return " ".join(filter(None, texts))
