"""The tables of docs/intake.md that show the mappings: `python -m tests.support.mapping_table` writes them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from library.admin.v1.import_service_pb2 import MARC_MAPPING_MARC21, MARC_MAPPING_UNIMARC, MarcMapping
from library_formats.mapping.rules import ITEM_TEXTS, FormatRule, Rule, mapping_of

PAGE = Path(__file__).parents[2] / "docs/intake.md"
MAPPINGS = {"marc21": MARC_MAPPING_MARC21, "unimarc": MARC_MAPPING_UNIMARC}


def table(mapping: MarcMapping.ValueType) -> str:
    """Return the table of a mapping in Markdown."""
    rules = mapping_of(mapping)
    lines = ["| field | from | how |", "| --- | --- | --- |"]
    lines += [f"| {rule.target.replace(' ', ', ')} | {_source(rule)} | {rule.note} |" for rule in rules.rules]
    lines += [f"| items | {tag} | {_item(mapping, tag)} |" for tag in rules.items]
    formats = "; ".join(_format(rule) for rule in rules.formats)
    return (
        "\n".join(lines)
        + f"\n\nThe format by the type of record, position 6 of the leader, the first that fits: {formats}.\n"
    )


def _source(rule: Rule) -> str:
    if rule.fields == "leader":
        return "leader"
    conditions = [f"indicator {number} {text}" for number, text in ((1, rule.ind1), (2, rule.ind2)) if text]
    conditions += [f"positions {rule.positions}"] if rule.positions else []
    conditions += [f"$2 {' or '.join(rule.source.split())}"] if rule.source else []
    conditions += [f"`{rule.prefix}…`"] if rule.prefix else []
    conditions += [rule.type] if rule.type else []
    subfields = "".join(f" ${code}" for code in rule.subfields)
    return f"{', '.join(rule.tags)}{subfields}" + (f" ({'; '.join(conditions)})" if conditions else "")


def _item(mapping: MarcMapping.ValueType, tag: str) -> str:
    rule = mapping_of(mapping).item_fields[tag]
    codes = {name.replace("_", " "): getattr(rule, name) for name in ITEM_TEXTS}
    between = {"branch": " or "}
    return ", ".join(
        f"{between.get(name, ' ').join('$' + code for code in each)} {name}" for name, each in codes.items() if each
    )


def _format(rule: FormatRule) -> str:
    parts = [f"level {rule.level}"] if rule.level else []
    parts += [f"{rule.fields} begins with {rule.begins}"] if rule.begins else []
    parts += [f"{rule.fields} has {' or '.join(rule.any_of)} at {rule.at}"] if rule.any_of else []
    return f"{rule.format} for {' or '.join(rule.type)}" + (f" ({', '.join(parts)})" if parts else "")


def with_tables(page: str) -> str:
    """Return the page with the tables as the rules have them."""
    for name, mapping in MAPPINGS.items():
        before, begin, rest = page.partition(f"<!-- {name}: begin -->\n")
        end = f"<!-- {name}: end -->"
        page = before + begin + table(mapping) + end + rest.partition(end)[2]
    return page


def tables_in(page: str) -> Iterator[str]:
    """Yield the names of the mappings that the page shows."""
    return (name for name in MAPPINGS if f"<!-- {name}: begin -->" in page)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
