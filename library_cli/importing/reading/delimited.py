"""Text whose values are separated by a character: CSV (RFC 4180) and similar text, in bounded memory."""

from __future__ import annotations

import codecs
import csv
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from library_cli.importing.reading.delimiters import (
    DELIMITERS,
    SEPARATOR_LINE,
    Delimiter,
    delimiter_of,
    parsed,
    said_delimiter,
)
from library_cli.importing.reading.encodings import Encoding
from library_cli.importing.reading.lines import BEFORE_REPAIR, TextLines, split_lines
from library_cli.importing.reading.problems import Choices, NotBooks, quoted
from library_cli.importing.reading.source import Source
from library_cli.importing.reading.table import Facts, Row


class DelimitedText:
    """The rows of a text with separated values."""

    kind = "text"

    def __init__(
        self, source: Source, encoding: Encoding, choices: Choices, known_heading: Callable[[str], float]
    ) -> None:
        self._source = source
        self._encoding = encoding
        self.encoding = to_be_named(encoding)
        sample = beginning(source, encoding)
        self._lines = TextLines(source, encoding)
        self._before: list[str] = []
        delimiter = self._separator_line(sample)
        sniffed = delimiter_of(sample, len(choices.columns), known_heading)
        if choices.delimiter:
            delimiter = said_delimiter(choices.delimiter)
        if delimiter is None:
            delimiter = sniffed
        else:
            _refuse_other(sniffed.char, delimiter.char, sample, known_heading)
        self._delimiter = delimiter.char
        self.facts = facts_of(encoding)
        if self._delimiter != ",":
            found = self.facts.guessed if delimiter.is_guess else self.facts.certain
            found.append(f"this file is separated by {self._delimiter_name}")
        self._reader = csv.reader(self._lines, delimiter=self._delimiter, strict=True, skipinitialspace=True)
        self.headings: Sequence[str] = [] if choices.columns else self._read_headings()
        self.heading_line = self._lines.number
        self._width = len(choices.columns) or len(self.headings)
        records = parsed(sample, self._delimiter)
        self.samples = records if choices.columns else records[1:]

    @property
    def named_columns(self) -> int:
        """The number of columns in the line of headings."""
        return len(self.headings)

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
        """The number of lines with repaired characters, for people."""
        if not self._lines.repaired:
            return []
        done = "had control characters that are letters in Windows-1252, and were read as those"
        return [f"{self._lines.repaired} lines {done}"]

    def rows(self) -> Iterator[Row]:
        """Yield the rows with a value. Of a row with an unclosed quote, only the first line is lost."""
        while True:
            self._lines.begin_record()
            line = self._lines.number + 1
            try:
                values = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                # An unclosed quote would include the good rows after it, so only the line that opens it is refused.
                self._lines.read_again_after_first()
                yield Row(line, [], f"is not valid CSV ({in_words(error)}); is a quote missing, or not doubled?")
                continue
            values = [value.strip() for value in values]
            if any(values):
                yield self._row(line, values)

    def raw_row(self) -> object:
        """Return the lines of the row that was yielded last."""
        return "".join(self._lines.record)

    def rejects(self, path: Path) -> LineFile:
        """Begin a text in the same encoding, with the same headings."""
        return LineFile(path, self._encoding, "".join(self._before))

    def _row(self, line: int, values: list[str]) -> Row:
        if len(values) > self._width and not any(values[self._width :]):
            del values[self._width :]
        if len(values) == self._width:
            return Row(line, values)
        mark = {",": "comma", ";": "semicolon", "\t": "tab"}.get(self._delimiter, repr(self._delimiter))
        missing = f"is a {mark} or a quote missing?"
        if any(other in value for value in values for other in DELIMITERS if other not in f"{self._delimiter},"):
            missing = f"values are separated by {self._delimiter_name} here; {missing}"
        return Row(line, [], f"has {len(values)} values for {self._width} columns; {missing}")

    @property
    def _delimiter_name(self) -> str:
        return DELIMITERS.get(self._delimiter, repr(self._delimiter))

    def _separator_line(self, sample: list[str]) -> Delimiter | None:
        """Read Excel's line that names the separator, if the text begins with it; remove it from the sample."""
        match = SEPARATOR_LINE.fullmatch(sample[0]) if sample else None
        if match is None:
            return None
        del sample[0]
        self._before.append(next(self._lines))
        return Delimiter("\t" if match["delimiter"] == "\\t" else match["delimiter"])

    def _read_headings(self) -> list[str]:
        """Read the first line that has a value."""
        while True:
            self._lines.begin_record()
            try:
                headings = [name.strip() for name in next(self._reader)]
            except StopIteration:
                raise NotBooks("is empty: its first line must name the columns") from None
            except csv.Error as error:
                raise NotBooks(f"does not begin with a line that names the columns ({in_words(error)})") from error
            if any(headings):
                self._before.append("".join(self._lines.record))
                return headings


class LineFile:
    """A text in an encoding, to which lines are added."""

    def __init__(self, path: Path, encoding: Encoding, before: str) -> None:
        self._file = path.open("wb")
        self._encoding = encoding
        self._ends = "\r\n" if before.endswith("\r\n") else "\r" if before.endswith("\r") else "\n"
        self._file.write(encoding.mark)
        self._write(before)

    def add(self, row: object) -> None:
        """Add a row, which may have several lines."""
        self._write(str(row))

    def close(self) -> None:
        """Write all to disk and close the file."""
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _write(self, text: str) -> None:
        if text and not text.endswith(("\r", "\n")):
            text += self._ends
        try:
            content = text.encode(self._encoding.name)
        except UnicodeEncodeError:  # the encoding lacks characters that were repaired, so they are written as they were
            content = text.translate(BEFORE_REPAIR).encode(self._encoding.name, "replace")
        self._file.write(content)


def _refuse_other(found: str, chosen: str, sample: list[str], known_heading: Callable[[str], float]) -> None:
    """Raise NotBooks where the headings are separated by another character than --delimiter names."""
    first, by_chosen = (parsed(sample, char)[:1] for char in (found, chosen))
    if (
        first
        and by_chosen
        and len(by_chosen[0]) == 1 < len(first[0])
        and any(known_heading(text) == 1 for text in first[0])
    ):
        raise NotBooks(f"is separated by {DELIMITERS[found]}, not by {DELIMITERS.get(chosen, repr(chosen))}")


def to_be_named(encoding: Encoding) -> str:
    """Return the name of an encoding that a file does not show by itself; empty for others."""
    return "" if encoding.name == "utf-8" or encoding.mark else encoding.shown


def facts_of(encoding: Encoding) -> Facts:
    """Return the lines about an encoding; none about UTF-8."""
    facts = Facts()
    if encoding.name != "utf-8":
        found = facts.guessed if encoding.is_guess else facts.certain
        found.append(f"its text is in {encoding.shown}" + (_about_guess(encoding) if encoding.is_guess else ""))
    return facts


def _about_guess(encoding: Encoding) -> str:
    """Return what a person needs to see whether an encoding is the right one."""
    words = ", ".join(map(quoted, encoding.examples))
    others = f"; --encoding chooses another one, such as {', '.join(encoding.others)}" if encoding.others else ""
    return f", which is a guess: {words}{others}"


def beginning(source: Source, encoding: Encoding) -> list[str]:
    """Return the whole lines in what was looked at of a text."""
    decoder = codecs.getincrementaldecoder(encoding.name)("ignore")
    text = decoder.decode(source.head[len(encoding.mark) :], final=source.head_is_all)
    lines = list(split_lines([text]))
    if lines and not source.head_is_all and not lines[-1].endswith("\n"):
        lines.pop()
    return lines


def in_words(error: csv.Error) -> str:
    """Return what is wrong with a record, not in the words of Python's reader."""
    text = str(error)
    if "unexpected end of data" in text:
        return "a quote is opened, and not closed"
    if "expected after" in text:
        return "text follows a closing quote"
    if "field limit" in text:
        return "a value is longer than 131,072 characters, or a quote is not closed"
    return text
