"""Search for books by the words of the title, the authors and the ISBN."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from library_domain.isbn import isbns_in, plain_text
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import Expression, Word, all_of, any_of
from service_kit.text.words import index_words, query_expression

_NO_WORD = "must have a word or a number to look for"


def book_words(title: str, authors: Iterable[str], isbn: str) -> list[str]:
    """Return the words under which a book is found, each once."""
    words = dict.fromkeys(index_words(title))
    for author in authors:
        words.update(dict.fromkeys(index_words(author)))
    if isbn:
        words[isbn] = None
    return list(words)


def book_query(query: str) -> Expression:
    """Return the words that a query asks for. An ISBN in it, in any form, becomes its thirteen digits.

    Raises `FieldInvalid` for a query without a word.
    """
    plain = plain_text(query)
    parts: list[Expression | None] = []
    end = 0
    for found in isbns_in(plain):
        parts.append(query_expression(plain[end : found.begin]))
        isbn13 = Word(found.isbn13)
        written = None if found.is_certain else query_expression(plain[found.begin : found.end])
        parts.append(any_of([isbn13, written]) if written else isbn13)
        end = found.end
    parts.append(query_expression(plain[end:]))
    wanted = [part for part in parts if part is not None]
    if not wanted:
        raise FieldInvalid(("query", _NO_WORD))
    return all_of(wanted)


class QueryRequest(Protocol):
    """A request with an optional query."""

    query: str


def check_query(request: QueryRequest) -> None:
    """Raise `FieldInvalid` for a query without a word."""
    if request.query:
        book_query(request.query)
