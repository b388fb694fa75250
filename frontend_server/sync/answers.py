"""Checks of the admin's answers before they are used: the admin may be faulty, or another program at its address.

An answer that is refused changes nothing here. The sync reports it in its status, waits and calls again, and
lending continues.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, cast

import grpc

from library.sync.v1.sync_service_pb2 import (
    RECORD_RESULT_RECORDED,
    RECORD_RESULT_REFUSED,
    RECORD_RESULT_UNCHANGED,
    RECORD_RESULT_UNKNOWN_KIND,
    ListCatalogChangesResponse,
    RecordOutcome,
    RecordStatesResponse,
)
from service_kit.revisions import GREATEST_BELIEVED
from service_kit.schedule import shortened

LONGEST_POSITION = 200
"""Characters of a cursor or receipt: the contract takes no longer one back."""

FULL_PAGE_BYTES = 200_000
"""A page of at least this size counts as full. The admin ends one at 1 MB, and no book has more than 100 kB."""

MOST_SMALL_PAGES = 20
"""Pages in a row that are not full and still say that more wait. The admin's own are all full."""

MOST_PAGES = 20_000
"""Pages of one pull: some 20 million books."""

MOST_ID = 5_000
"""Characters of an id that are compared: the admin returns no more of one. Only a damaged row has such an id."""

RESULTS = frozenset(
    {RECORD_RESULT_RECORDED, RECORD_RESULT_UNCHANGED, RECORD_RESULT_REFUSED, RECORD_RESULT_UNKNOWN_KIND}
)


class AnswerRefused(Exception):
    """An answer of the admin that cannot be right. The message has the reason, and no part of the answer."""


class Row(Protocol):
    """A row that was sent."""

    id: str


def is_position(text: object) -> bool:
    """Return whether this can be a cursor or a receipt, or is empty. Only the admin knows whether it is valid."""
    return isinstance(text, str) and len(text) <= LONGEST_POSITION and text.isascii() and (text + "x").isprintable()


class PullProgress:
    """Bounds the pages of one pull, and sees to it that each makes progress."""

    def __init__(self, cursor: str) -> None:
        """Begin at this cursor."""
        self._cursors = {cursor}
        self._small_pages = 0

    def check(self, page: ListCatalogChangesResponse, page_size: int) -> None:
        """Raise `AnswerRefused` for a page that cannot be right, or that does not lead on."""
        if not page.next_cursor or not is_position(page.next_cursor):
            raise AnswerRefused("the admin service sent a cursor that cannot be one")
        if len(page.changes) > page_size:
            raise AnswerRefused("the admin service sent a page with more changes than were asked for")
        if page.has_more:
            self._check_leads_on(page, page_size)

    def _check_leads_on(self, page: ListCatalogChangesResponse, page_size: int) -> None:
        if not page.changes or page.next_cursor in self._cursors:
            raise AnswerRefused("the admin service reported further changes, but its pages do not lead to them")
        self._cursors.add(page.next_cursor)
        is_full = len(page.changes) >= page_size or page.ByteSize() >= FULL_PAGE_BYTES
        self._small_pages = 0 if is_full else self._small_pages + 1
        if self._small_pages > MOST_SMALL_PAGES or len(self._cursors) > MOST_PAGES:
            raise AnswerRefused(f"the admin service sent {len(self._cursors) - 1} pages of changes without an end")


def check_outcomes(rows: Sequence[Row], answer: RecordStatesResponse, head: int) -> None:
    """Raise `AnswerRefused` for an answer that cannot be one to these rows. `head` is this store's last revision."""
    if not answer.receipt or not is_position(answer.receipt):
        raise AnswerRefused("the admin service sent a receipt that cannot be one")
    if len(answer.outcomes) != len(rows) or not all(map(_is_for, answer.outcomes, rows)):
        raise AnswerRefused("the outcomes that the admin service sent are not those of the rows that it was sent")
    if any(outcome.result not in RESULTS for outcome in answer.outcomes):
        raise AnswerRefused("the admin service sent an outcome that is not known here")
    newest = answer.newest_revision
    if newest < 0 or newest > max(GREATEST_BELIEVED, head):
        raise AnswerRefused(
            f"the admin service returned {newest} as the newest revision of this frontend, which cannot be; "
            "if that does not pass, run: library doctor"
        )


def _is_for(outcome: RecordOutcome, row: Row) -> bool:
    """Return whether an outcome can be that of a row. An admin that does not know the kind cannot read the id."""
    return outcome.id[:MOST_ID] == row.id[:MOST_ID] or (outcome.result == RECORD_RESULT_UNKNOWN_KIND and not outcome.id)


def describe(error: Exception) -> str:
    """Describe an error in one line for all users. The message of a database is only logged: it may contain data."""
    if isinstance(error, grpc.RpcError):  # which is a grpc.Call, too, when a stub raises it
        call = cast("grpc.Call", error)
        return shortened(f"{call.code().name}: {call.details()}")
    if isinstance(error, AnswerRefused):
        return str(error)
    return f"{type(error).__name__}; the log of this server has more"
