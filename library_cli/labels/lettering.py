"""Text on labels: the font, which characters it can print, and text that fits."""

from __future__ import annotations

import functools
import unicodedata
from bisect import bisect_right
from collections.abc import Callable
from typing import NamedTuple

import fontpkg
import regex
from anyascii import anyascii
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FONT = "LabelSans"
FAMILY = "Noto Sans"
"""Has the letters of all languages that are written in the Latin, Greek or Cyrillic script."""

# Other scripts need a shaping engine, or run from right to left. The font has the letters of one of them, Devanagari.
OTHER_SCRIPT = regex.compile(r"[^\p{Latin}\p{Greek}\p{Cyrillic}\p{Common}\p{Inherited}]")
INVISIBLE = regex.compile(r"[\p{Cf}\p{Cc}\p{Co}\p{Cs}\p{Zl}\p{Zp}\uFE00-\uFE0F]+")
ELLIPSIS = "…"
REPLACEMENT = "?"

SMALLEST = 0.8
"""How much smaller text is printed, at most, before it is shortened."""


class Printable(NamedTuple):
    text: str
    replaced: str
    """The parts of the original that the font lacks, separated by spaces."""


@functools.cache
def _has_glyph() -> Callable[[int], bool]:
    """Register the font, and return whether it has a glyph for a code point."""
    font = TTFont(FONT, str(fontpkg.path(FAMILY)))
    pdfmetrics.registerFont(font)
    glyphs: dict[int, int] = font.face.charToGlyph
    return glyphs.__contains__


def printable(text: str) -> Printable:
    """Return the text in characters that the font has, on one line.

    Other characters are written in Latin letters, as the search does: `Мир 村` is printed as `Мир Cun`. A character
    without a Latin form is printed as `?`.
    """
    has_glyph = _has_glyph()
    clean = " ".join(INVISIBLE.sub(" ", unicodedata.normalize("NFC", text)).split())
    parts: list[str] = []
    replaced: list[str] = []
    for is_missing, run in _runs(clean, lambda letter: OTHER_SCRIPT.match(letter) or not has_glyph(ord(letter))):
        parts.append(anyascii(run).strip() or REPLACEMENT if is_missing else run)
        if is_missing:
            replaced.append(run)
    return Printable("".join(parts), " ".join(replaced))


def _runs(text: str, is_missing: Callable[[str], object]) -> list[tuple[bool, str]]:
    """Return the text in parts, each with whether its characters are missing."""
    runs: list[tuple[bool, str]] = []
    for letter in text:
        missing = bool(is_missing(letter))
        if runs and runs[-1][0] is missing:
            runs[-1] = (missing, runs[-1][1] + letter)
        else:
            runs.append((missing, letter))
    return runs


def width(text: str, size: float) -> float:
    """Return the width of printable text, in points."""
    _has_glyph()
    return float(pdfmetrics.stringWidth(text, FONT, size))


class Fitted(NamedTuple):
    text: str
    size: float


def fitted(text: str, size: float, room: float) -> Fitted:
    """Return printable text that is at most `room` points wide: printed smaller if that is enough, or shortened."""
    whole = width(text, size)
    if whole <= room:
        return Fitted(text, size)
    size *= max(SMALLEST, room / whole)
    if width(text, size) <= room:
        return Fitted(text, size)
    # Each beginning is at most as wide as a longer one.
    length = bisect_right(range(len(text)), room, key=lambda each: width(text[:each] + ELLIPSIS, size)) - 1
    return Fitted(text[: max(length, 0)].rstrip() + ELLIPSIS, size)
