"""What of a book is found by words: its title, its authors, its ISBN."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Protocol

from library_domain.isbn import normalized_isbn13
from service_kit.errors import FieldInvalid
from service_kit.full_text import words_of

# The longer one first, and whole numbers only: else the first ten digits of an ISBN-13 would be taken for an ISBN-10.
_ISBN_LIKE = re.compile(r"(?<!\w)(?:(?:\d[ -]?){12}\d|(?:\d[ -]?){9}[\dXx])(?!\w)")


def book_words(title: str, authors: Iterable[str], isbn: str) -> str:
    """The words under which a book is found, as the word index wants them."""
    return " ".join(words_of(" ".join([title, *authors, isbn])))


def query_words(query: str) -> list[str]:
    """The words that a query asks for; an ISBN in it, however written, as its thirteen digits.

    Raises `FieldInvalid` for a query without a word.
    """
    words = words_of(_ISBN_LIKE.sub(_as_isbn13, query))
    if not words:
        raise FieldInvalid(("query", "must have a word or a number to look for"))
    return words


class QueryRequest(Protocol):
    """A request that may look for words."""

    query: str


def check_query(request: QueryRequest) -> None:
    """Raise `FieldInvalid` for a query without a word."""
    if request.query:
        query_words(request.query)


def _as_isbn13(found: re.Match[str]) -> str:
    try:
        return normalized_isbn13(found.group())
    except ValueError:
        return found.group()
