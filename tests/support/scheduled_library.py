"""A catalogue that answers as Open Library does, with books of a subject, and an admin's jobs that ask it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from admin_server.jobs.catalogues import asked_catalogues
from admin_server.jobs.listing import list_source_runs, list_sources
from admin_server.jobs.schedule import Jobs, jobs_of
from admin_server.jobs.settings import JobSettings, SourceQuery
from admin_server.sources.catalogues import Catalogues, SourceSettings
from library.admin.v1.import_service_pb2 import ListSourceRunsRequest, Source, SourceRun
from service_kit.clock import Clock
from service_kit.store import Store
from tests.support.isbns import isbn13
from tests.support.pictures import picture
from tests.support.source_server import (
    Answer,
    Request,
    SourceServer,
    Write,
    answer,
    json_answer,
    not_found,
    running_source_server,
)

SUBJECT = "subject:gardening"
QUERY = SourceQuery("open_library", SUBJECT)


@dataclass
class Subject:
    """The books of a subject at a source: by number, from 1 on."""

    server: SourceServer
    documents: dict[int, dict[str, Any]] = field(default_factory=dict)
    faults: dict[str, list[Answer]] = field(default_factory=dict)
    """Answers that replace those of a path, one after the other."""

    def add(self, number: int, *, isbn: bool = True, cover: bool = True, description: bool = True, **more: Any) -> None:
        """Add a book."""
        document: dict[str, Any] = {"title": f"Gardening {number}", "number": number}
        if isbn:
            document["isbn_13"] = [isbn_of(number)]
        if cover:
            document["covers"] = [number]
        if description:
            document["description"] = f"All about garden {number}."
        self.documents[number] = document | more

    def answer(self, write: Write, request: Request, stopped: threading.Event) -> object:
        """Answer as Open Library does."""
        if self.faults.get(request.path):
            return self.faults[request.path].pop(0)(write, request, stopped)
        return self._answer(request)(write, request, stopped)

    def _answer(self, request: Request) -> Answer:
        parts = request.path.strip("/").split("/")
        if parts == ["search.json"]:
            return json_answer({"docs": self._found(request.query)})
        last = parts[-1].partition(".")[0]
        if parts[0] == "books":
            return self._document(int(last.removeprefix("OL").removesuffix("M")))
        if parts[0] == "isbn":
            found = [number for number, each in self.documents.items() if last in each.get("isbn_13", [])]
            return self._document(found[0]) if found else not_found()
        if parts[:2] == ["b", "id"]:
            return answer(200, picture(number=int(last.partition("-")[0])), {"Content-Type": "image/jpeg"})
        return not_found()

    def _found(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        if query["q"] != SUBJECT:
            return []
        start = int(query.get("offset", "0"))
        chosen = list(self.documents.values())[start : start + int(query["limit"])]
        return [
            {
                "title": each.get("title", ""),
                "editions": {"docs": [{"key": key_of(each["number"]), "isbn": each.get("isbn_13", [])}]},
            }
            for each in chosen
        ]

    def _document(self, number: int) -> Answer:
        if number not in self.documents:
            return not_found()
        return json_answer({"key": key_of(number), **self.documents[number]})

    @property
    def settings(self) -> SourceSettings:
        """How an admin asks this source."""
        return SourceSettings(
            open_library_address=self.server.address,
            open_library_covers_address=self.server.address,
            google_books_address=self.server.address,
            requests_per_second=10_000,
            allow_private=True,
        )

    @property
    def variables(self) -> dict[str, str]:
        """The same for a process."""
        return {
            "OPEN_LIBRARY_ADDRESS": self.server.address,
            "OPEN_LIBRARY_COVERS_ADDRESS": self.server.address,
            "GOOGLE_BOOKS_ADDRESS": self.server.address,
            "SOURCE_RATE": "100",
            "ALLOW_PRIVATE_SOURCES": "1",
        }


def key_of(number: int) -> str:
    return f"/books/OL{number}M"


def isbn_of(number: int) -> str:
    return isbn13(number)


@contextmanager
def running_subject(*numbers: int) -> Iterator[Subject]:
    with running_source_server() as server:
        subject = Subject(server)
        for number in numbers:
            subject.add(number)

        class Everything(dict[str, list[Answer]]):
            def get(self, key: str, default: Any = None) -> Any:
                return [subject.answer]

        server.answers = Everything()
        yield subject


class Schedule:
    """The jobs of an admin that a test runs."""

    def __init__(self, store: Store, clock: Clock, sources: SourceSettings, **settings: Any) -> None:
        """Take the settings of the jobs."""
        self.store, self.clock = store, clock
        self.settings = JobSettings(**{"queries": (QUERY,), "lease_seconds": 0.5, **settings})
        self.catalogues = Catalogues(store, sources, clock)
        self.asked = asked_catalogues(self.catalogues)
        self.jobs = Jobs(store, self.settings, self.asked, self.catalogues, clock)

    def run(self) -> SourceRun:
        """Run what is due, and return the newest run."""
        self.jobs.run_due()
        return self.runs()[0]

    def runs(self) -> list[SourceRun]:
        """Return all runs, the newest first."""
        return list_source_runs(self.store, ListSourceRunsRequest(page_size=1_000))[0]

    def sources(self) -> list[Source]:
        """Return the sources as they are listed."""
        jobs = jobs_of(self.settings, self.asked)
        return list(list_sources(self.store, self.asked.values(), jobs, self.clock).sources)
