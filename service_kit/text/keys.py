"""Keys of short texts such as publishers: equal where people see the same text, and sorted as people sort."""

from __future__ import annotations

import functools
import hashlib
import unicodedata

import regex

from service_kit.text.folding import APOSTROPHES, HYPHENS, fold, without_invisible
from service_kit.text.invisible import stripped

SORTED_CHARACTERS = 50
"""Characters of a text by which it is sorted: PostgreSQL accepts 2,700 bytes in an entry of an index."""

KEPT_BYTES = 300
"""A longer text is compared by a digest."""

NO_TEXT = "\x02"
"""A key that no text has."""

_SEPARATOR = "\x01"  # before every other character, so that `Ace` comes before `Ace Books`
_SPELLINGS = {**dict.fromkeys(map(ord, APOSTROPHES), "'"), **dict.fromkeys(map(ord, HYPHENS), "-")}
_BETWEEN_WORDS = regex.compile(r"[^\p{L}\p{M}\p{N}]+")


def tidied(text: str) -> str:
    """Return a text as it is stored: in NFC, without blanks and invisible characters at its ends."""
    return stripped(unicodedata.normalize("NFC", text))


@functools.lru_cache(maxsize=4_096)  # a catalogue has the same publishers again and again
def text_key(text: str) -> str:
    """Return the key of a text, or "" where nothing of it is visible.

    Two texts have the same key if they differ only in case, Unicode form, blanks, invisible characters, and the kind of
    apostrophes and hyphens. Keys sort as people do: by letters without accents and punctuation first.
    """
    text = unicodedata.normalize("NFC", text).translate(_SPELLINGS)
    same = unicodedata.normalize("NFKC", without_invisible(unicodedata.normalize("NFD", text)))
    # Turkish has two letters i. Programs that do not know this mix up their capitals.
    same = unicodedata.normalize("NFD", same).casefold().replace("ı", "i").replace("i\u0307", "i")
    same = unicodedata.normalize("NFKC", same).translate(_SPELLINGS)
    same = " ".join(without_invisible(same).split())
    if not same:
        return ""
    plain = " ".join(_BETWEEN_WORDS.split(fold(same).replace("'", ""))).strip()
    encoded = same.encode()
    if len(encoded) > KEPT_BYTES:
        same = hashlib.blake2b(encoded, digest_size=16).hexdigest()
    plain = plain[:SORTED_CHARACTERS]
    return plain + _SEPARATOR + ("" if same == plain else same)
