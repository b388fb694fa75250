"""Files of books as people make them: for each, what is shown before anything is written, and what goes in."""

from __future__ import annotations

from tests.support.reading_cases.case import Case
from tests.support.reading_cases.columns import AUTHORS, HEADINGS
from tests.support.reading_cases.records import JSON_LINES, WORKBOOKS
from tests.support.reading_cases.shown import SHOWN
from tests.support.reading_cases.texts import ENCODINGS, SEPARATED

CASES: dict[str, Case] = ENCODINGS | SEPARATED | HEADINGS | AUTHORS | JSON_LINES | WORKBOOKS

__all__ = ["CASES", "SHOWN"]
