"""Folding: texts that people take for the same when they search become the same.

The rules and their reasons are in docs/search.md. In short: case, accents and invisible characters vanish; marks that
are letters in effect (vowel signs of Indic scripts and of Thai, the voicing marks of kana) stay.
"""

from __future__ import annotations

import functools
import unicodedata

import regex
from anyascii import anyascii

from service_kit.text.invisible import EMPTY_GLYPHS

E_MARKER = "\ue000"
"""Follows a letter that may also be written with an e after it: ä, ö, ü, ø. A private character, so texts lose it."""

A_MARKER = "\ue001"
"""Follows å, which may also be written aa."""

APOSTROPHES = "'`´‘’‚‛ʼ′‵＇｀׳՚᾽᾿῾΄ꞌ"
HYPHENS = "-‐‑‒–−﹘﹣－֊־"
MIDDLE_DOTS = "·‧∙⋅"

_SPELLINGS = {
    **dict.fromkeys(map(ord, APOSTROPHES), "'"),
    **dict.fromkeys(map(ord, HYPHENS), "-"),
    **dict.fromkeys(map(ord, MIDDLE_DOTS), "·"),
    ord("″"): "''",
    ord("ŉ"): "'n",
    ord("״"): "'",  # the Hebrew gershayim of acronyms
    ord("♯"): "#",
    ord(E_MARKER): " ",
    ord(A_MARKER): " ",
}
"""Before NFKD, which makes a blank of some apostrophes: U+00B4 becomes a blank and an accent."""

_LETTERS = {
    # Arabic: letters that writers of Arabic, Persian and Urdu exchange, and the stretching tatweel.
    **dict.fromkeys(map(ord, "ٱٲٳٵ"), "ا"),
    **dict.fromkeys(map(ord, "یىېے"), "ي"),
    **dict.fromkeys(map(ord, "کڪ"), "ك"),
    **dict.fromkeys(map(ord, "ةۃہھەۀ"), "ه"),
    ord("ـ"): "",
    # Hebrew: final forms, and the digraphs of Yiddish.
    **{ord(final): letter for final, letter in zip("ךםןףץ", "כמנפצ", strict=True)},
    ord("װ"): "וו",
    ord("ױ"): "וי",
    ord("ײ"): "יי",
    # Signs of transliterations: soft sign, ayn, hamza, okina, stress, length.
    **dict.fromkeys([*range(0x02B9, 0x02BC), *range(0x02BD, 0x02C2), *range(0x02C6, 0x02D2), 0x02EC, 0x02EE], ""),
    # The nukta of Devanagari, which many leave out.
    0x093C: "",
}

_INVISIBLE = regex.compile(rf"[\p{{Default_Ignorable_Code_Point}}\p{{Cf}}{EMPTY_GLYPHS}]+")

# Marks of the scripts below are accents and vowel points. All other marks are kept, and the voicing marks of kana with
# them, which Unicode counts among the inherited ones.
_ACCENTS = regex.compile(
    r"[[\p{M}&&[\p{Inherited}\p{Common}\p{Latin}\p{Greek}\p{Coptic}\p{Cyrillic}\p{Glagolitic}\p{Armenian}\p{Georgian}"
    r"\p{Hebrew}\p{Arabic}\p{Syriac}\p{Samaritan}\p{Mandaic}\p{Nko}\p{Ethiopic}]]--[\u3099\u309A]]+",
    regex.V1,
)
_SHORT_I, _YI, _SHORT_U = "и\u0306", "і\u0308", "у\u0306"
_UMLAUT = regex.compile("([aou])\u0308")
_SPECIAL_LATIN = regex.compile(r"[\p{Latin}--\p{ASCII}]", regex.V1)
_SPECIAL_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
_HEBREW_QUOTE = regex.compile(r'(?<=\p{Hebrew})"(?=\p{Hebrew})')
_KANA_DOT = regex.compile(r"(?<=[\p{Han}\p{Hiragana}\p{Katakana}ー])[・゠](?=[\p{Han}\p{Hiragana}\p{Katakana}])")


def fold(text: str) -> str:
    """Return the text as it is compared in a search: without case, accents and invisible characters."""
    return marked(text).replace(E_MARKER, "").replace(A_MARKER, "")


def marked(text: str) -> str:
    """Return the folded text with markers after the letters that have a second spelling: ä as a or ae, å as a or aa."""
    if text.isascii():
        return text.lower()
    # In NFC first: it turns an accent into U+00B4, an apostrophe here, which NFKD would turn into a blank.
    text = unicodedata.normalize("NFKD", unicodedata.normalize("NFC", text).translate(_SPELLINGS))
    text = unicodedata.normalize("NFKD", _INVISIBLE.sub("", text).casefold()).translate(_SPELLINGS)
    # Letters of their own, whose mark is not an accent: unlike ё, nobody writes them without it.
    text = text.replace(_SHORT_I, "й").replace(_YI, "ї").replace(_SHORT_U, "ў")
    text = _UMLAUT.sub(rf"\1{E_MARKER}", text).replace("a\u030a", "a" + A_MARKER).replace("ø", "o" + E_MARKER)
    text = _ACCENTS.sub("", text).translate(_LETTERS)
    text = _SPECIAL_LATIN.sub(_latin, text)
    text = _SPECIAL_DIGIT.sub(_digit, text)
    text = _KANA_DOT.sub("", _HEBREW_QUOTE.sub("'", text))
    return unicodedata.normalize("NFC", text)


def without_invisible(text: str) -> str:
    """Return the text without invisible characters: soft hyphens, joiners, direction marks, fillers."""
    return text if text.isascii() else _INVISIBLE.sub("", text)


def _latin(letter: regex.Match[str]) -> str:
    return _ascii_of(letter.group())


@functools.lru_cache(maxsize=4_096)
def _ascii_of(letter: str) -> str:
    return "".join(char for char in anyascii(letter).lower() if char.isalnum())


def _digit(digit: regex.Match[str]) -> str:
    value = unicodedata.decimal(digit.group(), None)
    return digit.group() if value is None else str(value)
