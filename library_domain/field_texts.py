r"""The text forms of fields that are lists, for files and for messages to people: each has one, in both directions.

A list is `first; second`; where a text of it could be misread, it is a JSON array. An identifier is its type and value,
`ISSN 0317-8471`. A contributor is a name and, in brackets, a role: `Reinhard Heinz (translator)`. Brackets and
backslashes within a role have a backslash before them.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Sequence
from html.entities import name2codepoint

from library.v1.book_pb2 import IDENTIFIER_TYPE_OTHER, Contributor, Identifier, IdentifierType

SEPARATORS = (";", "|")
"""The first of these that a text contains separates the texts of a list."""

HTML_CODE = re.compile(r"&(?:#[0-9]{1,7}|#x[0-9a-f]{1,6}|[a-z][a-z0-9]{1,30});", re.IGNORECASE)

_MISREAD = set(";|&[]")
_CODE_END = "\ufdd0"  # no character, and in no text
_PREFIX = "IDENTIFIER_TYPE_"
_TYPES = {name.removeprefix(_PREFIX): number for name, number in IdentifierType.items() if number}
_NAMES = {number: name for name, number in _TYPES.items()}
_TYPE_AND_VALUE = re.compile(rf"({'|'.join(_TYPES)})(?:[:=]\s*|\s+)(\S.*)", re.IGNORECASE | re.DOTALL)
_TO_ESCAPE = re.compile(r"[()\\]")
_ESCAPED = re.compile(r"\\([()\\])")
_ROLE = re.compile(r"(?:[^()\\]|\\[()\\])*")


def list_text(texts: Sequence[str]) -> str:
    """Return a list in one text: with `; ` between its texts or, where one could be misread, as a JSON array."""
    is_plain = not any(set(text) & _MISREAD or text != text.strip() or not text for text in texts)
    return "; ".join(texts) if is_plain else json.dumps(texts, ensure_ascii=False)


def texts_in(text: str, separators: Sequence[str] = SEPARATORS) -> list[str]:
    """Return the texts of a list that is written in one text; empty ones are left out.

    A list in the notation of JSON or Python is taken as it is. Otherwise the first separator in the text separates.
    """
    text = text.strip()
    if (listed := list_in(text)) is not None:
        return listed
    without_codes = HTML_CODE.sub(_hidden_code, text)
    separator = next((separator for separator in separators if separator in without_codes), None)
    parts = [part.replace(_CODE_END, ";") for part in without_codes.split(separator)] if separator else [text]
    return [part.strip() for part in parts if part.strip()]


def list_in(text: str) -> list[str] | None:
    """Return the list that a text has in the notation of JSON or, as programs in Python write it, of Python."""
    try:
        if re.fullmatch(r'\[\s*".*"\s*\]', text, re.DOTALL):
            found = json.loads(text)
        elif re.fullmatch(r"\[\s*(?:'.*'|'.*\"|\".*')\s*\]", text, re.DOTALL):
            found = ast.literal_eval(text)
        else:
            return None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    return found if isinstance(found, list) and all(isinstance(name, str) for name in found) else None


def identifier_text(identifier: Identifier) -> str:
    """Return an identifier as one text, such as `ISSN 0317-8471`."""
    return f"{_NAMES.get(identifier.type, _NAMES[IDENTIFIER_TYPE_OTHER])} {identifier.value}"


def identifier_in(text: str, default: IdentifierType.ValueType = IDENTIFIER_TYPE_OTHER) -> Identifier:
    """Return the identifier in a text; one without a type is of the type `default`."""
    found = _TYPE_AND_VALUE.fullmatch(text)
    if found is None:
        return Identifier(type=default, value=text)
    return Identifier(type=_TYPES[found[1].upper()], value=found[2])


def identifier_type(name: str) -> IdentifierType.ValueType:
    """Return the type of this name; IDENTIFIER_TYPE_UNSPECIFIED for an unknown name."""
    return _TYPES.get(name.upper(), IdentifierType.ValueType(0))


def contributor_text(contributor: Contributor) -> str:
    """Return a contributor as one text, such as `Reinhard Heinz (translator)`."""
    if not contributor.role and not contributor.name.endswith(")"):
        return contributor.name
    role = _TO_ESCAPE.sub(r"\\\g<0>", contributor.role)
    return f"{contributor.name} ({role})"


def contributor_in(text: str) -> Contributor:
    """Return the contributor in a text; the last brackets at its end contain the role."""
    name, bracket, role = text.rpartition(" (")
    if not bracket or not text.endswith(")"):
        return Contributor(name=text)
    if _ROLE.fullmatch(role[:-1]):
        return Contributor(name=name, role=_ESCAPED.sub(r"\1", role[:-1]))
    begin = _opening_bracket(text)  # brackets within the role, as people write them
    return Contributor(name=text[: begin - 1], role=text[begin + 1 : -1]) if begin > 1 else Contributor(name=text)


def identifier_texts(identifiers: Iterable[Identifier]) -> list[str]:
    """Return the texts of identifiers."""
    return [identifier_text(identifier) for identifier in identifiers]


def contributor_texts(contributors: Iterable[Contributor]) -> list[str]:
    """Return the texts of contributors."""
    return [contributor_text(contributor) for contributor in contributors]


def is_html_code(code: str) -> bool:
    """Return whether a text that `HTML_CODE` matches is a code of HTML."""
    return code.startswith("&#") or code[1:-1] in name2codepoint


def _opening_bracket(text: str) -> int:
    """Return the place of the bracket that the one at the end of a text closes; -1 without one."""
    open_brackets = 0
    for place in range(len(text) - 1, -1, -1):
        open_brackets += (text[place] == ")") - (text[place] == "(")
        if not open_brackets:
            return place if text[place - 1 : place] == " " else -1
    return -1


def _hidden_code(match: re.Match[str]) -> str:
    """Return a code of HTML, such as `&amp;`, with another sign for its semicolon, which separates no texts."""
    return match[0][:-1] + _CODE_END if is_html_code(match[0]) else match[0]
