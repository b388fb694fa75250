"""Texts of records without what cataloguing rules add to them: punctuation, inversion of names, words for pages."""

from __future__ import annotations

import re

from library_formats.mapping.rules import words

DESCRIPTION_LAYOUT = "\t\n\r"

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+")
_CONTROL_BUT_LAYOUT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufeff]+")
_NOT_SORTED = re.compile("[\x88\x89\x98\x9c]")
"""They enclose an article that is not sorted."""
_ISBD_ENDS = "/:;=,"
_LONGEST_ABBREVIATION = 100
"""Characters before a full stop that are looked at."""
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_NUMBER = re.compile(r"[0-9]{1,7}")
_WORD = re.compile(r"[^\W\d_]+", re.UNICODE)
MOST_PAGES = 100_000
LAST_YEAR = 2200


def single_line(text: str) -> str:
    """Return a text without control characters, which only a description can contain."""
    return text.strip() if text.isprintable() else _CONTROL.sub(" ", _NOT_SORTED.sub("", text)).strip()


def several_lines(text: str) -> str:
    """Return a text with its line breaks and tabs, without other control characters."""
    return text if text.isprintable() else _CONTROL_BUT_LAYOUT.sub(" ", _NOT_SORTED.sub("", text))


def without_isbd(text: str) -> str:
    """Return a text without the punctuation that ISBD puts at its end, before the next part of the description.

    A full stop remains where it belongs to the text: after an abbreviation or an initial, and in an ellipsis.
    """
    plain = text.strip()
    end = len(plain)
    # Sign by sign, without copies: a text can have a million of them.
    while end and (plain[end - 1] in _ISBD_ENDS or (plain[end - 1] == "." and not _keeps_stop(plain, end))):
        end -= 1
        while end and plain[end - 1].isspace():
            end -= 1
    plain = plain[:end]
    if plain.startswith("[") and plain.endswith("]") and "[" not in plain[1:]:
        return plain[1:-1].strip()
    return plain


def _keeps_stop(text: str, end: int) -> bool:
    """Return whether the full stop before `end` belongs to the text."""
    if text.endswith(("..", "…", ". ."), 0, end):
        return True
    last = text[max(0, end - _LONGEST_ABBREVIATION) : end].rsplit(maxsplit=1)[-1][:-1].lstrip("([\"'").casefold()
    return not last or (len(last) == 1 and last.isalpha()) or "." in last or last in words().abbreviations


def year_of(text: str) -> int:
    """Return the first year of four digits in a text, or 0."""
    found = _YEAR.search(text)
    year = int(found[0]) if found else 0
    return year if year <= LAST_YEAR else 0


def pages_of(text: str) -> int:
    """Return the greatest number before the first word for pages in a text, or 0."""
    for word in _WORD.finditer(text):
        if word[0].casefold() in words().pages:
            numbers = [int(number[0]) for number in _NUMBER.finditer(text, 0, word.start())]
            return max((number for number in numbers if number <= MOST_PAGES), default=0)
    return 0


def language_of(text: str) -> str:
    """Return the tag of a language, such as `en` for `eng`, from its code in MARC; "" for an unknown language."""
    code = text.strip().lower()
    if len(code) % 3 == 0:
        code = code[:3]  # several in one subfield, as was allowed once
    if code in ("und", "zxx", "mis") or not code.isascii() or not code.isalpha() or len(code) not in (2, 3):
        return ""
    return words().languages.get(code, code)


def direct_order(name: str) -> str:
    """Return `Gibson, William` as `William Gibson`; `Jr.` after a second comma remains at the end."""
    surname, comma, rest = name.partition(",")
    given, _, suffix = rest.partition(",")
    if not comma or not given.strip() or not surname.strip():
        return name
    plain = f"{given.strip()} {surname.strip()}"
    is_suffix = suffix.strip().rstrip(".").casefold() in words().suffixes
    return f"{plain}, {suffix.strip()}" if is_suffix else plain


def main_class(dewey: str) -> str:
    """Return the name of the main class of a Dewey number, or ""."""
    number = dewey.strip().lstrip("[")
    if len(number) < 3 or not (number[:3].isascii() and number[:3].isdigit()):
        return ""
    return words().dewey[int(number[0])]
