"""Users as both stores keep them: the frontend those it enrolled, the admin those that the frontend pushed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, TypeVar

import peewee

from library.v1 import user_pb2
from library.v1.user_pb2 import USER_STATE_CLOSED
from library_domain.emails import email_key, key_of_address
from service_kit.clock import micros, timestamp
from service_kit.errors import FieldInvalid
from service_kit.full_text import match, rows_with_words, words_of
from service_kit.paging import ListRequest, page_size, row_position
from service_kit.text.expressions import Expression, Word, replaced
from service_kit.text.words import query_expression
from service_kit.unreadable import Damaged, read_rows

LONGEST_PART = 32
"""Parts of words are cut to this many characters, in the index as in a query: names differ long before."""

MOST_PARTS = 100
"""A word has at most this many parts in the index: as many as a name may have characters."""

MOST_WORDS = 200
"""A user has at most this many words in the index: more than fit into the names and the address that may be sent."""

# Written with a literal, as the partial index is: an engine uses it only where it can see that it applies.
NOT_CLOSED = peewee.SQL(f"state <> {USER_STATE_CLOSED}")


class UserColumns(peewee.Model):
    """The columns that hold a `library.v1.User`, but for the count of its loans. Times are microseconds since 1970."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    email = peewee.TextField()
    first_name = peewee.TextField()
    last_name = peewee.TextField()
    state = peewee.SmallIntegerField(default=user_pb2.USER_STATE_ACTIVE)  # a newer version may have states of its own
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()
    email_key = peewee.TextField()  # by which addresses are compared: see library_domain.emails
    words = peewee.TextField()  # what is in the word index: see `user_words`


def user_message(row: UserColumns, active_loan_count: int) -> user_pb2.User:
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
    """Convert a message to the columns."""
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
    for word in words_of(f"{first_name} {last_name} {email}")[:MOST_WORDS]:
        parts.update(dict.fromkeys(_parts(word)))
    return " ".join(parts)


def user_query(query: str) -> Expression:
    """Return the parts of words that a query asks for. Raises `FieldInvalid` for a query without a word."""
    wanted = query_expression(query)
    if wanted is None:
        raise FieldInvalid(("query", "must have a letter or a number to look for"))
    return replaced(wanted, lambda word: Word(word.text[:LONGEST_PART], prefix=True))


class ListUsersRequest(ListRequest, Protocol):
    """What both services' ListUsers ask for."""

    query: str
    include_closed: bool


UserModel = TypeVar("UserModel", bound=UserColumns)


def list_user_rows(
    database: peewee.Database, model: type[UserModel], request: ListUsersRequest
) -> list[UserModel | Damaged]:
    """Read the users of a page, and one more if there is one, in the order in which the store got them.

    An address that one of them has finds only those who have it. Raises `FieldInvalid` for a query without a word and
    for a wrong page token.
    """
    after = row_position(request)
    users = model.select() if request.include_closed else model.select().where(NOT_CLOSED)
    if request.query:
        words = match(database, user_query(request.query))
        key = key_of_address(request.query.strip()) if "@" in request.query else ""
        having_address = users.where(model.email_key == key)
        if key and having_address.exists():
            users = having_address.where(model.key > after).order_by(model.key)
        else:
            users = rows_with_words(database, users, model.key, model.words, words, after)
    else:
        users = users.where(model.key > after).order_by(model.key)
    return read_rows(users.limit(page_size(request) + 1), model)


def check_user_query(request: ListUsersRequest) -> None:
    """Raise `FieldInvalid` for a query without a word."""
    if request.query:
        user_query(request.query)


def _parts(word: str) -> Iterator[str]:
    shortest = 2 if word.isascii() else 1
    yield word[:LONGEST_PART]
    for start in range(1, min(len(word) - shortest + 1, MOST_PARTS)):
        yield word[start : start + LONGEST_PART]
