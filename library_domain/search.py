"""Search for books by the words of their titles, names and subjects, and by their numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from library.v1.book_pb2 import Book
from library_domain.isbn import isbns_in, plain_text
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import Expression, Word, all_of, any_of
from service_kit.text.words import index_words, query_expression

_NO_WORD = "must have a word or a number to look for"


def book_words(
    title: str, authors: Iterable[str], isbn: str, further: Iterable[str] = (), numbers: Iterable[str] = ()
) -> list[str]:
    """Return the words under which a book is found, each once.

    Args:
        title: Its title.
        authors: Its authors.
        isbn: Its ISBN as thirteen digits, or "".
        further: Its other texts that are searched: subtitle, series, subjects, and the names of contributors.
        numbers: The values of its identifiers. They are not taken apart, so that `1984` does not find the ISSN
            0317-1984.
    """
    words = dict.fromkeys(index_words(title))
    for text in (*authors, *further):
        words.update(dict.fromkeys(index_words(text)))
    if isbn:
        words[isbn] = None
    for number in numbers:
        words.update(dict.fromkeys(number_words(number)))
    return list(words)


def number_words(number: str) -> list[str]:
    """Return the words of a number that identifies a book, each without the signs between its digits."""
    return [word for part in number.split() for word in index_words("".join(filter(str.isalnum, part)))]


def words_of_book(book: Book) -> list[str]:
    """Return the words under which a book of the catalogue is found, each once."""
    names = [contributor.name for contributor in book.contributors]
    further = [text for text in (book.subtitle, book.series, *book.subjects, *names) if text]
    return book_words(book.title, book.authors, book.isbn, further, numbers_of_book(book))


def numbers_of_book(book: Book) -> list[str]:
    """Return the values of a book's identifiers."""
    return [identifier.value for identifier in book.identifiers]


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
