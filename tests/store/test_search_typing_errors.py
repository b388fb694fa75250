"""Words with typing errors, and what they are taken for."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from frontend_server.browse import catalog
from library.frontend.v1.catalog_service_pb2 import ListBooksRequest
from tests.support.clocks import SettableClock
from tests.support.frontend import LocalFrontend, new_book
from tests.support.stores import Engine, FreshDatabases, bound_store

ORIGINALS = ("Frankenstein", "Middlemarch", "Неуловимый", "Gilgamesch", "Emma", "Ulysses", "Beowulf 1999")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("frankenstien", "Frankenstein"),  # neighbours swapped
        ("rfankenstein", "Frankenstein"),  # the first two swapped
        ("frankensteni", "Frankenstein"),  # the last two swapped
        ("frankenstin", "Frankenstein"),  # one missing
        ("rankenstein", "Frankenstein"),  # the first missing
        ("frankenstei n", None),
        ("frrankenstein", "Frankenstein"),  # one doubled
        ("frankensteim", "Frankenstein"),  # a wrong one at the end
        ("grankenstein", "Frankenstein"),  # and at the beginning
        ("rfankenstien", "Frankenstein"),  # two errors
        ("midlemarsh", "Middlemarch"),
        ("mdlmarch", None),  # three errors
        ("неуловимй", "Неуловимый"),
        ("gilgamesh", "Gilgamesch"),
        ("ema", None),  # too short
        ("emna", "Emma"),
        ("mema", "Emma"),
        ("emam", "Emma"),
        ("enna", None),  # two errors in a short word
        ("ulises", None),
        ("ulyses", "Ulysses"),
        ("beowulv 1999", "Beowulf 1999"),
        ("beowulf 1998", None),  # numbers are not guessed
        ("9780306406158", None),
        ("qqqq", None),
        ("qqqqqqqq wwwwwwww", None),
        ("🦊 frankenstien", "Frankenstein"),
    ],
)
def test_typing_errors(misspelled: LocalFrontend, query: str, found: str | None) -> None:
    assert [book.title for book in catalog.list_books(misspelled.store, ListBooksRequest(query=query)).books] == (
        [found] if found else []
    )


@pytest.fixture(scope="module")
def misspelled(databases: FreshDatabases, engine: Engine) -> Iterator[LocalFrontend]:
    with bound_store("frontend", databases.migrated("frontend", engine)) as store:
        frontend = LocalFrontend(store, SettableClock())
        frontend.receive(*[new_book(title, isbn="9780306406157" if title == "Emma" else "") for title in ORIGINALS])
        yield frontend
