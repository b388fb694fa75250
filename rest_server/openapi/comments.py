"""The comments of a contract as summaries and Markdown for the document.

A line `Title: Members` in the comment on a service is the short name of the service, a line `Example: 3` in the
comment on a field is a value for samples, and a line `Needs: user_id or loan_id` in the comment on a request means that
it is refused without one of these fields. `Needs: either user_id or loan_id` means that it is also refused with both.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

from protobuf import DescEnum, DescEnumValue, DescField, DescMessage, DescMethod, DescService
from protobuf.plugin import get_comments

from rest_server.errors import HTTP_STATUS

_INTERNAL = re.compile(r"\(--.*?--\)", re.DOTALL)
"""An internal comment of AIP-192."""

_MARKED = re.compile(r"^[ \t]*(Title|Example|Needs):[ \t]*(.*?)[ \t]*$\n?", re.MULTILINE)
"""A line with a value, which is not a part of the text."""

_REFERENCE = re.compile(r"\[([^][]+)\]\[[\w.]*\]")
"""A reference to another part of a contract, by AIP-192: `[Book][library.v1.Book]`."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")

_KEEPS_ITS_LINE = re.compile(r"\s{2,}|[-*+|#>]|\d+[.)]\s|```")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^a-z])")
_ERRORS = re.compile(r"errors?\b[^.;]*?:", re.IGNORECASE)
_CODE = re.compile(rf"(?<![`\w])(?:{'|'.join(code.name for code in HTTP_STATUS if HTTP_STATUS[code] >= 400)})(?![`\w])")
_TRAILING = re.compile(r"([\s;,.]|\s(or|and))*$")


class MethodText(NamedTuple):
    """The parts of a method's comment."""

    summary: str
    """Its first sentence, without the full stop."""
    description: str
    """The other sentences, without those about errors."""
    errors: dict[int, str]
    """The text about errors, by HTTP status."""


def text_of(described: DescEnum | DescEnumValue | DescField | DescMessage | DescMethod | DescService) -> str:
    """Return the comment on a descriptor, each paragraph in one line; empty if it has none."""
    comment = _MARKED.sub("", _comment(described))
    return "\n\n".join(text for paragraph in re.split(r"\n\s*\n", comment) if (text := _in_one_line(paragraph)))


def text_of_method(method: DescMethod) -> MethodText:
    """Split a method's comment into its parts."""
    paragraphs = text_of(method).split("\n\n")
    of_errors = [paragraph for paragraph in paragraphs if _ERRORS.match(paragraph) and _CODE.search(paragraph)]
    errors: dict[int, list[str]] = {}
    in_passing = [sentence for paragraph in paragraphs for sentence in _SENTENCE_END.split(paragraph)]
    for passage in of_errors or in_passing:
        for status, text in _errors_in(passage):
            errors.setdefault(status, []).append(text)
    first, *others = [paragraph for paragraph in paragraphs if paragraph not in of_errors] or [""]
    summary, _, rest = _first_sentence(first).partition("\n")
    description = "\n\n".join(paragraph for paragraph in (rest, *others) if paragraph)
    return MethodText(
        summary.removesuffix("."), description, {code: "; ".join(errors[code]) for code in sorted(errors)}
    )


def title_of(service: DescService) -> str:
    """Return the short name of a service: `Title` in its comment, or the words of its name without `Service`."""
    return _marked(service, "Title") or " ".join(_WORD.findall(service.name.removesuffix("Service"))) or service.name


def example_of(field: DescField) -> str | None:
    """Return the text of `Example` in a field's comment."""
    return _marked(field, "Example")


def needs_one_of(request: DescMessage) -> tuple[str, ...]:
    """Return the fields in the line `Needs` of the comment on a request: it is refused without one of them."""
    names = {field.name for field in request.fields}
    return tuple(word for word in re.findall(r"\w+", _marked(request, "Needs") or "") if word in names)


def superfluous(request: DescMessage, present: Collection[str]) -> frozenset[str]:
    """Return the fields with which a request is refused if it has those in `present`, by a line `Needs: either …`.

    If none of its fields is present, the first one is preferred to the others.
    """
    if not (_marked(request, "Needs") or "").startswith("either "):
        return frozenset()
    needed = needs_one_of(request)
    kept = next((name for name in needed if name in present), needed[0] if needed else "")
    return frozenset(needed) - {kept}


def summary_of(service: DescService) -> str:
    """Return the first sentence of a service's comment, without the full stop."""
    return _first_sentence(text_of(service).partition("\n\n")[0]).partition("\n")[0].removesuffix(".")


def _comment(described: DescEnum | DescEnumValue | DescField | DescMessage | DescMethod | DescService) -> str:
    """Return the lines of a comment, without internal comments. References are the names that they show."""
    text = "\n".join(line.removeprefix(" ") for line in get_comments(described).lines())
    return _REFERENCE.sub(r"`\1`", _INTERNAL.sub("", text))


def _marked(described: DescField | DescMessage | DescService, name: str) -> str | None:
    return next((value for marked, value in _MARKED.findall(_comment(described)) if marked == name and value), None)


def _in_one_line(paragraph: str) -> str:
    """Join the lines of a paragraph, as some pages show each line break; lists and code keep theirs."""
    joined = ""
    for line in paragraph.strip("\n").splitlines():
        joined += ("\n" if _KEEPS_ITS_LINE.match(line) else " ") + line.rstrip() if joined else line.strip()
    return joined


def _first_sentence(paragraph: str) -> str:
    """Separate the first sentence by a line break."""
    return _SENTENCE_END.sub("\n", paragraph, count=1)


def _errors_in(passage: str) -> list[tuple[int, str]]:
    """Split text at names of codes; yield each piece with the code's HTTP status."""
    starts = [match.start() for match in _CODE.finditer(passage)]
    pieces = [passage[start:end] for start, end in pairwise([*starts, len(passage)])]
    return [(_STATUS_NAMED[piece.split(maxsplit=1)[0].rstrip(",.;:")], _TRAILING.sub("", piece)) for piece in pieces]


_STATUS_NAMED = {code.name: status for code, status in HTTP_STATUS.items()}
