"""Read MARC-in-JSON as a stream: one object, an array of objects, or an object on each line."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pymarc import Field, Indicators, Leader, Record, Subfield

from library_formats.readers.raw import (
    BAD_CODE,
    MOST_FIELDS,
    MOST_MARKUP_BYTES,
    MOST_PROBLEMS,
    RawRecord,
    control_number_of,
    is_control_tag,
    shown,
    usable_leader,
    whole,
)
from library_formats.records import OpenAt, Place, RecordProblem

MOST_NESTED = 20
"""Levels of objects and arrays. A record has 5."""

NOT_A_FIELD = "This is not a field in the form of MARC-in-JSON; it was left out."

_PART = 65_536
_WITHIN = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+"|\{(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+\})*+', re.DOTALL)
"""What can be passed over within an object: whole texts, and objects without another one or an array. Without the
possessive quantifiers, it would take time proportional to the square of the length."""
_WITHIN_DEEPEST = re.compile(rb'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""The same where a further object would be nested too deep."""
_SIGN = re.compile(rb'["{}\[\]]')
_TEXT = re.compile(rb'(?:[^"\\]++|\\.)*+', re.DOTALL)
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_HEAD = 2_000
_CONTROL_NUMBER = re.compile(rb'"001"\s{0,9}:\s{0,9}"([ -!#-\[\]-~]{1,60})"')


@dataclass(frozen=True, slots=True)
class _Object:
    data: bytes
    end: int
    problem: str = ""
    """Why `data` is only the beginning of it, or not one."""


class RecordUnreadableError(Exception):
    """An object is not a record. Its text says why."""


def read_marc_json(open_at: OpenAt, start: Place) -> Iterator[RawRecord]:
    """Yield the records of a file from a place between two of them on."""
    for number, found in enumerate(_Objects(start.position).read(open_at), start.records + 1):
        after = Place(found.end, number)
        try:
            record, problems = _record(found)
        except RecordUnreadableError as problem:
            control_number = _CONTROL_NUMBER.search(found.data[:_HEAD])
            text = control_number[1].decode().strip() if control_number else ""
            yield RawRecord(number, after, text, None, (whole(str(problem)),))
        else:
            yield RawRecord(number, after, control_number_of(record), record, tuple(problems))


class _Objects:
    """Finds the objects of a file that are not within another object."""

    def __init__(self, position: int) -> None:
        self.position = position
        self.kept = bytearray()
        """The object so far, or what is between two of them."""
        self.depth = 0
        """Of objects and arrays within the object; 0 between two."""
        self.in_text = False
        self.is_escaped = False
        self.problem = ""

    def read(self, open_at: OpenAt) -> Iterator[_Object]:
        for part in open_at(self.position):
            for begin in range(0, len(part), _PART):
                yield from self._part(part[begin : begin + _PART])
        if self.depth:
            yield _Object(bytes(self.kept), self.position, self.problem or "The file ends within this object.")
        else:
            yield from self._garbage()

    def _part(self, part: bytes) -> Iterator[_Object]:
        at = 0
        while at < len(part):
            is_text = self.in_text
            end, sign = self._in_text(part, at) if is_text else self._between_texts(part, at)
            if sign == b"{" and not self.depth:
                self._keep(part, at, end - 1)
                yield from self._garbage()
                at = end - 1
            self._keep(part, at, end)
            if not is_text and self._closes(sign):
                yield _Object(bytes(self.kept), self.position, self.problem)
                self._begin_again()
            at = end

    def _between_texts(self, part: bytes, at: int) -> tuple[int, bytes]:
        """Return where the next sign ends that opens or closes something, and the sign."""
        passed = _WITHIN if self.depth < MOST_NESTED else _WITHIN_DEEPEST
        within = passed.match(part, at) if self.depth else None
        sign = _SIGN.search(part, within.end() if within else at)
        if sign is None:
            return len(part), b""
        self.in_text = sign[0] == b'"' and self.depth > 0
        return sign.end(), sign[0]

    def _in_text(self, part: bytes, at: int) -> tuple[int, bytes]:
        """Return where the text or the part ends."""
        if self.is_escaped:
            self.is_escaped = False
            return at + 1, b""
        within = _TEXT.match(part, at)
        end = within.end() if within else at
        if end == len(part):
            return end, b""
        # Of an escape sign at the end, the next part has what it escapes.
        self.is_escaped = part[end : end + 1] == b"\\"
        self.in_text = self.is_escaped
        return end + 1, b""

    def _closes(self, sign: bytes) -> bool:
        """Return whether a sign outside of texts ends the object."""
        if not self.depth:
            self.depth = int(sign == b"{")
            return False
        self.depth += (sign in (b"{", b"[")) - (sign in (b"}", b"]"))
        if self.depth > MOST_NESTED:
            self.problem = self.problem or f"The object is nested more than {MOST_NESTED} levels deep."
        return self.depth == 0

    def _keep(self, part: bytes, begin: int, end: int) -> None:
        self.position += end - begin
        if self.problem or len(self.kept) + end - begin > MOST_MARKUP_BYTES:
            if not self.problem and self.depth:
                self.problem = f"The record has more than {MOST_MARKUP_BYTES} bytes."
            del self.kept[_HEAD:]
        else:
            self.kept += part[begin:end]

    def _garbage(self) -> Iterator[_Object]:
        """Report what is between two objects and is not a sign of an array."""
        between = bytes(self.kept).strip(b" \t\r\n,[]\x00\x1a\x1e\xef\xbb\xbf")
        self._begin_again()
        if between:
            yield _Object(between[:_HEAD], self.position, f"This is not an object: {shown(_text(between[:100]))}")

    def _begin_again(self) -> None:
        self.kept.clear()
        self.problem = ""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def _record(found: _Object) -> tuple[Record, list[RecordProblem]]:
    values = _values(found)
    fields = values.get("fields")
    if not isinstance(fields, list):
        raise RecordUnreadableError("The object is not a MARC record: it has no list of fields.")
    if len(fields) > MOST_FIELDS:
        raise RecordUnreadableError(f"The record has more than {MOST_FIELDS} fields.")
    record = Record()
    problems: list[RecordProblem] = []
    leader = values.get("leader")
    record.leader = Leader(usable_leader(leader if isinstance(leader, str) else "", problems))
    entries = [pair for entry in fields for pair in (entry.items() if isinstance(entry, dict) else [("", entry)])]
    for tag, value in entries:
        field = _field(tag, value)
        if field is None:
            _note(problems, shown(tag)[:3], NOT_A_FIELD)
            continue
        coded = [subfield for subfield in field.subfields if len(subfield.code) == 1]
        if len(coded) < len(field.subfields):
            field.subfields = coded
            _note(problems, tag, BAD_CODE)
        record.fields.append(field)
    return record, problems


def _note(problems: list[RecordProblem], field: str, description: str) -> None:
    if len(problems) < MOST_PROBLEMS:
        problems.append(RecordProblem(field, description))


def _values(found: _Object) -> dict[str, Any]:
    if found.problem:
        raise RecordUnreadableError(found.problem)
    try:
        values: dict[str, Any] = json.loads(found.data.decode())
    except UnicodeDecodeError:
        raise RecordUnreadableError("The object is not UTF-8.") from None
    except json.JSONDecodeError as problem:
        raise RecordUnreadableError(f"The object is not JSON: {problem.msg} at character {problem.pos + 1}.") from None
    except (ValueError, RecursionError) as problem:
        raise RecordUnreadableError(f"The object is not JSON: {shown(str(problem))}.") from None
    if _SURROGATE.search(found.data) and not _is_unicode(values):
        raise RecordUnreadableError("The object has half of a character: one surrogate without the other.")
    return values


def _is_unicode(values: object) -> bool:
    try:
        json.dumps(values, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


def _field(tag: str, value: Any) -> Field | None:
    """Return a field; None for one of another form."""
    if len(tag) != 3 or not (tag.isascii() and tag.isalnum()):
        return None
    if is_control_tag(tag):
        return Field(tag, data=value) if isinstance(value, str) else None
    if not isinstance(value, dict) or not isinstance(value.get("subfields"), list):
        return None
    pairs = [pair for entry in value["subfields"] if isinstance(entry, dict) for pair in entry.items()]
    indicators = [value.get(name, " ") for name in ("ind1", "ind2")]
    if not all(isinstance(text, str) for text in [*indicators, *(text for _, text in pairs)]):
        return None
    first, second = (text[:1] or " " for text in indicators)
    return Field(tag, Indicators(first, second), [Subfield(code, text) for code, text in pairs])
