"""Recognize a book without an ISBN by its title and first author."""

from __future__ import annotations

from collections.abc import Sequence

import regex

from service_kit.digests import digest_64
from service_kit.text.folding import fold
from service_kit.text.keys import text_key

# Signs that can be part of a name are kept: C, C++ and C# are three books.
_BETWEEN_WORDS = regex.compile(r"[[\p{P}\p{Z}\p{C}\s]--[#%&@*]]+", regex.V1)


def title_identity(title: str, authors: Sequence[str]) -> str:
    """Return what two entries of one book have in common: title and first author, as `_compared`."""
    return f"{_compared(title)}\n{_compared(authors[0] if authors else '')}"


def title_key(identity: str) -> int:
    """Return a number for an identity, for an index. Different identities can have the same number."""
    return digest_64(identity.encode())


def _compared(text: str) -> str:
    """Return the text without case, accents, punctuation, invisible characters and blanks at its ends."""
    words = " ".join(_BETWEEN_WORDS.split(fold(text).replace("'", ""))).strip()
    return words or text_key(text)  # a title of punctuation alone
