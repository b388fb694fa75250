"""Find out in which encoding a text is: by its byte order mark, as UTF-8, or by a guess of charset-normalizer."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

from charset_normalizer import CharsetMatch, from_bytes

from library_cli.importing.reading.problems import NotBooks
from library_cli.importing.reading.source import Source

BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)

WINDOWS_1252 = "cp1252"
CANDIDATES = [
    *(WINDOWS_1252, "cp1250", "iso8859_2", "cp1251", "koi8_r", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257"),
    *("mac_roman", "cp850", "shift_jis", "gb18030", "big5", "euc_kr", "euc_jp"),
]
"""Encodings in which spreadsheets and library programs write text that is not Unicode."""

NAMES = {
    **{f"cp{page}": f"windows-{page}" for page in range(1250, 1259)},
    "iso8859_2": "iso-8859-2",
    "koi8_r": "koi8-r",
    "mac_roman": "macintosh",
    "euc_kr": "euc-kr",
    "euc_jp": "euc-jp",
}
"""Names of encodings outside Python."""

NOT_FOR_FILES = {"idna", "punycode", "undefined", "unicode-escape", "raw-unicode-escape"}
"""Text encodings of Python in which no file is written."""

SAMPLE_BYTES = 16_384
"""Bytes of the text that is not ASCII, from which the encoding is guessed. More make the guess slower, not better."""

LONGEST_LINE = 2**20
"""In bytes or characters. A file that is not text may have no line end at all, and must not be read whole."""

MIXED = 0.3
"""Letters of UTF-8 for each other byte, above which a text is taken for UTF-8 with some wrong bytes. There are
0.1 to 0.25 in Chinese, Japanese and Korean in other encodings, and hardly any in European text in others."""

_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_WORD = re.compile(r"[^\W\d_]*[^\x00-\x7f\W][^\W\d_]*")
_MARKED = re.compile(r"[^\s,;|]*[^\x00-\x7f]+[^\s,;|]*")
MOST_SHOWN = 3
_ASCII = bytes(range(128))

LEAST_ZEROS = 0.04
"""Zeros for each pair of bytes, above which a text is UTF-16: other texts have none."""

ABOUT_AS_CHAOTIC = 0.02
ABOUT_AS_COHERENT = 0.1
"""Windows-1252, by far the most frequent, is preferred to an encoding whose marks are better by only this much."""


@dataclass(frozen=True)
class Encoding:
    """An encoding by its name in Python, the byte order mark at the beginning, and whether it is only a guess."""

    name: str
    mark: bytes = b""
    is_guess: bool = False
    examples: tuple[str, ...] = ()
    """Words that are only right if the guess is right."""
    others: tuple[str, ...] = ()
    """Names of other encodings that are nearly as probable."""

    @property
    def shown(self) -> str:
        """The name that people and other programs use."""
        return NAMES.get(self.name, self.name)


def encoding_of(source: Source, chosen: str) -> Encoding:
    """Return the encoding of a text. `chosen` is the value of --encoding, or empty.

    Raises NotBooks when the text is in no encoding, or not in the one that was named.
    """
    mark, marked = next((pair for pair in BYTE_ORDER_MARKS if source.head.startswith(pair[0])), (b"", ""))
    if chosen:
        return _chosen_encoding(chosen, mark, marked)
    if marked:
        return Encoding(marked, mark)
    if width := _utf16_by_zeros(source.head):
        return Encoding(width)
    if _first_misfit("utf-8", source) is None:
        return Encoding("utf-8")
    return _guessed(source)


def _chosen_encoding(chosen: str, mark: bytes, marked: str) -> Encoding:
    try:
        info = codecs.lookup(chosen)
    except (LookupError, ValueError):
        raise _unknown(chosen) from None
    # CodecInfo's flag for text encodings has no public name; `open` uses it, too.
    if not info._is_text_encoding or info.name in NOT_FOR_FILES:
        raise _unknown(chosen)
    if marked and not marked.startswith(info.name.removesuffix("-sig").removesuffix("-le").removesuffix("-be")):
        raise NotBooks(f"begins with the byte order mark of {marked}, so it is not {chosen}; leave --encoding out")
    if marked:
        return Encoding(marked, mark)
    return Encoding({"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(info.name, info.name))


def _unknown(chosen: str) -> NotBooks:
    return NotBooks(f"cannot be read: --encoding {chosen!r} is not a known encoding; try utf-8, utf-16 or windows-1252")


def _utf16_by_zeros(head: bytes) -> str:
    """Return the kind of UTF-16 without mark: its blanks, commas and line ends have zeros in every other byte."""
    pairs = len(head[:4096]) // 2
    first, second = (head[start : 2 * pairs : 2].count(0) for start in (0, 1))
    few = pairs * LEAST_ZEROS
    found = "utf-16-le" if second > few and not first else "utf-16-be" if first > few and not second else ""
    # A text in another encoding may have zeros by mistake. It hardly has a line end where UTF-16 would have one, and
    # when it is UTF-8, its headings have no zeros.
    if not found or not re.search("[\r\n]", head[: 2 * pairs].decode(found, "ignore")):
        return ""
    headings = re.split(rb"[\r\n]", head, maxsplit=1)[0]
    return "" if len(headings) > 1 and 0 not in headings and _is_utf8(head[: 2 * pairs]) else found


def _is_utf8(sample: bytes) -> bool:
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)
    except UnicodeDecodeError:
        return False
    return True


def _first_misfit(name: str, source: Source) -> UnicodeDecodeError | None:
    """Return the first error of decoding a file, or the beginning of a pipe."""
    decoder = codecs.getincrementaldecoder(name)()
    try:
        for chunk in source.look_through():
            decoder.decode(chunk)
        decoder.decode(b"", final=source.can_be_read_twice or source.head_is_all)
    except UnicodeDecodeError as error:
        return error
    return None


@dataclass
class _Evidence:
    """Counts of the bytes that are not ASCII."""

    utf8_letters: int = 0
    other_bytes: int = 0
    first_line: int = 0
    first_byte: int = 0
    sample: bytes = b""


def _guessed(source: Source) -> Encoding:
    evidence = _weighed(source)
    where = f"line {evidence.first_line} (byte 0x{evidence.first_byte:02x})"
    if evidence.utf8_letters > evidence.other_bytes * MIXED:
        raise NotBooks(
            f"is UTF-8 text, but not in {where}; correct that line, or name the encoding of the whole file with "
            "--encoding, such as --encoding windows-1252"
        )
    fitting = [name for name in _ranked(evidence.sample) if _first_misfit(name, source) is None]
    if fitting:
        texts = {name: evidence.sample.decode(name, "ignore") for name in fitting}
        text = texts[fitting[0]]
        words = _WORD.findall(text) or _MARKED.findall(text)
        others = [NAMES.get(name, name) for name in fitting if texts[name] != text]
        return Encoding(
            fitting[0],
            is_guess=True,
            examples=tuple(dict.fromkeys(words))[:MOST_SHOWN],
            others=tuple(others[:MOST_SHOWN]),
        )
    raise NotBooks(f"is not UTF-8 text in {where}, and its encoding is not recognized; name it with --encoding")


def _weighed(source: Source) -> _Evidence:
    evidence = _Evidence()
    sample: list[bytes] = []
    size = 0
    for number, line in enumerate(_byte_lines(source.look_through()), start=1):
        if line.isascii():
            continue
        others, letters = _UTF8_LETTER.subn(b"", line)
        evidence.utf8_letters += letters
        others = others.translate(None, _ASCII)
        if others and not evidence.other_bytes:
            evidence.first_line, evidence.first_byte = number, others[0]
        evidence.other_bytes += len(others)
        if size < SAMPLE_BYTES:
            sample.append(line[:SAMPLE_BYTES])
            size += len(sample[-1])
    evidence.sample = b"".join(sample)
    return evidence


def _byte_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        # The last one may go on in the next chunk, and may be one end of a pair of CR and LF.
        rest = b"" if not lines or lines[-1].endswith(b"\n") or len(lines[-1]) > LONGEST_LINE else lines.pop()
        yield from lines
    if rest:
        yield rest


def _ranked(sample: bytes) -> list[str]:
    """Return the encodings that fit a sample, the most probable first."""
    matches = list(from_bytes(sample, cp_isolation=CANDIDATES))
    names = [name for match in matches for name in (match.encoding, *match.could_be_from_charset)]
    if matches and any(_is_windows_1252(match, matches[0], sample) for match in matches):
        names.insert(0, WINDOWS_1252)
    return [*dict.fromkeys([*names, WINDOWS_1252])]


def _is_windows_1252(match: CharsetMatch, best: CharsetMatch, sample: bytes) -> bool:
    return (
        match.chaos <= best.chaos + ABOUT_AS_CHAOTIC
        and match.coherence >= best.coherence - ABOUT_AS_COHERENT
        and str(match) == sample.decode(WINDOWS_1252, "replace")
    )
