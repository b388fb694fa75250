"""Values of another catalogue, as far as they can be values here: wrong types, control characters and markup go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from html import unescape
from typing import Any

from library.v1.book_pb2 import Identifier, IdentifierType
from library_domain.book_fields import limits
from library_domain.identifiers import MOST_CHARACTERS, normalized_identifier
from library_domain.isbn import normalized_isbn13
from service_kit.validation import is_visible

MOST_ITEMS = 200
"""Items of a list that are looked at."""

MOST_RAW_CHARACTERS = 40_000
"""Of a text, before markup is removed."""

_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_BLANKS = re.compile(r"\s+")
_YEAR = re.compile(r"(?<!\d)(?:1[0-9]|20)\d\d(?!\d)", re.ASCII)
_TAG = re.compile(r"(?P<slash>/?)(?P<name>[A-Za-z][A-Za-z0-9]{0,20}|!|\?)")
_BLOCKS = frozenset({"p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "h5", "h6", "blockquote", "tr"})
_WITHOUT_TEXT = frozenset({"script", "style"})


def mapping(value: Any) -> dict[str, Any]:
    """Return an object of JSON; an empty one for anything that is not one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return the first items of an array of JSON; none for anything that is not one."""
    return value[:MOST_ITEMS] if isinstance(value, list) else []


def one_line(value: Any, most_characters: int) -> str:
    """Return a text in one line; empty if it is not a text, or shows nothing. A longer one is cut."""
    if not isinstance(value, str):
        return ""
    plain = _BLANKS.sub(" ", _UNFIT.sub(" ", value[:MOST_RAW_CHARACTERS])).strip()
    return shortened(plain, most_characters) if is_visible(plain) else ""


def field_text(value: Any, field: str) -> str:
    """Return a text in one line that fits into a field of AddBookRequest."""
    return one_line(value, limits(field).string.max_len)


def shortened(text: str, most_characters: int) -> str:
    """Return a text of at most `most_characters`; one that was cut ends with `…`."""
    return text if len(text) <= most_characters else text[: most_characters - 1].rstrip() + "…"


def field_texts(values: Iterable[Any], field: str) -> list[str]:
    """Return the texts of a list that fit into a field of AddBookRequest, each once."""
    rules = limits(field).repeated
    texts = (one_line(value, rules.items.string.max_len) for value in values)
    return list(dict.fromkeys(text for text in texts if text))[: rules.max_items]


def first_text(value: Any, field: str) -> str:
    """Return the first text of an array, or the text itself."""
    return next(iter(text for item in [*items(value), value] if (text := field_text(item, field))), "")


def number(value: Any, field: str) -> int:
    """Return a whole number that fits into a field; otherwise 0, which means that it is not known."""
    rules = limits(field).int32
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number and rules.gte <= value <= rules.lte else 0


def year(value: Any) -> int:
    """Return the year of a date as people write it, such as `June 2001` or `[c1998]`; 0 if it has none."""
    if isinstance(value, int):
        value = str(value) if 1000 <= value <= 2099 else ""
    found = _YEAR.search(value[:200]) if isinstance(value, str) else None
    return int(found[0]) if found else 0


def isbns(values: Iterable[Any]) -> Iterator[str]:
    """Yield the valid ISBNs of a list as thirteen digits, each once."""
    seen = {""}
    for value in values:
        try:
            isbn = normalized_isbn13(one_line(value, 100))
        except ValueError:
            continue
        if isbn not in seen:
            seen.add(isbn)
            yield isbn


def identifiers(kind: IdentifierType.ValueType, values: Iterable[Any]) -> Iterator[Identifier]:
    """Yield the numbers of a list that are valid for their kind."""
    for value in values:
        text = one_line(value, 1_000)
        if 0 < len(text) <= MOST_CHARACTERS:
            try:
                yield normalized_identifier(Identifier(type=kind, value=text))
            except ValueError:
                continue


def _without_markup(text: str) -> str:
    """Return a text without tags of HTML, in one pass: `html.parser` takes minutes for 40,000 characters of `<a `."""
    first, *others = text.split("<")
    parts = [unescape(first)]
    ignored = ""
    for other in others:
        tag, end, rest = other.partition(">")
        found = _TAG.match(tag)
        if not end or found is None:
            parts.append("" if ignored else unescape(f"<{other}"))
            continue
        name = found["name"].lower()
        if name in _BLOCKS:
            parts.append("\n")
        if name in _WITHOUT_TEXT:
            ignored = "" if found["slash"] else name
        parts.append("" if ignored else unescape(rest))
    return "".join(parts)


def description(value: Any) -> str:
    """Return a description as plain text, its paragraphs in lines of their own."""
    if not isinstance(value, str):
        value = mapping(value).get("value")  # {"type": "/type/text", "value": …}
    if not isinstance(value, str):
        return ""
    raw = _UNFIT.sub(" ", value[:MOST_RAW_CHARACTERS])
    # Again for control characters, as `&#1;` is one.
    lines = (_BLANKS.sub(" ", _UNFIT.sub(" ", line)).strip() for line in _without_markup(raw).splitlines())
    plain = "\n".join(line for line in lines if line)
    return shortened(plain, limits("description").string.max_len) if is_visible(plain) else ""
