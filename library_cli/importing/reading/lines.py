"""The numbered lines of a text with any line ends. Those of the current record can be read again."""

from __future__ import annotations

import codecs
import re
from collections import deque
from collections.abc import Iterable, Iterator

from library_cli.importing.reading.encodings import LONGEST_LINE, Encoding
from library_cli.importing.reading.problems import NotBooks
from library_cli.importing.reading.source import Source

WINDOWS_1252_CONTROLS = {code: bytes([code]).decode("cp1252", "ignore") or chr(code) for code in range(0x80, 0xA0)}
"""The meaning of these control characters of Unicode: bytes of Windows-1252 that a program read as Latin-1 and wrote
as UTF-8. The HTML standard reads character references in the same way."""

END_OF_FILE = "\x1a"
"""Ctrl-Z, with which old programs end a text."""
BEFORE_REPAIR = {ord(char): chr(code) for code, char in WINDOWS_1252_CONTROLS.items()}
"""The control characters that these characters were read from."""

_LINE = re.compile(r"[^\r\n]*(?P<end>\r\n|\r|\n)?")
_CONTROLS = re.compile("[\x80-\x9f]")


class TextLines:
    """The lines of a text, each with its line end."""

    def __init__(self, source: Source, encoding: Encoding) -> None:
        self._source = source
        self._encoding = encoding
        self._unread = self._split()
        self._again: deque[str] = deque()
        self._split_lines = 0
        self.record: list[str] = []
        """The lines of the current record."""
        self.number = 0
        self.repaired = 0
        """The number of lines with control characters that were read as Windows-1252."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._repaired(next(self._unread))
        self.number += 1
        self.record.append(line)
        return line

    def begin_record(self) -> None:
        """Begin a record: the lines of the record before cannot be read again."""
        self.record = []

    def read_again_after_first(self) -> None:
        """Go back to the second line of the current record."""
        self._again.extendleft(reversed(self.record[1:]))
        self.number -= len(self.record) - 1
        del self.record[1:]

    def _repaired(self, line: str) -> str:
        if not _CONTROLS.search(line):
            return line
        self.repaired += 1
        return line.translate(WINDOWS_1252_CONTROLS)

    def _split(self) -> Iterator[str]:
        for line in split_lines(self._texts()):
            self._split_lines += 1
            yield line if line.strip() != END_OF_FILE else line.replace(END_OF_FILE, "")
            self._refuse_if_long(line)

    def _texts(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(self._encoding.name)()
        skipped = len(self._encoding.mark)
        seen = 0
        try:
            for chunk in self._source.chunks():
                text = decoder.decode(chunk[skipped:])
                skipped = 0
                seen = 0 if "\n" in text or "\r" in text else seen + len(text)
                if seen > LONGEST_LINE:
                    raise self._too_long()
                yield text
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            # The good lines before it are read first.
            good = error.object[: error.start].decode(self._encoding.name, "ignore")
            yield good
            raise self._misfit(error, good) from error

    def _misfit(self, error: UnicodeDecodeError, good: str) -> NotBooks:
        at = f"byte 0x{error.object[error.start]:02x} in line {self._split_lines + 1}"
        name = self._encoding.shown
        if name == "utf-8":
            return NotBooks(
                f"is not UTF-8 text ({at}); name its encoding, such as --encoding windows-1252, or save it as UTF-8"
            )
        return NotBooks(f"is not {name} text ({at}); name its encoding with --encoding, or save it as UTF-8")

    def _refuse_if_long(self, line: str) -> None:
        if len(line) > LONGEST_LINE:
            raise self._too_long()

    def _too_long(self) -> NotBooks:
        return NotBooks(f"is not text: line {self._split_lines + 1} is longer than {LONGEST_LINE:,} characters")


def split_lines(texts: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a text that comes in parts, each with its line end: LF, CR and LF, or CR alone."""
    rest = ""
    for text in texts:
        rest += text
        begin = 0
        # A CR at the end of a part may be followed by its LF.
        for match in _LINE.finditer(rest, 0, len(rest) - rest.endswith("\r")):
            if match.lastgroup:
                yield match.group()
                begin = match.end()
        rest = rest[begin:]
    if rest:
        yield rest
