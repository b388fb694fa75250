"""Files of ISO 2709 with faults in their bytes, and what is read from each."""

from __future__ import annotations

from dataclasses import dataclass

from tests.support.marc_cases.making import MARC_8, iso

ONE = iso("001 one", "245 00 $aFirst")
TWO = iso("001 two", "245 00 $aSecond")
LATER = iso("001 three", "245 00 $aThird")


@dataclass(frozen=True)
class FileCase:
    """A file, and what its records become."""

    name: str
    data: bytes
    titles: tuple[str | None, ...]
    """Of each record; None: it is left out."""
    problems: tuple[str, ...] = ()
    """What the problems contain, in their order; no others are reported."""
    control_numbers: tuple[str, ...] = ()
    """Of each record; empty: not compared."""


def _with_length(data: bytes, length: str) -> bytes:
    return length.encode() + data[5:]


def _text(content: bytes, leader: str = MARC_8) -> bytes:
    return iso("001 one", "245 00 $a", leader=leader, raw={"245": b"00\x1fa" + content})


FILE_CASES = [
    FileCase("two records", ONE + TWO, ("First", "Second"), (), ("one", "two")),
    FileCase("a line feed between records", ONE + b"\n" + TWO + b"\n", ("First", "Second")),
    FileCase("line breaks of Windows between records", ONE + b"\r\n" + TWO + b"\r\n", ("First", "Second")),
    FileCase("blanks and NUL between records", ONE + b"  \0\0" + TWO + b"\0" * 100, ("First", "Second")),
    FileCase("Ctrl-Z at the end", ONE + b"\x1a", ("First",)),
    FileCase("two terminators", ONE + b"\x1d" + TWO, ("First", "Second")),
    FileCase("a byte order mark", b"\xef\xbb\xbf" + ONE, ("First",)),
    FileCase("blank lines before the first record", b"\n\n" + ONE, ("First",)),
    FileCase("an empty file", b"", ()),
    FileCase("only blanks", b" \n \n", ()),
    FileCase(
        "the last record is cut",
        ONE + TWO[:60],
        ("First", None),
        ("cut off: its leader states",),
        ("one", "two"),
    ),
    FileCase("cut within 001", ONE + TWO[:51], ("First", None), ("cut off",), ("one", "")),
    FileCase("cut within the leader", ONE + TWO[:10], ("First", None), ("cut off",)),
    FileCase("the terminator is missing at the end", ONE + TWO[:-1], ("First", None), ("cut off",), ("one", "two")),
    FileCase(
        "the terminator is missing between two",
        ONE[:-1] + TWO + LATER,
        (None, "Second", "Third"),
        ("cut off",),
        ("one", "two", "three"),
    ),
    FileCase("a record is cut, others follow", ONE[:60] + TWO + LATER, (None, "Second", "Third"), ("cut off",)),
    FileCase("the length is too small", _with_length(ONE, "00030") + TWO, ("First", "Second"), ("states 30 bytes",)),
    FileCase("the length is too great", _with_length(ONE, "09999") + TWO, ("First", "Second"), ("states 9999 bytes",)),
    FileCase(
        "the length ends with the next record",
        _with_length(ONE, f"{len(ONE + TWO):05}") + TWO,
        ("First", "Second"),
        ("states",),
    ),
    FileCase("the length is 0", _with_length(ONE, "00000") + TWO, ("First", "Second"), ("states 0 bytes",)),
    FileCase("the length is not a number", _with_length(ONE, "ABCDE") + TWO, ("First", "Second"), ("states 0 bytes",)),
    FileCase("the length is blank", _with_length(ONE, "     ") + TWO, ("First", "Second"), ("states 0 bytes",)),
    FileCase("the base address is wrong", ONE[:12] + b"00099" + ONE[17:] + TWO, ("First", "Second")),
    FileCase("the base address is not a number", ONE[:12] + b"abcde" + ONE[17:], ("First",)),
    FileCase(
        "a length in the directory is too small",
        ONE.replace(b"2450010", b"2450005"),
        ("First",),
        ("directory does not fit",),
    ),
    FileCase("a length is too great", ONE.replace(b"2450010", b"2459999"), ("First",), ("directory does not fit",)),
    FileCase("a length is not a number", ONE.replace(b"2450010", b"245ABCD"), ("First",), ("directory does not fit",)),
    FileCase(
        "an offset is beyond the record",
        ONE.replace(b"00004\x1e", b"90004\x1e"),
        ("First",),
        ("directory does not fit",),
    ),
    FileCase(
        "garbage for a directory", ONE[:24] + b"#" * 24 + ONE[48:] + TWO, (None, "Second"), ("directory is damaged",)
    ),
    FileCase(
        "a directory with one byte less",
        ONE[:30] + ONE[31:] + TWO,
        (None, "Second"),
        ("directory is damaged",),
    ),
    FileCase(
        "fields without a directory",
        b"00040nam a2200025 i 4500\x1eabc\x1e" + b"x" * 10 + b"\x1d" + TWO,
        (None, "Second"),
        ("directory is damaged",),
    ),
    FileCase("a record without fields", b"00026nam a2200025 i 4500\x1e\x1d" + TWO, (None, "Second"), ("no fields",)),
    FileCase(
        "text that is not a record",
        b"Dear library,\nsee our books.\n",
        (None,),
        ("not a MARC record: Dear library",),
    ),
    FileCase("text before a record", b"Dear library,\n" + ONE, (None, "First"), ("not a MARC record",)),
    FileCase("a terminator in a text", iso("001 one", "245 00 $aFirst\x1dpart") + TWO, ("First part", "Second")),
    FileCase("no indicators", iso("001 one", "245 00 $aFirst", raw={"245": b"\x1faFirst"}), ("First",)),
    FileCase("one indicator", iso("001 one", "245 00 $aFirst", raw={"245": b"0\x1faFirst"}), ("First",)),
    FileCase("three indicators", iso("001 one", "245 00 $aFirst", raw={"245": b"00 \x1faFirst"}), ("First",)),
    FileCase("an empty subfield", iso("001 one", "245 00 $aFirst", raw={"245": b"00\x1f\x1faFirst"}), ("First",)),
    FileCase(
        "a subfield's code is not ASCII",
        iso("001 one", "245 00 $aFirst", raw={"245": b"00\x1faFirst\x1f\xc3\xa9x"}),
        ("First",),
        ("code of a subfield",),
    ),
    FileCase("a tag of letters", iso("001 one", "245 00 $aFirst", "LDR 00 $ax", "Z39 00 $ax"), ("First",)),
    FileCase(
        "no title", iso("001 one", "100 1_ $aGibson, William") + TWO, (None, "Second"), ("no title",), ("one", "two")
    ),
    FileCase("an empty title", iso("001 one", "245 00 $a /") + TWO, (None, "Second"), ("no title",)),
    FileCase(
        "a title of 501 characters", iso("001 one", "245 00 $a" + "A" * 501) + TWO, (None, "Second"), ("at most 500",)
    ),
    FileCase("MARC-8: an accent before its letter", _text(b"Caf\xe2e"), ("Café",)),
    FileCase("MARC-8: two accents", _text(b"Ti\xe3\xf2et"), ("Tiệt",)),
    FileCase("MARC-8: letters of ANSEL", _text(b"\xa2stre \xa1\xb1 \xb5"), ("Østre Łł æ",)),
    FileCase("MARC-8: Greek", _text(b"\x1b(SABE\x1b(B end"), ("ΑΒΔ end",)),
    FileCase("MARC-8: Cyrillic", _text(b"\x1b(NmIR\x1b(B"), ("Мир",)),
    FileCase("MARC-8: Hebrew", _text(b"\x1b(2ab\x1b(B"), ("בג",)),
    FileCase("MARC-8: Chinese", _text(b"\x1b$1!0?\x1b(B x"), ("乏 x",)),
    FileCase("MARC-8: Chinese that is cut", _text(b"A \x1b$1!0?!0\x1b(B"), ("A 乏",), ("1 characters",)),
    FileCase("MARC-8: Chinese that is not switched off", _text(b"A \x1b$1!0"), ("A",), ("1 characters",)),
    FileCase("MARC-8: an unknown byte", _text(b"A \xff B"), ("A   B",), ("1 characters",)),
    FileCase("MARC-8: an accent at the end", _text(b"Caf\xe2"), ("Caf",), ("1 characters",)),
    FileCase("MARC-8: an unknown escape sequence", _text(b"A \x1b"), ("A �",), ("1 characters",)),
    FileCase(
        "MARC-8 in the leader, UTF-8 in the texts", _text("Café 日本".encode()), ("Café 日本",), ("texts are UTF-8",)
    ),
    FileCase(
        "UTF-8 in the leader, Windows-1252 in a text",
        _text("Café “x”".encode("cp1252"), "00000nam a2200000 i 4500"),
        ("Café “x”",),
        ("not; these were read as Windows-1252",),
    ),
    FileCase("decomposed accents", _text("Cafe\u0301".encode(), "00000nam a2200000 i 4500"), ("Cafe\u0301",)),
    FileCase("control characters in a text", _text(b"A\tB\x01C", "00000nam a2200000 i 4500"), ("A B C",)),
    FileCase(
        "marks of an article that is not sorted",
        _text("\x98The \x9cEnd".encode(), "00000nam a2200000 i 4500"),
        ("The End",),
    ),
    FileCase(
        "linked fields in other scripts", iso("001 one", "245 00 $6880-01$aFirst", "880 00 $6245-01$a初"), ("First",)
    ),
    FileCase("a field of 9,998 bytes", iso("001 one", "245 00 $aFirst", "500 __ $a" + "x" * 9_994), ("First",)),
    FileCase(
        "fields of more bytes than ISO 2709 can state",
        iso("001 one", "245 00 $aFirst", *["500 __ $a" + "x" * 9_990] * 12),
        ("First",),
        ("directory does not fit",),
    ),
]
"""The names are those of the tests."""
