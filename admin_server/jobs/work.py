"""What the runs of all jobs share: the store, the lease, a source, and when to stop."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from admin_server.covers.fetching import PictureFetcher
from admin_server.jobs.lease import Lease
from admin_server.sources.failures import FetchFailed, RequestRefused
from admin_server.sources.records import ExternalRecord
from service_kit.clock import Clock
from service_kit.store import Store

MOST_FAILURES = 5
"""Books in a row with which a source fails before a run ends. A single bad answer does not end it."""


class Page(NamedTuple):
    """A page of the results of a query."""

    records: list[ExternalRecord]
    size: int
    """How many results it has, those that cannot be records included; 0 after the last."""


class Catalogue(Protocol):
    """A source as the jobs ask it. The methods raise `FetchFailed`."""

    @property
    def name(self) -> str:
        """Its name in requests and in the store."""

    def page(self, query: str, start: int, most: int) -> Page:
        """Return at most `most` results of a query in the source's own language, from the one with this index on."""

    def with_id(self, external_id: str) -> ExternalRecord | None:
        """Return all that the source has on a book."""

    def with_isbn(self, isbn: str) -> ExternalRecord | None:
        """Return the book with this ISBN-13."""

    def problem(self) -> str:
        """Return what is missing, or why the source is not asked at present; empty if it can be asked."""


class Stopped(Exception):
    """The server stops."""


@dataclass
class Work:
    """The parts that a run needs."""

    store: Store
    lease: Lease
    clock: Clock
    pictures: PictureFetcher
    stop: threading.Event = field(default_factory=threading.Event)

    def check_stop(self) -> None:
        """Raise `Stopped` once the server stops."""
        if self.stop.is_set():
            raise Stopped


def is_of_server(error: FetchFailed) -> bool:
    """Return whether a server fails as a whole, or is not asked at present; it is not about one book."""
    return not error.is_lasting or error.retry_time is not None or isinstance(error, RequestRefused)


class Patience:
    """Counts the books in a row with which a source failed."""

    def __init__(self) -> None:
        """Start with none."""
        self._failures = 0

    def succeeded(self) -> None:
        """Forget the failures."""
        self._failures = 0

    def failed(self, error: FetchFailed) -> None:
        """Raise the error again if the source as a whole fails; return if only this book is left out."""
        self._failures += 1
        if is_of_server(error) or self._failures >= MOST_FAILURES:
            raise error
