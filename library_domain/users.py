"""Users as both services keep them: the frontend those it enrolled, the admin those that the frontend pushed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from library.v1 import user_pb2
from library_domain.barcodes import normalized_barcode
from library_domain.emails import email_key, key_of_address
from service_kit.clock import micros, timestamp
from service_kit.errors import FieldInvalid
from service_kit.text.expressions import Expression, Word, replaced
from service_kit.text.keys import text_key
from service_kit.text.words import index_words, query_expression

LONGEST_PART = 32
"""Parts of words are truncated to this many characters, in the index and in queries. Names differ in fewer."""

MOST_PARTS = 100
"""A word has at most this many parts in the index: the number of characters that a name can have."""

MOST_WORDS = 200
"""A user has at most this many words in the index: more than valid names and a valid address contain."""

FOREVER = 2**62
"""`blocked_until` of a user with a block that has no end: later than any time."""


class UserRow(Protocol):
    """A row with the columns that `user_columns` names. Times are microseconds since 1970."""

    id: str
    email: str
    first_name: str
    last_name: str
    state: int
    create_time: int
    update_time: int
    card_number: str | None
    user_category: str
    user_group: str
    branch: str
    expire_time: int | None
    blocks: bytes | None
    note: str


def user_message(row: UserRow, active_loan_count: int) -> user_pb2.User:
    """Convert a row to the message."""
    user = user_pb2.User(
        id=row.id,
        email=row.email,
        first_name=row.first_name,
        last_name=row.last_name,
        state=user_pb2.UserState.ValueType(row.state),
        active_loan_count=active_loan_count,
        create_time=timestamp(row.create_time),
        update_time=timestamp(row.update_time),
        card_number=row.card_number or "",
        user_category=row.user_category,
        group=row.user_group,
        branch=row.branch,
        note=row.note,
    )
    if row.expire_time is not None:
        user.expire_time.CopyFrom(timestamp(row.expire_time))
    if row.blocks is not None:
        user.MergeFromString(bytes(row.blocks))
    return user


def display_name(first_name: str, last_name: str) -> str:
    """Return the name by which people know a user."""
    return f"{first_name} {last_name}".strip()


def user_columns(user: user_pb2.User) -> dict[str, object]:
    """Convert a message to the columns of its row in the replica."""
    return {
        "id": user.id,
        "state": user.state,
        "create_time": micros(user.create_time),
        "update_time": micros(user.update_time),
        **own_columns(user),
        "blocks": block_columns(user.blocks)["blocks"],
    }


def own_columns(user: user_pb2.User) -> dict[str, Any]:
    """Return the columns of the fields that UpdateUser can change, and those by which a search finds the user."""
    return {
        "email": user.email,
        "first_name": user.first_name,
        "last_name": user.last_name,
        "card_number": user.card_number or None,
        "user_category": user.user_category,
        "user_group": user.group,
        "category_key": text_key(user.user_category),
        "group_key": text_key(user.group),
        "branch": user.branch,
        "expire_time": micros(user.expire_time) if user.HasField("expire_time") else None,
        "note": user.note,
        "email_key": email_key(user.email) if user.email else "",
        "words": user_words(user.email, user.first_name, user.last_name, user.card_number),
    }


def block_columns(blocks: Iterable[user_pb2.UserBlock]) -> dict[str, Any]:
    """Return the columns of the blocks of a user: all of them, and the end of the last one."""
    kept = user_pb2.User(blocks=blocks)
    ends = [micros(block.end_time) if block.HasField("end_time") else FOREVER for block in kept.blocks]
    return {"blocks": kept.SerializeToString() if ends else None, "blocked_until": max(ends, default=0)}


def user_words(email: str, first_name: str, last_name: str, card_number: str = "") -> str:
    """Return the words of a user for the word index: those of the names and of the address, each with its parts.

    Of the card number there are the words only, without parts.

    A part is the rest of a word from one of its letters on, so that a search by prefix also finds the middle of a word:
    Lovelace has `ovelace`, `velace`, `elace`, `lace`, `ace` and `ce`. A single letter at the end of a word is left out,
    except in scripts in which a letter can be a word.
    """
    parts: dict[str, None] = {}
    for word in index_words(f"{first_name} {last_name} {email}")[:MOST_WORDS]:
        parts.update(dict.fromkeys(_parts(word)))
    parts.update(dict.fromkeys(word[:LONGEST_PART] for word in index_words(card_number)))
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


def queried_card_number(query: str) -> str:
    """Return the normal form of a query that can be a whole card number; "" for another query."""
    try:
        return normalized_barcode(query)
    except ValueError:
        return ""


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
