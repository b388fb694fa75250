"""Find the one book or user that a text names: an id or its beginning, an ISBN, an e-mail address, a card, or words.

An exact match wins over the beginning of a name or id. If several match equally well, none is chosen.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn, Protocol, TypeVar

import grpc

from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from library.v1.book_pb2 import Book
from library.v1.user_pb2 import User
from library_cli.desk import matching
from library_cli.desk.calls import Desk
from library_cli.desk.columns import BOOKS, USERS, person
from library_cli.desk.matching import BEGINNING_OF_ID, Matches
from library_cli.desk.refusals import AMBIGUOUS, MOST_SHOWN, Refusal
from library_cli.tables import Form
from service_kit.ids import UUID

MOST_LOOKED_AT = 1_000
"""How many results of a search are compared with the text."""


class HasId(Protocol):
    """A book or a user."""

    id: str


Item = TypeVar("Item", bound=HasId)


def find_book(desk: Desk, text: str) -> Book:
    """Return the book that a text names. Raises Refusal unless it is exactly one, and grpc.RpcError."""
    matches = books_named(desk, text)
    what_to_type = "Name it by its ISBN or its id, or add words of the title or the authors."
    return the_one(matches, text, "book", BOOKS, what_to_type, "library search")


def find_user(desk: Desk, text: str) -> User:
    """Return the user that a text names. Raises Refusal unless it is exactly one, and grpc.RpcError."""
    matches = users_named(desk, text)
    if not matches.best and (closed := _closed_user(desk, text)):
        again = f"To enrol again: library enrol {closed.email} FIRST_NAME LAST_NAME"
        raise Refusal("USER_NOT_FOUND", f"The account of {person(closed)} is closed. {again}")
    what_to_type = "Name the user by the e-mail address or the card number."
    return the_one(matches, text, "user", USERS, what_to_type, "library users")


def the_one(matches: Matches[Item], text: str, noun: str, form: Form[Item], what_to_type: str, command: str) -> Item:
    """Return the one best match. Raises Refusal, with candidates, unless it is exactly one."""
    best = matches.best
    if len(best) == 1 and not matches.is_cut:
        return best[0]
    if best:
        number = f"More than {MOST_LOOKED_AT:,}" if matches.is_cut else str(len(best))
        shown = f" Here are {MOST_SHOWN} of them." if len(best) > MOST_SHOWN else ""
        raise Refusal(AMBIGUOUS, f'{number} {noun}s match "{text}". {what_to_type}{shown}', best, form)
    wrong = f" {problem}" if (problem := matching.isbn_problem(text)) else ""
    similar = " Did you mean one of these?" if matches.offers else f" To look for the {noun}, run: {command} WORDS"
    message = f'No {noun} matches "{text}".{wrong if noun == "book" else ""}{similar}'
    raise Refusal(f"{noun.upper()}_NOT_FOUND", message, matches.offers, form)


def books_named(desk: Desk, text: str) -> Matches[Book]:
    """Return the books that match a text, including those that cannot be borrowed now. Raises as `find_book`."""
    text = text.strip()
    if UUID.fullmatch(text):
        return _with_id(text, "book", desk.book)
    isbn = matching.isbn_of(text)
    if isbn:
        found = list(desk.books(ListBooksRequest(query=isbn, include_unavailable=True)))
        return Matches([book for book in found if book.isbn == isbn])
    by_id: list[Book] = []
    if BEGINNING_OF_ID.fullmatch(text):
        request = ListBooksRequest(id_prefix=text, include_unavailable=True)
        by_id = list(itertools.islice(desk.books(request), MOST_LOOKED_AT))
    found, is_cut = _some(desk.books(ListBooksRequest(query=wordy(text, "book"), include_unavailable=True)))
    is_title = matching.is_title(text)
    return _sorted(found, by_id, lambda book: is_title(book.title), matching.names_book(text), is_cut=is_cut)


def users_named(desk: Desk, text: str) -> Matches[User]:
    """Return the users that match a text, without closed accounts. Raises as `find_user`."""
    text = text.strip()
    if UUID.fullmatch(text):
        return _with_id(text, "user", desk.user)
    key = matching.address_key(text)
    if key:
        return _with_address(desk, text, key)
    if matching.may_be_card(text) and (with_card := list(desk.users(card_number=text))):
        return Matches(with_card)
    by_id: list[User] = []
    if BEGINNING_OF_ID.fullmatch(text):
        by_id = list(itertools.islice(desk.users(id_prefix=text), MOST_LOOKED_AT))
    found, is_cut = _some(desk.users(query=wordy(text, "user")))
    return _sorted(found, by_id, matching.is_name_of(text), matching.user_begins(text), is_cut=is_cut)


def _with_address(desk: Desk, text: str, key: str) -> Matches[User]:
    """Return the user with this address, or the users whose address begins with it if it is cut short."""
    found, is_cut = _some(desk.users(query=text))
    exact = [user for user in found if matching.has_address(user, key)]
    begun = list(filter(matching.is_cut_short(text), found))
    offers = [] if exact or begun else found or _similar(desk, text)
    return Matches(exact, begun, offers, is_cut=is_cut and not exact)


def _closed_user(desk: Desk, text: str) -> User | None:
    """Return the last user who closed the account with this whole e-mail address."""
    key = matching.address_key(text.strip())
    found = desk.users(query=text.strip(), include_closed=True) if key else ()
    closed = [user for user in found if matching.has_address(user, key)]
    return closed[-1] if closed else None


def wordy(text: str, noun: str) -> str:
    """Return a text that can be searched for. Raises Refusal for a text without a letter or number."""
    if any(letter.isalnum() for letter in text):
        return text
    raise Refusal(f"{noun.upper()}_NOT_FOUND", f'"{text}" has no letter or number, so it does not name a {noun}.')


def _similar(desk: Desk, address: str) -> list[User]:
    """Return users whose address or name contains the part before the @-sign, for an unknown address."""
    local = address.rpartition("@")[0]
    return list(itertools.islice(desk.users(query=local), MOST_SHOWN)) if any(map(str.isalnum, local)) else []


def _with_id(text: str, noun: str, get: Callable[[str], Item]) -> Matches[Item]:
    try:
        return Matches([get(text.lower())])
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        _no_id(text, noun)


def _no_id(text: str, noun: str) -> NoReturn:
    raise Refusal(f"{noun.upper()}_NOT_FOUND", f"No {noun} has the id {text}.")


def _some(items: Iterable[Item]) -> tuple[list[Item], bool]:
    """Return the first MOST_LOOKED_AT items, and whether more follow."""
    found = list(itertools.islice(items, MOST_LOOKED_AT + 1))
    return found[:MOST_LOOKED_AT], len(found) > MOST_LOOKED_AT


def _sorted(
    found: Sequence[Item],
    by_id: Sequence[Item],
    is_exact: Callable[[Any], bool],
    begins: Callable[[Any], bool],
    *,
    is_cut: bool,
) -> Matches[Item]:
    """Sort results by how well they match."""
    begun = {item.id: item for item in [*by_id, *(each for each in found if begins(each))]}
    return Matches(
        exact=[item for item in begun.values() if is_exact(item)],
        begun=list(begun.values()),
        offers=[item for item in found if item.id not in begun],
        is_cut=is_cut,
    )
