"""Path templates, by the grammar in google/api/http.proto: `/v1/{name=shelves/*/books/*}:read`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import unquote

STAR, DOUBLE_STAR = "*", "**"
"""Wildcards: one segment, and any number of segments."""

_VERB = re.compile(r":([^/{}:*]*)$")
_SEGMENT = re.compile(r"(\{[^{}]*\})|([^/{}]+)")
_FIELD_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_SLASH = re.compile("(%2[Ff])")


class TemplateInvalid(Exception):
    """A path template that the grammar does not allow."""


@dataclass(frozen=True)
class Variable:
    """A part of the path that is the value of a field."""

    field_path: tuple[str, ...]
    start: int
    """Index of its first segment."""
    end: int | None
    """Index after its last segment; None if it continues to the end of the path."""

    @property
    def is_single(self) -> bool:
        """Whether it is exactly one segment, in which a slash can be encoded."""
        return self.end == self.start + 1

    def value(self, segments: Sequence[str]) -> str:
        """Return the decoded text of its segments. Raises UnicodeDecodeError if it is not UTF-8."""
        covered = segments[self.start : self.end]
        return decoded(covered[0]) if self.is_single else "/".join(map(_decoded_but_slashes, covered))


@dataclass(frozen=True)
class Template:
    """A parsed path template."""

    segments: tuple[str, ...]
    """Decoded literals, `*` for one segment, and at the end at most one `**` for any number of segments."""
    verb: str
    """The decoded text after the last colon; empty if there is no colon."""
    variables: tuple[Variable, ...]


def parse(text: str) -> Template:
    """Parse a path template. Raises TemplateInvalid with the problem as its message."""
    if not text.startswith("/"):
        raise TemplateInvalid(f"{text!r} does not begin with a slash")
    verb = _VERB.search(text)
    segments: list[str] = []
    variables: list[Variable] = []
    for part in _parts(text[1 : verb.start() if verb else None], text):
        if not part.startswith("{"):
            segments.append(_segment(part, text))
            continue
        name, _, pattern = part[1:-1].partition("=")
        if not _FIELD_PATH.fullmatch(name):
            raise TemplateInvalid(f"{name!r} in {text!r} is not a field path")
        covered = [_segment(piece, text) for piece in (pattern if "=" in part else STAR).split("/")]
        end = None if covered[-1] == DOUBLE_STAR else len(segments) + len(covered)
        variables.append(Variable(tuple(name.split(".")), len(segments), end))
        segments += covered
    if DOUBLE_STAR in segments[:-1]:
        raise TemplateInvalid(f"only a verb may follow `**` in {text!r}")
    if len({variable.field_path for variable in variables}) < len(variables):
        raise TemplateInvalid(f"two variables of {text!r} have the same name")
    return Template(tuple(segments), _segment(verb[1], text) if verb else "", tuple(variables))


def decoded(segment: str) -> str:
    """Decode the percent-encoding of a segment. Raises UnicodeDecodeError if it is not UTF-8."""
    return unquote(segment, errors="strict") if "%" in segment else segment


def _parts(text: str, whole: str) -> list[str]:
    """Split at slashes outside braces."""
    parts, end = [], -1
    for match in _SEGMENT.finditer(text):
        if match.start() != end + 1 or (end >= 0 and text[end] != "/"):
            break
        parts.append(match[0])
        end = match.end()
    if end != len(text):
        raise TemplateInvalid(f"{whole!r} has an empty segment, or a brace in the wrong place")
    return parts


def _segment(text: str, whole: str) -> str:
    if text in (STAR, DOUBLE_STAR):
        return text
    try:
        segment = decoded(text)
    except UnicodeDecodeError as error:
        raise TemplateInvalid(f"{text!r} in {whole!r} is not UTF-8") from error
    if not segment or "*" in segment:
        raise TemplateInvalid(f"{text!r} is not a segment for {whole!r}")
    return segment


def _decoded_but_slashes(segment: str) -> str:
    """Decode all but encoded slashes, which would be mistaken for those between segments."""
    return "".join(part if _SLASH.fullmatch(part) else decoded(part) for part in _SLASH.split(segment))
