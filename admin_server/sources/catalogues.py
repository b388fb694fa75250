"""The other catalogues that are set up, and how each is asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from admin_server.sources.answers import Answers
from admin_server.sources.asking import Asker, Outside
from admin_server.sources.fetching import Fetched, Fetcher
from admin_server.sources.google_books import GoogleBooks
from admin_server.sources.open_library import OpenLibrary
from admin_server.sources.pace import Pace, Paced, settings_digest
from admin_server.sources.records import Source
from library_domain.import_errors import SourceNotSetUp
from service_kit.clock import SECOND, Clock
from service_kit.errors import FieldInvalid, ServerBusy
from service_kit.store import Store

MOST_LOOK_UPS = 16
"""Calls of a process that ask sources at a time. One more is refused, so that threads are left for other long calls."""

MOST_KEY_BYTES = 500

PICTURE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")

NO_KEY = "it answers only with a key, and --google-books-key-file is not set"


@dataclass(frozen=True)
class SourceSettings:
    """Where the sources are, and how they are asked."""

    open_library_address: str = "https://openlibrary.org"
    open_library_covers_address: str = "https://covers.openlibrary.org"
    google_books_address: str = "https://www.googleapis.com"
    google_books_key_file: Path | None = None
    contact: str = ""
    """An e-mail address or a web page of the library, which is sent with each request."""
    requests_per_second: float = 3.0
    """To each of the sources, and to each other host that has covers."""
    allow_private: bool = False
    """Whether the addresses above may be private ones."""
    search_seconds: float = 8.0
    """How long a search waits for a source."""
    import_seconds: float = 20.0
    """How long an import of a book waits for a source."""


@dataclass(frozen=True)
class Catalogue:
    """A source with its address."""

    source: Source
    paced: Paced
    address: str
    problem: str
    """Why it is not set up; empty if it is."""


class Catalogues:
    """All sources, in the order in which they are asked."""

    def __init__(self, store: Store, settings: SourceSettings, clock: Clock) -> None:
        """Take the admin's store and the settings."""
        self.settings = settings
        self.pace = Pace(store, clock)
        fetcher = Fetcher(user_agent(settings.contact), _configured(settings), settings.allow_private, clock)
        self.outside = Outside(fetcher, self.pace, Answers(store, clock), clock)
        self._places = threading.BoundedSemaphore(MOST_LOOK_UPS)
        self._interval = int(SECOND / settings.requests_per_second)
        key, key_problem = _key(settings.google_books_key_file)
        self._headers = {"google_books": {"X-Goog-Api-Key": key}}
        open_library = OpenLibrary(settings.open_library_covers_address)
        self.all = (
            self._catalogue(open_library, settings.open_library_address, "", ""),
            self._catalogue(GoogleBooks(), settings.google_books_address, key, key_problem),
        )

    def _catalogue(self, source: Source, address: str, key: str, problem: str) -> Catalogue:
        paced = Paced(source.name, source.display_name, self._interval, settings_digest(address, key))
        return Catalogue(source, paced, address, problem)

    def named(self, name: str, field: str = "source") -> Catalogue:
        """Return the source of this name. Raises `FieldInvalid` for an unknown one, and `SourceNotSetUp`."""
        for catalogue in self.all:
            if catalogue.source.name == name:
                if catalogue.problem:
                    raise SourceNotSetUp(source=catalogue.source.display_name, problem=catalogue.problem)
                return catalogue
        known = ", ".join(catalogue.source.name for catalogue in self.all)
        raise FieldInvalid((field, f"unknown source; known are {known}"))

    def set_up(self) -> Sequence[Catalogue]:
        """Return the sources that can be asked."""
        return [catalogue for catalogue in self.all if not catalogue.problem]

    def asker(self, catalogue: Catalogue, seconds: float) -> Asker:
        """Return what asks a source, for at most `seconds`."""
        headers = self._headers.get(catalogue.source.name, {})
        return Asker(self.outside, catalogue.paced, catalogue.address, time.monotonic() + seconds, headers)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Take one of the places for calls that ask sources. Raises `ServerBusy` if all are taken."""
        if not self._places.acquire(blocking=False):
            raise ServerBusy(limit="look-ups in other catalogues")
        try:
            yield
        finally:
            self._places.release()

    def picture(self, address: str, *, most_bytes: int, seconds: float) -> Fetched:
        """Fetch a cover, at the pace of its host. Raises `FetchFailed`."""
        host = _host(address)
        same = next((each.paced for each in self.all if host and _host(each.address) == host), None)
        # A pause of one host is not for others, and a name of a table's row is limited.
        paced = same or Paced(f"host {host}"[:100], host, self._interval)
        deadline = time.monotonic() + seconds
        return self.outside.fetch(paced, address, most_bytes=most_bytes, content_types=PICTURE_TYPES, deadline=deadline)

    def present_problem(self, catalogue: Catalogue) -> str:
        """Return what is missing, or why the source is not asked at present; empty if it can be asked."""
        return catalogue.problem or self.pace.problem(catalogue.paced)[0]


def user_agent(contact: str) -> str:
    """Return the header that names this program and its operators, as Open Library asks for."""
    return f"LendingLibrary/0.1 ({contact})" if contact else "LendingLibrary/0.1"


def check_settings(settings: SourceSettings) -> str:
    """Return what is wrong with the settings; empty if nothing is."""
    addresses = {
        "--open-library-address": settings.open_library_address,
        "--open-library-covers-address": settings.open_library_covers_address,
        "--google-books-address": settings.google_books_address,
    }
    for flag, address in addresses.items():
        if not _is_address(address):
            return f"{flag}: must be an address with http or https, such as https://openlibrary.org"
    if not (settings.contact.isascii() and settings.contact.isprintable() and len(settings.contact) <= 200):
        return "--source-contact: must be an e-mail address or a URL of at most 200 characters"
    return ""


def _is_address(address: str) -> bool:
    try:
        parts = urlsplit(address)
        is_port = parts.port != 0
    except ValueError:  # of brackets that do not match, or of a port that is not one
        return False
    has_more = parts.query or parts.fragment or parts.username
    return parts.scheme in ("http", "https") and bool(parts.hostname) and is_port and not has_more


def _host(address: str) -> str:
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _configured(settings: SourceSettings) -> frozenset[tuple[str, int]]:
    addresses = (settings.open_library_address, settings.open_library_covers_address, settings.google_books_address)
    parts = [urlsplit(address) for address in addresses]
    return frozenset((each.hostname or "", each.port or {"http": 80}.get(each.scheme, 443)) for each in parts)


def _key(file: Path | None) -> tuple[str, str]:
    """Return the key of Google Books, and why there is none. No text has the key in it."""
    if file is None:
        return "", NO_KEY
    try:
        with file.open("rb") as opened:
            key = opened.read(MOST_KEY_BYTES + 1).decode("ascii").strip()
    except UnicodeDecodeError:
        return "", f"{file} does not have a key in it"
    except OSError as error:
        return "", f"{file} cannot be read: {error.strerror}"
    if not key or len(key) > MOST_KEY_BYTES or not key.isprintable() or " " in key:
        return "", f"{file} does not have a key in it"
    return key, ""
