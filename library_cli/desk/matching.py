"""Whether a text that somebody typed names a book or a user: exactly, by beginnings of words, or not at all.

The service also finds what only looks alike: words with a typing error, and the middle of words. That is an offer, but
never enough to lend a book.
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
from library_domain.search import book_query, book_words
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import All, But, Expression, Word
from service_kit.text.keys import text_key
from service_kit.text.words import index_words, query_expression

BEGINNING_OF_ID = re.compile("[0-9a-fA-F][0-9a-fA-F-]{3,35}")
"""What may be the beginning of an id: shorter ones are those of too many."""

LEAST_DIGITS = 8
"""From how many digits on a number that names no book is taken for an ISBN that was scanned or typed badly."""

Item = TypeVar("Item")


@dataclass
class Matches(Generic[Item]):
    """What a text may name, by how well it fits."""

    exact: list[Item] = field(default_factory=list)
    begun: list[Item] = field(default_factory=list)
    """What has words, or an id, that begin like the text."""
    offers: list[Item] = field(default_factory=list)
    """What only looks alike."""
    is_cut: bool = False
    """Whether there are more than were looked at."""

    @property
    def best(self) -> list[Item]:
        """What fits best: the exact ones, or else those that begin like the text."""
        return self.exact or self.begun


def isbn_of(text: str) -> str:
    """Return the ISBN-13 that a text is, in whatever form; "" where it is not an ISBN."""
    try:
        return normalized_isbn13(text)
    except ValueError:
        return ""


def address_key(text: str) -> str:
    """Return the key of a text that is a whole e-mail address; "" where it is not."""
    return key_of_address(text)


def has_address(user: User, key: str) -> bool:
    """Whether the user has the address with this key."""
    return email_key(user.email) == key


def is_cut_short(address: str) -> Callable[[User], bool]:
    """Return whether an address ends within a part of the user's domain: `ada@example.or` for `ada@example.org`.

    One that ends where a part ends is whole, and another one than the user's: `ada@example.org` is not the beginning of
    `ada@example.org.uk`.
    """
    lower = address.casefold()

    def is_beginning(user: User) -> bool:
        email = user.email.casefold()
        return email.startswith(lower) and email[len(lower) : len(lower) + 1] not in ("", ".")

    return is_beginning


def isbn_problem(text: str) -> str:
    """Return a sentence about what is wrong with a long number as an ISBN; "" for an ISBN and for other texts."""
    digits = sum(letter.isdigit() for letter in text)
    if digits < LEAST_DIGITS or any(letter.isalpha() for letter in text.upper().replace("X", "")):
        return ""
    try:
        normalized_isbn13(text)
    except ValueError as problem:
        return f"As an ISBN it is wrong: {problem}{'' if str(problem).endswith('?') else '.'}"
    return ""


def is_title(text: str) -> Callable[[str], bool]:
    """Return whether a title is the text, but for case and blanks."""
    key = text_key(text)
    return lambda title: text_key(title) == key


def is_name_of(text: str) -> Callable[[User], bool]:
    """Return whether the text is the whole name of a user, the last name first or last."""
    key = text_key(text.replace(",", " "))

    def is_name(user: User) -> bool:
        names = (user.first_name, user.last_name)
        return key in {text_key(" ".join(names)), text_key(" ".join(reversed(names)))}

    return is_name


def book_begins(text: str) -> Callable[[Book], bool]:
    """Return whether each word of the text is one of the book's, or begins one."""
    wanted = _query(text)
    return lambda book: wanted is not None and fits(wanted, book_words(book.title, book.authors, book.isbn))


def names_book(text: str) -> Callable[[Book], bool]:
    """Return whether each word of the text begins one of the title or the authors, or is the whole ISBN.

    The beginning of an ISBN is not a name: it is what a scanner reads of a damaged barcode.
    """
    wanted = _query(text)
    return lambda book: (
        wanted is not None and fits(wanted, book_words(book.title, book.authors, ""), whole=(book.isbn,))
    )


def title_begins(text: str) -> Callable[[str], bool]:
    """Return whether each word of the text is one of a title, or begins one."""
    wanted = _query(text)
    return lambda title: wanted is not None and fits(wanted, index_words(title))


def user_begins(text: str) -> Callable[[User], bool]:
    """Return whether the address begins like the text, or each word of the text begins one of the user's.

    A text with an @-sign is the beginning of an address, and nothing else.
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
    """Return whether words are what an expression asks for. Those in `whole` are not found by their beginnings."""
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
