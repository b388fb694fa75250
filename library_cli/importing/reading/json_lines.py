"""JSON Lines: an object on each line, with the fields' names as keys."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from library_cli.importing.reading.delimited import LineFile, beginning, facts_of, to_be_named
from library_cli.importing.reading.encodings import Encoding
from library_cli.importing.reading.fields import FIELDS
from library_cli.importing.reading.lines import TextLines
from library_cli.importing.reading.problems import NotBooks, quoted
from library_cli.importing.reading.source import Source
from library_cli.importing.reading.table import Row, Value


class JsonLines:
    """The objects in a text. Its headings are the keys of the first ones; the names of fields may come later, too."""

    kind = "JSON Lines"
    heading_line = 0

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._source = source
        self._encoding = encoding
        self.encoding = to_be_named(encoding)
        self._lines = TextLines(source, encoding)
        self.facts = facts_of(encoding)
        objects = [found for line in beginning(source, encoding) if isinstance(found := _loaded(line), dict)]
        if not objects:
            raise NotBooks('is not JSON Lines: each line must be a whole JSON object, such as {"title": "Emma"}')
        keys = dict.fromkeys(key for found in objects for key in found)
        self.named_columns = len(keys)
        self._keys = list(keys | dict.fromkeys(FIELDS))
        self.headings: Sequence[str] = self._keys
        self.samples = [[_value(found.get(key)) or "" for key in self._keys] for found in objects]

    @property
    def bytes_read(self) -> int:
        """Bytes of the file that have been read."""
        return self._source.bytes_read

    @property
    def last_line(self) -> int:
        """The number of the line that was read last."""
        return self._lines.number

    @property
    def remarks(self) -> list[str]:
        """Nothing is repaired."""
        return []

    def rows(self) -> Iterator[Row]:
        """Yield the objects; blank lines are passed over."""
        while True:
            self._lines.begin_record()
            try:
                text = next(self._lines)
            except StopIteration:
                return
            if text.strip():
                yield self._row(self._lines.number, _loaded(text))

    def raw_row(self) -> object:
        """Return the line that was yielded last."""
        return "".join(self._lines.record)

    def rejects(self, path: Path) -> LineFile:
        """Begin a text in the same encoding."""
        return LineFile(path, self._encoding, "")

    def _row(self, line: int, found: object) -> Row:
        if not isinstance(found, dict):
            reason = found if isinstance(found, str) else "it is not an object"
            return Row(line, [], f"is not a line of JSON Lines ({reason})")
        others = [key for key in found if key not in self._keys]
        if others:
            return Row(line, [], f"has the unknown key {quoted(others[0])}, which the first lines do not have")
        values = {key: _value(value) for key, value in found.items()}
        unfit = [key for key, value in values.items() if value is None]
        if unfit:
            return Row(line, [], f"has a value for {quoted(unfit[0])} that is not a text, a number or a list of texts")
        return Row(line, [value if (value := values.get(key)) is not None else "" for key in self._keys])


def _loaded(line: str) -> object:
    """Return the JSON value of a line, or what is wrong with it."""
    try:
        found: object = json.loads(line.strip(), object_pairs_hook=_without_doubles, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        return f"{error.msg}, character {error.colno}"
    except (ValueError, RecursionError) as error:
        return str(error)
    if "\\u" in line and _has_half_character(found):
        return "it has half a character, \\ud83d or the like"
    return found if isinstance(found, dict) else ["not an object"]


def _has_half_character(found: object) -> bool:
    try:
        json.dumps(found, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key comes twice")
    return found


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON value")


def _value(value: object) -> Value | None:
    """Return a value as a table has it; None for one that no field can take."""
    if value is None:
        return ""
    if isinstance(value, bool | dict):
        return None
    if isinstance(value, str | int | float):
        return value.strip() if isinstance(value, str) else value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [item.strip() for item in value]
    return None
