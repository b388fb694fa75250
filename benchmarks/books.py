"""Made-up books of realistic size, the same at every run, and stores filled with them."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Iterable, Iterator
from typing import TypeVar

from admin_server.books.entries import derived_columns
from admin_server.inventory.copies import add_copies
from admin_server.store import models as admin_models
from frontend_server.store import models as frontend_models
from frontend_server.sync.apply_page import apply_page
from library.sync.v1.sync_service_pb2 import CatalogChange, ListCatalogChangesResponse
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, Book
from library.v1.item_pb2 import ITEM_STATE_IN_SERVICE
from library.v1.item_pb2 import Item as ItemMessage
from library_domain.barcodes import item_barcode
from library_domain.book_fields import BOOK_FIELDS, LIST_KINDS
from library_domain.default_policy import MAIN_BRANCH
from service_kit.clock import micros, timestamp
from service_kit.ids import new_id
from service_kit.migrations import migrate
from service_kit.revisions import take_revisions
from service_kit.store import Store

SEED = 20261122
CHUNK = 1_000
FILLING_CACHE_KIB = 500_000
ADDED = 1_790_000_000_000_000
"""When the books were added, in microseconds since 1970."""

DESCRIPTION_CHARACTERS = (60, 1_140)
"""The least and the most; 600 on average, as in real catalogues."""

Item = TypeVar("Item")

_CONSONANTS, _VOWELS = "bcdfghjklmnprstvwz", "aeiou"


def made_books(count: int) -> Iterator[Book]:
    """Make books with ids in their order. Titles, authors and descriptions are of 5,000 words that no language has."""
    chance = random.Random(SEED)
    syllables = [consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS]
    vocabulary = ["".join(chance.choices(syllables, k=chance.randint(1, 4))) for _ in range(5_000)]
    prose = " ".join(chance.choices(vocabulary, k=100_000))
    publishers = [f"{word.title()} Press" for word in vocabulary[:1_500]]
    categories = [word.title() for word in vocabulary[1_500:1_800]]
    for number in range(count):
        start, length = chance.randrange(len(prose) - 2_000), chance.randint(*DESCRIPTION_CHARACTERS)
        yield Book(
            id=new_id(),
            title=" ".join(chance.choices(vocabulary, k=chance.randint(2, 7))).capitalize(),
            authors=[" ".join(chance.choices(vocabulary, k=2)).title() for _ in range(chance.choice((1, 1, 1, 2)))],
            isbn=f"978{number:010d}",  # without a valid check digit, which nothing here reads
            publisher=chance.choice(publishers),
            category=chance.choice(categories),
            language="en-GB",
            published_year=chance.randint(1950, 2025),
            page_count=chance.randint(80, 900),
            description=prose[start : start + length],
            cover_uri=f"https://covers.example/{number}.jpg",
            total_copies=chance.randint(1, 5),
            state=BOOK_STATE_ACTIVE,
            create_time=timestamp(ADDED + number),
            update_time=timestamp(ADDED + number),
        )


def fill_admin(store: Store, count: int) -> None:
    """Migrate an admin's store and insert books, with an item for each copy, without the service."""
    _hurry(store)
    admin_models.bind(store)
    migrate(store, admin_models.MIGRATIONS)
    names = [name for name in admin_models.Book._meta.sorted_field_names if name != "key"]
    parameters = ", ".join([store.database.param] * len(names))
    insert = f"INSERT INTO book ({', '.join(names)}) VALUES ({parameters})"
    for chunk in _chunks(made_books(count)):
        with store.writing():
            first = take_revisions(len(chunk))
            rows = [_admin_row(book, first + place, names) for place, book in enumerate(chunk)]
            store.database.cursor().executemany(insert, rows)
            add_copies({book.id: book.total_copies for book in chunk}, ADDED)


def fill_frontend(store: Store, count: int) -> list[str]:
    """Migrate a frontend's store and apply books without items as its sync does; return their ids."""
    _hurry(store)
    frontend_models.bind(store)
    migrate(store, frontend_models.MIGRATIONS)
    frontend_models.ensure_frontend_id(store)
    ids: list[str] = []
    for chunk in _chunks(made_books(count)):
        _apply(
            store, [CatalogChange(revision=len(ids) + place, book=book) for place, book in enumerate(chunk, start=1)]
        )
        ids += [book.id for book in chunk]
    return ids


def add_items(store: Store, book_ids: Iterable[str], count: int, first_revision: int) -> None:
    """Apply `count` items of each of these books, as the frontend's sync does."""
    of_books = (book_id for book_id in book_ids for _ in range(count))
    changes = (
        CatalogChange(revision=first_revision + number - 1, item=_item(book_id, number))
        for number, book_id in enumerate(of_books, start=1)
    )
    for chunk in _chunks(changes):
        _apply(store, chunk)


def _item(book_id: str, number: int) -> ItemMessage:
    return ItemMessage(
        id=new_id(),
        book_id=book_id,
        barcode=item_barcode(number),
        branch=MAIN_BRANCH,
        state=ITEM_STATE_IN_SERVICE,
        create_time=timestamp(ADDED),
        update_time=timestamp(ADDED),
    )


def _apply(store: Store, changes: list[CatalogChange]) -> None:
    state = frontend_models.SyncState.get()
    page = ListCatalogChangesResponse(changes=changes, next_cursor=str(changes[-1].revision), has_more=True)
    assert apply_page(store, state, page)
    assert not frontend_models.SetAside.select().exists()


def _hurry(store: Store) -> None:
    """Let this connection's commits not wait for the disk. Benchmarks open the store again."""
    if not store.is_postgresql:
        store.database.execute_sql("PRAGMA synchronous = OFF")
        store.database.execute_sql(f"PRAGMA cache_size = -{FILLING_CACHE_KIB}")


def _admin_row(book: Book, revision: int, names: list[str]) -> tuple[object, ...]:
    texts = [field.name for field in BOOK_FIELDS if field.kind not in LIST_KINDS]
    columns = {
        **{field.name: field.default for field in admin_models.Book._meta.sorted_fields},
        **{name: getattr(book, name) for name in ("id", "state", *texts)},
        "authors": json.dumps(list(book.authors), ensure_ascii=False),
        "create_time": micros(book.create_time),
        "update_time": micros(book.update_time),
        "revision": revision,
        "on_loan": 0,
        "lendable_copies": book.total_copies,
    }
    columns |= derived_columns(columns)
    return tuple(columns[name] for name in names)


def _chunks(items: Iterable[Item]) -> Iterator[list[Item]]:
    iterator = iter(items)
    while chunk := list(itertools.islice(iterator, CHUNK)):
        yield chunk
