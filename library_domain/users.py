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
"""Parts of words are truncated to this many characters, in the index and in queries. Names differ in fewer."""

MOST_PARTS = 100
"""A word has at most this many parts in the index: the number of characters that a name can have."""

MOST_WORDS = 200
"""A user has at most this many words in the index: more than valid names and a valid address contain."""


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
    """Return the columns that a search for a user with these values reads."""
    return {"email_key": email_key(email), "words": user_words(email, first_name, last_name)}


def user_words(email: str, first_name: str, last_name: str) -> str:
    """Return the words of a user for the word index: those of the names and of the address, each with its parts.

    A part is the rest of a word from one of its letters on, so that a search by prefix also finds the middle of a word:
    Lovelace has `ovelace`, `velace`, `elace`, `lace`, `ace` and `ce`. A single letter at the end of a word is left out,
    except in scripts in which a letter can be a word.
    """
    parts: dict[str, None] = {}
    for word in index_words(f"{first_name} {last_name} {email}")[:MOST_WORDS]:
        parts.update(dict.fromkeys(_parts(word)))
    return " ".join(parts)


def user_query(query: str) -> Expression:
    """Return the parts of words that a query contains. Raises `FieldInvalid` for a query without a word."""
    wanted = query_expression(query)
    if wanted is None:
        raise FieldInvalid(("query", "must have a letter or a number to look for"))
    return replaced(wanted, lambda word: Word(word.text[:LONGEST_PART], prefix=True))


def queried_email_key(query: str) -> str:
    """Return the `email_key` of a query that is a whole e-mail address; "" for another query."""
    return key_of_address(query.strip()) if "@" in query else ""


class ListUsersRequest(Protocol):
    """The fields that both services' ListUsersRequest have."""

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
