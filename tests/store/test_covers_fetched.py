"""Covers from a real server on loopback, good and bad: what is refused leaves the store as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from admin_server.covers.fetching import CoverOutcome, fetch_cover
from admin_server.sources.catalogues import Catalogues, SourceSettings
from admin_server.store.models import Book, Cover
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.pictures import BAD_PICTURES, BLANK, HTML, SVG, picture
from tests.support.source_server import (
    Answer,
    SourceServer,
    answer,
    cut,
    huge,
    no_http,
    not_found,
    redirect,
    running_source_server,
    too_many,
)

PATH = "/b/id/1-L.jpg"
JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture
def source() -> Iterator[SourceServer]:
    with running_source_server() as server:
        yield server


@pytest.fixture
def catalogues(admin: Admin, source: SourceServer) -> Catalogues:
    settings = SourceSettings(
        open_library_address=source.address,
        open_library_covers_address=source.address,
        google_books_address=source.address,
        requests_per_second=10_000,
        allow_private=True,
    )
    return Catalogues(admin.store, settings, admin.clock)


def fetched(admin: Admin, catalogues: Catalogues, source: SourceServer, book_id: str) -> CoverOutcome:
    return fetch_cover(admin.store, catalogues, book_id, f"{source.address}{PATH}", admin.clock)


def covers(store: Store) -> int:
    with store.reading():
        return Cover.select().count()


def test_a_picture_is_fetched_once_and_stored(admin: Admin, catalogues: Catalogues, source: SourceServer) -> None:
    book = admin.add("Neuromancer")
    source.on(PATH, redirect("/elsewhere.jpg"))
    source.on("/elsewhere.jpg", answer(200, picture("PNG"), JPEG))
    assert fetched(admin, catalogues, source, book.id) == CoverOutcome(True)
    assert admin.get(book.id).cover_path
    assert fetched(admin, catalogues, source, book.id) == CoverOutcome(False)
    assert len(source.asked(PATH)) == 1
    with admin.store.reading():
        [row] = Cover.select()
    assert (row.content_type, row.address) == ("image/png", f"{source.address}{PATH}")


ANSWERS: dict[str, Answer] = {
    **{name: answer(200, data, JPEG) for name, data in BAD_PICTURES.items()},
    "HTML": answer(200, HTML, {"Content-Type": "text/html"}),
    "SVG by its own type": answer(200, SVG, {"Content-Type": "image/svg+xml"}),
    "not there": not_found(),
    "too many requests": too_many("60"),
    "a fault": answer(500, b"oops"),
    "cut": cut,
    "without an end": huge,
    "not HTTP": no_http,
    "a redirect inwards": redirect("http://127.0.0.1:1/latest/meta-data"),
    "a redirect to the metadata of a cloud": redirect("http://169.254.169.254/latest/meta-data"),
    "a redirect to a file": redirect("file:///etc/passwd"),
    "a redirect to itself": redirect(PATH),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_nothing_is_stored_of_a_bad_answer(
    admin: Admin, catalogues: Catalogues, source: SourceServer, name: str
) -> None:
    book = admin.add("Neuromancer")
    source.on(PATH, ANSWERS[name])
    outcome = fetched(admin, catalogues, source, book.id)
    assert not outcome.is_stored
    assert outcome.problem.startswith("the cover was not ")
    assert admin.get(book.id) == book
    assert covers(admin.store) == 0


def test_the_blank_of_a_source_is_no_cover_and_no_problem(
    admin: Admin, catalogues: Catalogues, source: SourceServer
) -> None:
    book = admin.add("Neuromancer")
    source.on(PATH, answer(200, BLANK, {"Content-Type": "image/gif"}))
    assert fetched(admin, catalogues, source, book.id) == CoverOutcome(False)
    assert admin.get(book.id) == book


def test_no_private_address_is_asked_unless_it_is_configured(admin: Admin, source: SourceServer) -> None:
    book = admin.add("Neuromancer")
    source.on(PATH, answer(200, picture(), JPEG))
    outcome = fetched(admin, Catalogues(admin.store, SourceSettings(), admin.clock), source, book.id)
    assert not outcome.is_stored
    assert outcome.problem
    assert source.asked() == []
    assert covers(admin.store) == 0


def test_a_store_that_is_away_is_reported_and_fails_no_import(
    admin: Admin, catalogues: Catalogues, source: SourceServer
) -> None:
    book = admin.add("Neuromancer")
    source.on(PATH, answer(200, picture(), JPEG))
    with admin.store.writing():
        Cover.insert(book=_key(book.id), content_type="", picture=b"", digest="", address="", create_time=0).execute()
    outcome = fetched(admin, catalogues, source, book.id)  # the row violates the primary key
    assert outcome == CoverOutcome(False, "the cover was not stored; the log of this server has more")
    assert admin.get(book.id) == book


def _key(book_id: str) -> int:
    row = Book.get(Book.id == book_id)
    key: int = row.key
    return key
