"""Open Library and Google Books as their documentation describes them, on loopback, with a few books."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from admin_server.sources.catalogues import Catalogues, SourceSettings
from service_kit.clock import SECOND
from service_kit.store import Store
from tests.support.clocks import SettableClock
from tests.support.source_server import SourceServer, json_answer, redirect

KEY = "AIzaSyA-key-that-nobody-may-see"

NEUROMANCER = "9780441569595"
NEUROMANCER_10 = "0441569595"
DISPOSSESSED = "9780060512750"

EDITION: Mapping[str, Any] = {
    "key": "/books/OL7353617M",
    "type": {"key": "/type/edition"},
    "title": "Neuromancer",
    "subtitle": "a novel",
    "authors": [{"key": "/authors/OL26283A"}],
    "publishers": ["Ace Books", "Ace"],
    "publish_date": "July 1984",
    "number_of_pages": 271,
    "languages": [{"key": "/languages/eng"}],
    "isbn_13": [NEUROMANCER],
    "isbn_10": [NEUROMANCER_10, "0441569560"],
    "oclc_numbers": ["ocm10980207"],
    "lccn": ["84-123456"],
    "series": ["Sprawl trilogy"],
    "edition_name": "1st ed.",
    "physical_format": "Mass Market Paperback",
    "contributors": [{"role": "Cover Art", "name": "James Warhola"}],
    "covers": [-1, 283860],
    "works": [{"key": "/works/OL27258W"}],
    "subjects": ["Cyberspace"],
    "latest_revision": 18,
    "created": {"type": "/type/datetime", "value": "2008-04-30T08:14:56.482104"},
}
WORK: Mapping[str, Any] = {
    "key": "/works/OL27258W",
    "title": "Neuromancer",
    "description": {"type": "/type/text", "value": "Case was the sharpest <i>data thief</i>.\r\n\r\nUntil he stole."},
    "subjects": ["Cyberspace", "Hackers", "nyt:mass-market=1984-08-01"],
    "authors": [{"author": {"key": "/authors/OL26283A"}, "type": {"key": "/type/author_role"}}],
}
SEARCH_DOCUMENT: Mapping[str, Any] = {
    "key": "/works/OL27258W",
    "title": "Neuromancer",
    "author_name": ["William Gibson"],
    "first_publish_year": 1984,
    "cover_i": 283860,
    "editions": {
        "numFound": 60,
        "start": 0,
        "docs": [{"key": "/books/OL7353617M", "title": "Neuromancer", "isbn": [NEUROMANCER, NEUROMANCER_10],
                  "publisher": ["Ace Books"], "language": ["eng"]}],
    },
}  # fmt: skip

VOLUME: Mapping[str, Any] = {
    "kind": "books#volume",
    "id": "IDFfMPW32hQC",
    "volumeInfo": {
        "title": "The Dispossessed",
        "authors": ["Ursula K. Le Guin"],
        "publisher": "Harper Collins",
        "publishedDate": "2003-05-20",
        "description": "<p>A <b>bleak</b> moon &amp; an anarchist.</p><p>Shevek must act.</p>",
        "industryIdentifiers": [
            {"type": "ISBN_10", "identifier": "0060512756"},
            {"type": "ISBN_13", "identifier": DISPOSSESSED},
            {"type": "OTHER", "identifier": "UOM:39015004267089"},
        ],
        "pageCount": 400,
        "printType": "BOOK",
        "categories": ["Fiction / Science Fiction / General"],
        "language": "en",
        "imageLinks": {
            "smallThumbnail": "http://books.google.com/books/content?id=IDFfMPW32hQC&zoom=5&edge=curl",
            "thumbnail": "http://books.google.com/books/content?id=IDFfMPW32hQC&zoom=1&edge=curl",
        },
    },
}


def changed(record: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    return {**record, **fields}


def serve_open_library(server: SourceServer) -> None:
    """Let a server answer for Neuromancer as Open Library does."""
    for isbn in (NEUROMANCER, NEUROMANCER_10):
        server.on(f"/isbn/{isbn}.json", redirect("/books/OL7353617M.json"))
    server.on("/books/OL7353617M.json", json_answer(EDITION))
    server.on("/works/OL27258W.json", json_answer(WORK))
    server.on("/authors/OL26283A.json", json_answer({"key": "/authors/OL26283A", "name": "William Gibson"}))
    server.on("/search.json", json_answer({"numFound": 1, "start": 0, "docs": [SEARCH_DOCUMENT]}))


def serve_google_books(server: SourceServer) -> None:
    """Let a server answer for The Dispossessed as Google Books does: a search has less than the volume itself."""
    found = changed(VOLUME, volumeInfo=changed(VOLUME["volumeInfo"], description="A bleak moon …"))
    server.on("/books/v1/volumes", json_answer({"kind": "books#volumes", "totalItems": 1, "items": [found]}))
    server.on("/books/v1/volumes/IDFfMPW32hQC", json_answer(VOLUME))


@dataclass
class OutsideTime:
    """Sleeps by setting the clock, so that no test waits."""

    clock: SettableClock
    slept: float = 0.0

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.clock.now += int(seconds * SECOND)


def settings_for(open_library: SourceServer, google_books: SourceServer, folder: Path) -> SourceSettings:
    """The settings of an admin that asks these servers."""
    key_file = folder / "google-books-key"
    key_file.write_text(f"{KEY}\n")
    return SourceSettings(
        open_library_address=open_library.address,
        open_library_covers_address=f"{open_library.address}/covers",
        google_books_address=google_books.address,
        google_books_key_file=key_file,
        contact="desk@library.example",
        allow_private=True,
    )


def catalogues_for(store: Store, settings: SourceSettings, clock: SettableClock) -> tuple[Catalogues, OutsideTime]:
    """The sources of a store, at the clock of the test."""
    catalogues, time = Catalogues(store, settings, clock), OutsideTime(clock)
    catalogues.outside.sleep, catalogues.outside.chance = time.sleep, random.Random(1)
    return catalogues, time
