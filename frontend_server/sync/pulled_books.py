"""The replica of the admin's books."""

from __future__ import annotations

import functools
import weakref
from collections.abc import Sequence
from typing import ClassVar

import peewee

from frontend_server.store.models import Book
from frontend_server.sync.free_copies import count_free_copies
from frontend_server.sync.pulled_kind import AfterCommit, PulledKind, Row, upsert_newest
from frontend_server.sync.trials import Trials
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, BookState
from library_domain.search import words_of_book
from service_kit.ids import UUID
from service_kit.statements import param
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.vocabulary import LearnedWords, learn

INDEXED_TEXTS = ("title", "publisher", "category", "format")
KNOWN_STATES = frozenset({BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED})

TITLE_MISSING = "the title is missing; the admin service could not read this book, or this frontend its message"

COLUMNS = (
    *("title", "publisher", "publisher_key", "category", "category_key", "format_key"),
    *("total_copies", "state", "words"),
)

_learned: weakref.WeakKeyDictionary[peewee.Database, LearnedWords] = weakref.WeakKeyDictionary()
"""The words that this process has put into the vocabulary of a store."""


class PulledBooks(PulledKind):
    """Books. One whose newest version cannot be applied is not lent if that version may not be lent."""

    name = "book"
    model = Book
    upsert = upsert_newest(Book, COLUMNS, on_loan=0, free_copies=param("total_copies"))
    removal: ClassVar = {"state": BOOK_STATE_REMOVED}
    salvaged_fields = ("id", "state", "total_copies")

    def problems(self, book: book_pb2.Book) -> list[str]:
        """Return what is wrong with a book."""
        found = [f"{name} contains a NUL character" for name in INDEXED_TEXTS if "\0" in getattr(book, name)]
        if not UUID.fullmatch(book.id):
            found.append("the id is not a UUID")
        if book.state not in KNOWN_STATES:
            found.append(f"unknown state {book.state}")
        if not book.title and book.state != BOOK_STATE_REMOVED:
            found.append(TITLE_MISSING)
        if book.total_copies < 0:
            found.append("total_copies is negative")
        return found

    def columns(self, book: book_pb2.Book) -> Row:
        """Return what is filtered by, searched or decided on, alongside the message."""
        return {
            "title": book.title,
            "publisher": book.publisher,
            "publisher_key": text_key(book.publisher),
            "category": book.category,
            "category_key": text_key(book.category),
            "format_key": text_key(book.format),
            "total_copies": book.total_copies,
            "state": book.state,
            "words": " ".join(words_of_book(book)),
        }

    def write_derived(self, store: Store, rows: Sequence[Row]) -> AfterCommit:
        """Count the free copies of the books, and put their words into the vocabulary."""
        count_free_copies(row["id"] for row in rows)
        # Looked up within the transaction: when it began, the database may have turned out to be another one.
        learned = _learned.setdefault(store.database, LearnedWords())
        words = learned.new(word for row in rows for word in row["words"].split(" "))
        learn(words)
        return functools.partial(learned.remember, words)

    def write_all_derived(self, trials: Trials | None = None) -> None:
        """Do nothing: the vocabulary keeps the words of removed books."""

    def restrict_older(self, newest: book_pb2.Book, trials: Trials, trial: str) -> None:
        """Write the state and the number of copies of the newest version, or one of them, if the store takes them."""
        if not UUID.fullmatch(newest.id):
            return  # not an id of this store's rows
        state = newest.state if newest.state in KNOWN_STATES else BOOK_STATE_UNAVAILABLE
        copies = max(newest.total_copies, 0) if state == BOOK_STATE_ACTIVE else 0
        (
            trials.run(f"{trial} by both", functools.partial(_correct, newest, state))
            or trials.run(f"{trial} by state", functools.partial(_update, newest, state=state))
            or trials.run(f"{trial} by copies", functools.partial(_update, newest, total_copies=copies))
        )


def forget_learned_words(store: Store) -> None:
    """Forget which words this process has put into the vocabulary: the store may have lost some."""
    _learned.pop(store.database, None)


def _correct(newest: book_pb2.Book, state: BookState.ValueType) -> None:
    row = Book.get_or_none(Book.id == newest.id)
    if row is not None:
        copies = max(newest.total_copies, 0)
        book = book_pb2.Book.FromString(row.message)
        book.state, book.total_copies = state, copies
        _update(newest, message=book.SerializeToString(), state=state, total_copies=copies)


def _update(newest: book_pb2.Book, **columns: object) -> None:
    # The revision stays that of the older version, so that the newest one is still newer when it is tried again.
    Book.update(**columns).where(Book.id == newest.id).execute()
    count_free_copies([newest.id])
