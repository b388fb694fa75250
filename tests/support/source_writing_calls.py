"""The writing calls of look-ups in other catalogues, whose answers come from this process, with faults."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

from admin_server.sources.catalogues import Catalogues, SourceSettings
from admin_server.sources.failures import FetchFailed
from admin_server.sources.fetching import Fetched, Fetcher
from admin_server.sources.importing import import_external_book
from library.admin.v1.import_service_pb2 import ImportExternalBookRequest
from service_kit.clock import SECOND, Clock
from service_kit.errors import FieldInvalid
from service_kit.store import Store
from tests.support.writing_calls import WORDS, Call, some_request_id


class AnsweringFetcher:
    """Answers as Open Library does, with books of a few ISBNs, or fails."""

    def __init__(self, chance: random.Random, isbns: list[str], clock: Clock) -> None:
        self._chance, self._isbns, self._clock = chance, isbns, clock

    def get(self, url: str, **_: Any) -> Fetched:
        if self._chance.random() < 0.6:  # so that three tries fail often
            soon = self._clock() + SECOND // 1_000 if self._chance.random() < 0.5 else None
            raise FetchFailed("the server did not answer in time", retry_time=soon)
        number = self._chance.randrange(1, 30)
        edition = {
            "key": f"/books/OL{number}M",
            "title": " ".join(self._chance.sample(WORDS, 2)),
            "isbn_13": [self._chance.choice(self._isbns)],
            "number_of_pages": self._chance.randrange(100, 900),
        }
        return Fetched(json.dumps(edition).encode(), "application/json")


class SourceCalls:
    """The calls on an admin whose store is bound. Pauses and kept answers have ended at the next call."""

    def __init__(self, store: Store, clock: Clock, isbns: list[str]) -> None:
        self._store, self._clock, self._isbns = store, clock, isbns
        self.by_name: Mapping[str, Call] = MappingProxyType(
            {
                "library.admin.v1.ImportService/ImportExternalBook": self.import_book,
                "old answers of other catalogues": self.delete_old,
            }
        )

    def import_book(self, chance: random.Random) -> object:
        later = chance.randrange(1_000) * 86_400 * SECOND
        catalogues = Catalogues(
            self._store, SourceSettings(requests_per_second=100, import_seconds=60), lambda: self._clock() + later
        )
        fetcher = AnsweringFetcher(chance, self._isbns, self._clock)
        catalogues.outside.fetcher, catalogues.outside.sleep = cast("Fetcher", fetcher), lambda seconds: None
        request = ImportExternalBookRequest(
            source="open_library", external_id=f"OL{chance.randrange(1, 30)}M", request_id=some_request_id(chance)
        )
        if chance.random() < 0.4:
            request.copies = 1
        try:
            return import_external_book(self._store, request, catalogues, self._clock)
        except FieldInvalid as error:  # the book has too many copies by now
            return error

    def delete_old(self, chance: random.Random) -> object:
        answers = Catalogues(self._store, SourceSettings(), self._clock).outside.answers
        return answers._delete_old(self._clock() + chance.randrange(2_000) * 86_400 * SECOND)
