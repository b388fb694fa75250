"""Whether a typed text names a book or a user: exactly, by the beginnings of its words, or not at all.

The service also finds similar words, with a typing error, and the middle of words. Those results are offered, but no
book is lent for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from library_domain.emails import email_key, key_of_address
from library_domain.isbn import normalized_isbn13
from library_domain.search import book_query, book_words, number_words, numbers_of_book, words_of_book
from library_domain.users import queried_card_number
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import All, But, Expression, Word
from service_kit.text.keys import text_key
from service_kit.text.words import index_words, query_expression

BEGINNING_OF_ID = re.compile("[0-9a-fA-F][0-9a-fA-F-]{3,35}")
"""The beginning of an id. Shorter ones match too many."""

LEAST_DIGITS = 8
"""The least number of digits of an unknown number that counts as a mistyped or badly scanned ISBN."""

Item = TypeVar("Item")


@dataclass
class Matches(Generic[Item]):
    """The results for a text, by how well they match."""

    exact: list[Item] = field(default_factory=list)
    begun: list[Item] = field(default_factory=list)
    """Items with words, or an id, that begin with the text."""
    offers: list[Item] = field(default_factory=list)
    """Items that are only similar."""
    is_cut: bool = False
    """Whether the service has more results than were read."""

    @property
    def best(self) -> list[Item]:
        """The exact matches; if there are none, the items that begin with the text."""
        return self.exact or self.begun


def isbn_of(text: str) -> str:
    """Return a text that is an ISBN, in any form, as ISBN-13; "" for other texts."""
    try:
        return normalized_isbn13(text)
    except ValueError:
        return ""


def address_key(text: str) -> str:
    """Return the key of a text that is a whole e-mail address; "" for other texts."""
    return key_of_address(text)


def may_be_card(text: str) -> bool:
    """Return whether a text can be a whole card number. One without a digit is taken for a name."""
    return any(letter.isdigit() for letter in text) and queried_card_number(text) != ""


def has_address(user: User, key: str) -> bool:
    return email_key(user.email) == key


def is_cut_short(address: str) -> Callable[[User], bool]:
    """Return a filter for users whose address begins with a cut one: `ada@example.or` matches `ada@example.org`.

    An address that ends with a whole part of the domain is another address: `ada@example.org` does not match
    `ada@example.org.uk`.
    """
    lower = address.casefold()

    def is_beginning(user: User) -> bool:
        email = user.email.casefold()
        return email.startswith(lower) and email[len(lower) : len(lower) + 1] not in ("", ".")

    return is_beginning


def isbn_problem(text: str) -> str:
    """Return why a long number is not an ISBN; "" for an ISBN and for other texts."""
    digits = sum(letter.isdigit() for letter in text)
    if digits < LEAST_DIGITS or any(letter.isalpha() for letter in text.upper().replace("X", "")):
        return ""
    try:
        normalized_isbn13(text)
    except ValueError as problem:
        return f"It is not an ISBN: {problem}{'' if str(problem).endswith('?') else '.'}"
    return ""


def is_title(text: str) -> Callable[[str], bool]:
    """Return a filter for titles that are the text, ignoring case and blanks."""
    key = text_key(text)
    return lambda title: text_key(title) == key


def is_name_of(text: str) -> Callable[[User], bool]:
    """Return a filter for users whose whole name is the text, with the last name first or last."""
    key = text_key(text.replace(",", " "))

    def is_name(user: User) -> bool:
        names = (user.first_name, user.last_name)
        return key in {text_key(" ".join(names)), text_key(" ".join(reversed(names)))}

    return is_name


def book_begins(text: str) -> Callable[[Book], bool]:
    """Return a filter for books in which each word of the text is, or begins, a word."""
    wanted = _query(text)
    return lambda book: wanted is not None and fits(wanted, words_of_book(book))


def names_book(text: str) -> Callable[[Book], bool]:
    """Return a filter for books in which each word of the text begins a word of title or authors, or is a number.

    The numbers are the ISBN and the identifiers. The beginning of one does not match: a scanner reads it from a damaged
    barcode.
    """
    wanted = _query(text)

    def names(book: Book) -> bool:
        numbers = [book.isbn, *(word for number in numbers_of_book(book) for word in number_words(number))]
        return wanted is not None and fits(wanted, book_words(book.title, book.authors, ""), whole=numbers)

    return names


def title_begins(text: str) -> Callable[[str], bool]:
    """Return a filter for titles in which each word of the text is, or begins, a word."""
    wanted = _query(text)
    return lambda title: wanted is not None and fits(wanted, index_words(title))


def user_begins(text: str) -> Callable[[User], bool]:
    """Return a filter for users whose address begins with the text, or in whose words each word of the text begins one.

    A text with an @-sign is only compared with addresses.
    """
    wanted = query_expression(text)
    lower = text.casefold()

    def begins(user: User) -> bool:
        if user.email.casefold().startswith(lower) or "@" in text:
            return user.email.casefold().startswith(lower)
        words = index_words(f"{user.first_name} {user.last_name} {user.email}")
        return wanted is not None and fits(wanted, words)

    return begins


def fits(wanted: Expression, words: Sequence[str], whole: Sequence[str] = ()) -> bool:
    """Return whether words match an expression. Words in `whole` do not match by their beginnings."""
    if isinstance(wanted, Word):
        if wanted.prefix and any(word.startswith(wanted.text) for word in words):
            return True
        return wanted.text in words or wanted.text in whole
    if isinstance(wanted, But):
        return fits(wanted.wanted, words, whole) and not fits(wanted.unwanted, words, whole)
    parts: Iterable[bool] = (fits(part, words, whole) for part in wanted.parts)
    return all(parts) if isinstance(wanted, All) else any(parts)


def _query(text: str) -> Expression | None:
    try:
        return book_query(text)
    except FieldInvalid:
        return None
