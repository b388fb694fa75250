"""docs/intake.md shows the mappings as they are."""

from __future__ import annotations

from tests.support.mapping_table import MAPPINGS, PAGE, tables_in, with_tables


def test_the_page_shows_the_rules() -> None:
    page = PAGE.read_text(encoding="utf-8")

    assert list(tables_in(page)) == list(MAPPINGS)
    assert with_tables(page) == page, "run `python -m tests.support.mapping_table`"
