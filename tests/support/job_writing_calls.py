"""The writing calls of the admin's schedule, with a source in this process, whose books are a few."""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from types import MappingProxyType
from typing import Any

import psycopg

from admin_server.books.origins import NO_ORIGINS
from admin_server.jobs.schedule import Jobs
from admin_server.jobs.settings import JobSettings, SourceQuery
from admin_server.jobs.work import Page
from admin_server.sources.failures import FetchFailed
from admin_server.sources.fetching import Fetched
from admin_server.sources.records import ExternalRecord
from library.admin.v1.catalog_service_pb2 import AddBookRequest
from service_kit.clock import DAY, Clock
from service_kit.store import Store
from tests.support.pictures import picture
from tests.support.writing_calls import WORDS, Call

SOURCE = "open_library"

FIND = "SELECT id FROM book WHERE isbn = {} ORDER BY key DESC LIMIT 1"
SET_ORIGINS = 'UPDATE "book" SET origins = {0} WHERE "id" = {0}'


class Shelf:
    """A source with books of a few ISBNs, some of which have a cover that cannot be fetched.

    Some books are damaged in the store when it is asked about them.
    """

    name = SOURCE

    def __init__(self, chance: random.Random, isbns: list[str], set_origins: Callable[[str, str], None]) -> None:
        self._chance, self._isbns, self._set_origins = chance, isbns, set_origins
        self.jobs: Jobs | None = None
        self.stops = chance.random() < 0.2

    def page(self, query: str, start: int, most: int) -> Page:
        records = [self._record(self._chance.choice(self._isbns)) for _ in range(3)]
        return Page(records if not start else [], 0 if start else 3)

    def with_id(self, external_id: str) -> ExternalRecord | None:
        if self.stops and self.jobs is not None:
            self.jobs._work.stop.set()
        return None

    def with_isbn(self, isbn: str) -> ExternalRecord | None:
        if self._chance.random() < 0.2:
            self._set_origins(isbn, "{")
        return self._record(isbn)

    def problem(self) -> str:
        return ""

    def picture(self, address: str, *, most_bytes: int, seconds: float) -> Fetched:
        if self._chance.random() < 0.4:
            raise FetchFailed("the server did not answer in time")
        return Fetched(picture(number=self._chance.randrange(8)), "image/jpeg")

    def _record(self, isbn: str) -> ExternalRecord:
        book = AddBookRequest(title=" ".join(self._chance.sample(WORDS, 3)), isbn=isbn, description="A book.")
        return ExternalRecord(SOURCE, f"OL{self._chance.randrange(1, 30)}M", book, "https://covers.example/1")


class JobCalls:
    """Runs of the schedule. The lease is lost after milliseconds, so that processes take it from each other."""

    def __init__(self, store: Store, clock: Clock, isbns: list[str]) -> None:
        self._store, self._clock, self._isbns = store, clock, isbns
        query = (SourceQuery(SOURCE, "subject:gardening"),)
        self.by_name: Mapping[str, Call] = MappingProxyType(
            {
                "a query is imported": lambda chance: self._run(chance, queries=query, import_interval=0),
                "gaps are filled": lambda chance: self._run(chance, gap_interval=1, gap_most=3),
            }
        )

    def _run(self, chance: random.Random, **settings: Any) -> None:
        shelf = Shelf(chance, self._isbns, self._set_origins)
        later = DAY * chance.randrange(100)
        jobs = Jobs(
            self._store,
            JobSettings(lease_seconds=0.02, **settings),
            {SOURCE: shelf},
            shelf,
            lambda: self._clock() + later,
        )
        shelf.jobs = jobs
        jobs.run_due()
        for isbn in self._isbns:
            self._set_origins(isbn, NO_ORIGINS)

    def _set_origins(self, isbn: str, origins: str) -> None:
        """Damage a book, or repair it. By a connection of its own: the writers of the service are recorded."""
        with self._connection() as (connection, sign):
            for (book_id,) in connection.execute(FIND.format(sign), (isbn,)).fetchall():
                connection.execute(SET_ORIGINS.format(sign), (origins, book_id))

    @contextmanager
    def _connection(self) -> Iterator[tuple[Any, str]]:
        """Return a connection, and the sign of a value in its statements."""
        if self._store.is_postgresql:
            with psycopg.connect(self._store.url, autocommit=True) as connection:
                yield connection, "%s"
        else:
            file = self._store.url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(file, timeout=100, isolation_level=None)) as own:
                yield own, "?"
