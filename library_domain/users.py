"""Users as both services keep them: the frontend those it enrolled, the admin those that the frontend pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from library.v1 import user_pb2
from library_domain.emails import email_key, key_of_address
from service_kit.clock import micros, timestamp
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import Expression, Word, replaced
from service_kit.text.words import index_words, query_expression

LONGEST_PART = 32
"""Parts of words are cut to this many characters, in the index as in a query: names differ long before."""

MOST_PARTS = 100
"""A word has at most this many parts in the index: as many as a name may have characters."""

MOST_WORDS = 200
"""A user has at most this many words in the index: more than fit into the names and the address that may be sent."""


class UserRow(Protocol):
    """A row with the columns that `user_columns` names. Times are microseconds since 1970."""

    id: str
    email: str
    first_name: str
    last_name: str
    state: int
    create_time: int
    update_time: int


def user_message(row: UserRow, active_loan_count: int) -> user_pb2.User:
    """Convert a row to the message."""
    return user_pb2.User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        state=user_pb2.UserState.ValueType(row.state),
        active_loan_count=active_loan_count,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
    )


def user_columns(user: user_pb2.User) -> dict[str, object]:
    """Convert a message to the columns of its row."""
    return {
        "id": user.id,
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "state": user.state,
        "create_time": micros(user.create_time),
        "update_time": micros(user.update_time),
        **search_columns(user.email, user.first_name, user.last_name),
    }


def search_columns(email: str, first_name: str, last_name: str) -> dict[str, str]:
    """Return the columns by which a user with these values is found."""
    return {"email_key": email_key(email), "words": user_words(email, first_name, last_name)}


def user_words(email: str, first_name: str, last_name: str) -> str:
    """Return what the word index has of a user: the words of the names and of the address, each with its parts.

    A part is a word from one of its letters to its end, so that a search by prefix finds the middle of a word, too:
    Lovelace has `ovelace`, `velace`, `elace`, `lace`, `ace` and `ce`. Single letters at the end of a word are left out,
    unless the script is one in which a letter can be a word.
    """
    parts: dict[str, None] = {}
    for word in index_words(f"{first_name} {last_name} {email}")[:MOST_WORDS]:
        parts.update(dict.fromkeys(_parts(word)))
    return " ".join(parts)


def user_query(query: str) -> Expression:
    """Return the parts of words that a query asks for. Raises `FieldInvalid` for a query without a word."""
    wanted = query_expression(query)
    if wanted is None:
        raise FieldInvalid(("query", "must have a letter or a number to look for"))
    return replaced(wanted, lambda word: Word(word.text[:LONGEST_PART], prefix=True))


def queried_email_key(query: str) -> str:
    """Return the `email_key` of a query that is a whole e-mail address; "" for another query."""
    return key_of_address(query.strip()) if "@" in query else ""


class ListUsersRequest(Protocol):
    """What both services' ListUsers ask for."""

    query: str
    include_closed: bool


def check_user_query(request: ListUsersRequest) -> None:
    """Raise `FieldInvalid` for a query without a word."""
    if request.query:
        user_query(request.query)


def _parts(word: str) -> Iterator[str]:
    shortest = 2 if word.isascii() else 1
    yield word[:LONGEST_PART]
    for start in range(1, min(len(word) - shortest + 1, MOST_PARTS)):
        yield word[start : start + LONGEST_PART]
