"""Convert MARC-8, the character set of MARC 21 before Unicode, with the tables of pymarc."""

from __future__ import annotations

import re

from pymarc.marc8 import marc8_to_unicode

_CHINESE = re.compile(rb"(\x1b(?:[(,]|\$,?)?1)([^\x1b]*)")
"""A text in EACC, whose characters have three bytes, after the escape sequence that switches to it."""
_COMBINING = 0xE0
"""In ANSEL, bytes from here on are accents, which precede their letter."""
CHARACTER_BYTES = 3


def decoded_marc8(data: bytes) -> tuple[str, int]:
    """Return a text, and how many of its characters are not known or lack a part: they are blanks, or left out."""
    wrong = 0

    def without_rest(text: re.Match[bytes]) -> bytes:
        # pymarc would print a warning for a character that is cut.
        nonlocal wrong
        rest = len(text[2]) % CHARACTER_BYTES
        wrong += bool(rest) + sum(byte <= 0x20 for byte in text[2])
        return text[1] + (text[2][:-rest] if rest else text[2])

    if b"\x1b" in data:
        data = _CHINESE.sub(without_rest, data)
    try:
        text = marc8_to_unicode(data, hide_utf8_warnings=True)
    except (UnicodeDecodeError, ValueError):
        return data.decode("ascii", "replace").replace("\x1b", "�"), 1
    # An unknown character becomes a blank.
    wrong += max(0, text.count(" ") - data.count(b" "))
    wrong += bool(data) and data[-1] >= _COMBINING and b"\x1b" not in data
    return text, wrong
