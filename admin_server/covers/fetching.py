"""Fetch the picture of a cover from another server and store it. A failure is reported, and changes nothing."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import peewee
from playhouse.pool import MaxConnectionsExceeded

from admin_server.covers.pictures import MOST_BYTES, Picture, PictureRefused, checked_cover
from admin_server.covers.storing import Stored, lacks_cover, store_cover
from admin_server.sources.fetching import Fetched, FetchFailed
from library.admin.v1.catalog_service_pb2 import ImportOptions
from service_kit.clock import Clock
from service_kit.errors import ServiceError
from service_kit.logs import logger
from service_kit.store import Store

SECONDS = 20.0
"""How long one picture may take."""

log = logger(__name__)


class PictureFetcher(Protocol):
    """Fetches from servers outside, such as `admin_server.sources.catalogues.Catalogues`."""

    def picture(self, address: str, *, most_bytes: int, seconds: float) -> Fetched:
        """Fetch a picture, at the pace of its host. Raises `FetchFailed`."""


class CoverOutcome(NamedTuple):
    """What became of a cover."""

    is_stored: bool
    problem: str = ""
    """Why there is no picture, as a clause; empty if it was stored, is not needed, or the source has none."""


def fetch_cover(
    store: Store,
    fetcher: PictureFetcher,
    book_id: str,
    address: str,
    clock: Clock,
    options: ImportOptions | None = None,
) -> CoverOutcome:
    """Fetch a picture and store it with a book that has none; raise no error, so that no import fails because of it.

    Call it outside a transaction: it waits for another server.

    Args:
        store: The admin's store.
        fetcher: Checks the address, and where redirects lead.
        book_id: The book's id.
        address: Where the picture is.
        clock: When it is stored, in microseconds since 1970.
        options: Those of the import run that the picture belongs to: undoing the run removes the picture.
    """
    try:
        if not lacks_cover(store, book_id):
            return CoverOutcome(False)
        picture = fetched_picture(fetcher, address)
        if picture is None:
            return CoverOutcome(False)
        return CoverOutcome(store_cover(store, book_id, picture, address, clock, options) is Stored.STORED)
    except (FetchFailed, PictureRefused) as error:
        return CoverOutcome(False, cover_problem(error))
    except (ServiceError, peewee.PeeweeException, MaxConnectionsExceeded) as error:
        log.warning("a cover was not stored", book_id=book_id, error=store.said(error))
        return CoverOutcome(False, "the cover was not stored; the log of this server has more")


def fetched_picture(fetcher: PictureFetcher, address: str) -> Picture | None:
    """Return the checked picture at an address; None if the source has none.

    Raises `FetchFailed` and `PictureRefused`.
    """
    return checked_cover(fetcher.picture(address, most_bytes=MOST_BYTES, seconds=SECONDS).body)


def cover_problem(error: FetchFailed | PictureRefused) -> str:
    """Return why a cover was not stored, as a clause."""
    if isinstance(error, FetchFailed):
        return f"the cover was not fetched: {error.problem}"
    return f"the cover was not stored: {error}"
