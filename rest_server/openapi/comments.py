"""The comments of a contract, as the Markdown and the summaries that a reader of its page sees.

A line `Title: Members` in the comment on a service is the short name of the service, and a line `Example: 3` in the
comment on a field is a value for samples.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from protobuf import DescEnum, DescEnumValue, DescField, DescMessage, DescMethod, DescService
from protobuf.plugin import get_comments

from rest_server.errors import HTTP_STATUS

_INTERNAL = re.compile(r"\(--.*?--\)", re.DOTALL)
"""A remark between its authors, by AIP-192."""

_MARKED = re.compile(r"^[ \t]*(Title|Example):[ \t]*(.*?)[ \t]*$\n?", re.MULTILINE)
"""A line that is a value and not a part of the text."""

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+")

_KEEPS_ITS_LINE = re.compile(r"\s{2,}|[-*+|#>]|\d+[.)]\s|```")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[^a-z])")
_ERRORS = re.compile(r"errors?\b[^.;]*?:", re.IGNORECASE)
_CODE = re.compile(rf"(?<![`\w])(?:{'|'.join(code.name for code in HTTP_STATUS if HTTP_STATUS[code] >= 400)})(?![`\w])")
_TRAILING = re.compile(r"([\s;,.]|\s(or|and))*$")


class MethodText(NamedTuple):
    """What a method's comment says."""

    summary: str
    """Its first sentence, without the full stop."""
    description: str
    """All the rest, but what it says of errors."""
    errors: dict[int, str]
    """What it says of the errors with an HTTP status, by status."""


def text_of(described: DescEnum | DescEnumValue | DescField | DescMessage | DescMethod | DescService) -> str:
    """The comment on something, each paragraph in one line; empty without one."""
    comment = _MARKED.sub("", _comment(described))
    return "\n\n".join(text for paragraph in re.split(r"\n\s*\n", comment) if (text := _in_one_line(paragraph)))


def text_of_method(method: DescMethod) -> MethodText:
    """Tell apart what a method's comment says."""
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
    """The short name of a service: what its comment has as `Title`, or the words of its name without `Service`."""
    return _marked(service, "Title") or " ".join(_WORD.findall(service.name.removesuffix("Service"))) or service.name


def example_of(field: DescField) -> str | None:
    """The value that a field's comment has as `Example`, as it is written."""
    return _marked(field, "Example")


def summary_of(service: DescService) -> str:
    """The first sentence of a service's comment, without the full stop."""
    return _first_sentence(text_of(service).partition("\n\n")[0]).partition("\n")[0].removesuffix(".")


def _comment(described: DescEnum | DescEnumValue | DescField | DescMessage | DescMethod | DescService) -> str:
    """The lines of a comment, without the remarks between its authors."""
    return _INTERNAL.sub("", "\n".join(line.removeprefix(" ") for line in get_comments(described).lines()))


def _marked(described: DescField | DescService, name: str) -> str | None:
    return next((value for marked, value in _MARKED.findall(_comment(described)) if marked == name and value), None)


def _in_one_line(paragraph: str) -> str:
    """Join the lines that an editor broke, as some pages show each break; lists and code keep theirs."""
    joined = ""
    for line in paragraph.strip("\n").splitlines():
        joined += ("\n" if _KEEPS_ITS_LINE.match(line) else " ") + line.rstrip() if joined else line.strip()
    return joined


def _first_sentence(paragraph: str) -> str:
    """Put the first sentence into a line of its own."""
    return _SENTENCE_END.sub("\n", paragraph, count=1)


def _errors_in(passage: str) -> list[tuple[int, str]]:
    """Cut the passage at the names of codes; gives each piece with the code's HTTP status."""
    starts = [match.start() for match in _CODE.finditer(passage)]
    pieces = [passage[start:end] for start, end in pairwise([*starts, len(passage)])]
    return [(_STATUS_NAMED[piece.split(maxsplit=1)[0].rstrip(",.;:")], _TRAILING.sub("", piece)) for piece in pieces]


_STATUS_NAMED = {code.name: status for code, status in HTTP_STATUS.items()}
