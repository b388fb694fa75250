"""Make records of lines such as `245 10 $aNeuromancer :$ba novel`, as bytes of ISO 2709 that no writer would make."""

from __future__ import annotations

from collections.abc import Sequence

from pymarc import Field, Indicators, Leader, Record, Subfield

LEADER = "00000nam a2200000 i 4500"
UNIMARC_LEADER = "00000nam  2200000   450 "
MARC_8 = "00000nam  2200000 a 4500"

Content = str | bytes


def fields_of(lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the number and the content of each line, with the signs of ISO 2709."""
    fields = []
    for line in lines:
        tag, content = line[:3], line[4:]
        if tag >= "010":
            content = content[:2].replace("_", " ") + content[2:].lstrip(" ").replace("$", "\x1f").replace(
                "\x1f\x1f", "$"
            )
        fields.append((tag, content))
    return fields


def iso(
    *lines: str, leader: str = LEADER, charset: str = "utf-8", raw: dict[str, bytes] | None = None, end: bytes = b"\x1d"
) -> bytes:
    """Return a record of ISO 2709.

    Args:
        lines: Its fields.
        leader: Its leader; the lengths are filled in.
        charset: The character set of the lines.
        raw: Contents of fields as they are, by number, instead of those of the lines.
        end: The terminator.
    """
    contents = [(tag, (raw or {}).get(tag, text.encode(charset))) for tag, text in fields_of(lines)]
    directory, data = b"", b""
    for tag, content in contents:
        directory += f"{tag}{len(content) + 1:04}{min(len(data), 99_999):05}".encode()
        data += content + b"\x1e"
    base = 24 + len(directory) + 1
    length = base + len(data) + 1
    return f"{min(length, 99_999):05}{leader[5:12]}{base:05}{leader[17:]}".encode() + directory + b"\x1e" + data + end


def record(*lines: str, leader: str = LEADER) -> Record:
    """Return a record as pymarc has it."""
    made = Record()
    made.leader = Leader(leader)
    for tag, content in fields_of(lines):
        if tag < "010":
            made.fields.append(Field(tag, data=content))
        else:
            first, *subfields = content.split("\x1f")
            made.fields.append(
                Field(tag, Indicators(first[0], first[1]), [Subfield(text[:1], text[1:]) for text in subfields])
            )
    return made
