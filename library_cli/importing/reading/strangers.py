"""Files without columns that people try to import, and a message for each format."""

from __future__ import annotations

import re

from library_cli.importing.reading.problems import NotBooks

NOT_TEXT = (
    (b"\xd0\xcf\x11\xe0", "is an Excel workbook of the old kind (.xls) or with a password; save it as .xlsx or as CSV"),
    (b"%PDF", "is a PDF document, which has no columns; save the list as CSV or .xlsx"),
    (b"\x1f\x8b", "is compressed; unpack it first"),
    (b"BZh", "is compressed; unpack it first"),
    (b"SQLite format 3\0", "is a database; save its table of books as CSV"),
    (b"{\\rtf", "is a text document (RTF), which has no columns; save the list as CSV or .xlsx"),
)
"""How such files begin."""

NOT_COLUMNS = (
    (
        r"(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<(?:\w+:)?(?:collection|record)\b",
        "has MARC records in XML; import it with --format marc-xml",
    ),
    (
        r"<(?:!doctype|html|table|\?xml|!--|meta|head|body|style)",
        "is HTML or XML, as some programs write under the name .xls; open it in a spreadsheet and save it as CSV",
    ),
    (r"[0-9]{5}[a-z]{3}[a-z0-9 #][a ]22[0-9]{5}", "has MARC records; import it with --format marc"),
    (r"=LDR ", "has MARC records as lines of text; turn it into a .mrc file with a program for MARC, and import that"),
    (r"@(?:book|article|misc|comment|string|in\w+)\s*\{", "is a BibTeX file; turn it into CSV with a program for it"),
    (r"TY  - ", "is a RIS file; turn it into CSV with a program for it"),
)
"""How such texts begin, as patterns in which case does not matter."""


def refuse_other_bytes(head: bytes) -> None:
    """Raise NotBooks for a file that is not text."""
    for beginning, reason in NOT_TEXT:
        if head.startswith(beginning):
            raise NotBooks(reason)


def refuse_other_text(beginning: str) -> None:
    """Raise NotBooks for a text that is not a table."""
    for pattern, reason in NOT_COLUMNS:
        if re.match(pattern, beginning, re.IGNORECASE):
            raise NotBooks(reason)
