"""Sync, downwards: reads catalogue changes from the admin, page by page, and applies each with its cursor.

On `CURSOR_EXPIRED` the admin has lost its past. Then the whole catalogue is read anew, by mark and sweep: each row seen
gets the new generation, and those that were not seen are removed, but only after the last page, so patrons read and
borrow all the while.

A change that cannot be applied here does not stop the others: see `frontend_server.sync.set_aside`.
"""

from __future__ import annotations

import functools
import weakref
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import grpc
import peewee
from peewee import EXCLUDED

from frontend_server.store.models import (
    NOTHING_IS_SURE,
    Book,
    SetAside,
    SyncState,
    lock_sync_state,
    sync_state,
)
from frontend_server.sync.answers import PullProgress, is_position
from frontend_server.sync.pushed_kinds import PUSHED_KINDS, PushedKind
from frontend_server.sync.set_aside import (
    Refused,
    Trials,
    Unfit,
    blames_the_row,
    forget_applied,
    forget_unseen,
    log_refused,
    reason_of,
    seen_in,
    set_aside,
)
from library.sync.v1.sync_service_pb2 import BookChange, ListCatalogChangesRequest, ListCatalogChangesResponse
from library.v1 import book_pb2
from library.v1.book_pb2 import BOOK_STATE_ACTIVE, BOOK_STATE_REMOVED, BOOK_STATE_UNAVAILABLE, BookState
from library_domain.errors import CursorExpired
from library_domain.search import book_words
from service_kit.channel import error_info
from service_kit.clock import Clock, system_clock
from service_kit.errors import FieldInvalid, RowUnreadable
from service_kit.ids import UUID
from service_kit.logs import logger
from service_kit.message_checks import message_problems
from service_kit.revisions import GREATEST_REVISION, is_revision
from service_kit.statements import Statement, slot
from service_kit.store import Store
from service_kit.text.keys import text_key
from service_kit.unreadable import DAMAGE, report
from service_kit.vocabulary import Learnt, learn, learnable

PAGE_SIZE = 1_000

POSITIONS = frozenset({"cursor", "receipt"})
"""The fields of requests by which the admin knows how far this store has come."""

MOST_BOOK_BYTES = 250_000
"""More than twice what the longest book takes that the admin's own rules allow."""

INDEXED_TEXTS = ("title", "publisher", "category")

KNOWN_STATES = frozenset({BOOK_STATE_ACTIVE, BOOK_STATE_UNAVAILABLE, BOOK_STATE_REMOVED})


Fetch = Callable[[ListCatalogChangesRequest], ListCatalogChangesResponse]

log = logger(__name__)

REPLICATED = (
    *("message", "title", "publisher", "publisher_key", "category", "category_key"),
    *("total_copies", "state", "words", "revision", "generation"),
)

_learnt: weakref.WeakKeyDictionary[peewee.Database, Learnt] = weakref.WeakKeyDictionary()
"""The words that this process has put into the vocabulary of a store."""

# The newest version wins, whatever comes twice or late. A new generation counts anew: the admin lost its revisions.
APPLY = Statement(
    Book.insert(id=slot("id"), on_loan=0, **{name: slot(name) for name in REPLICATED}).on_conflict(
        conflict_target=[Book.id],
        update={getattr(Book, name): getattr(EXCLUDED, name) for name in REPLICATED},
        # A revision that cannot be is of a version of this service that believed any.
        where=(EXCLUDED.generation > Book.generation)
        | (EXCLUDED.revision > Book.revision)
        | (Book.revision > GREATEST_REVISION),
    )
)


def pull(
    store: Store, fetch: Fetch, clock: Clock = system_clock, *, pushed_kinds: Sequence[PushedKind] = PUSHED_KINDS
) -> int:
    """Apply all that changed at the admin since the cursor; return how many changes that were.

    A change that this store cannot apply is set aside, and counts. What was applied stays applied.

    Raises:
        grpc.RpcError: The admin does not answer.
        AnswerRefused: It sent a page that cannot be right, or pages without an end.
    """
    applied = 0
    has_resynced = False
    progress: PullProgress | None = None
    while True:
        with store.reading():
            state = sync_state()
        if not (is_position(state.cursor) and is_position(state.receipt)):
            if has_resynced:
                raise RowUnreadable(kind="sync_state", id="1")
            begin_resync(store, state, pushed_kinds)  # damaged: it would be refused for ever
            has_resynced = True
            continue
        progress = progress or PullProgress(state.cursor)
        try:
            page = fetch(ListCatalogChangesRequest(cursor=state.cursor, page_size=PAGE_SIZE, receipt=state.receipt))
        except grpc.RpcError as error:
            # Once in a pull: an admin that refuses its own cursors must not make this store resync in a loop.
            if has_resynced or not lost_its_past(error, state):
                raise
            begin_resync(store, state, pushed_kinds)
            has_resynced, progress = True, None
            continue
        progress.check(page, PAGE_SIZE)
        if not apply_page(store, state, page, clock):
            return applied  # another process of this store was quicker, and goes on from there
        applied += len(page.changes)
        if not page.has_more:
            return applied


def apply_page(store: Store, state: SyncState, page: ListCatalogChangesResponse, clock: Clock = system_clock) -> bool:
    """Apply a page and its cursor in one transaction; False, and nothing changed, if the cursor is not `state`'s.

    A change that this store cannot apply is set aside. Raises only errors that no change of the page is to blame for.
    """
    ends_resync = state.resyncing and not page.has_more
    if not page.changes and not ends_resync and page.next_cursor == state.cursor:
        return True  # an idle poll writes nothing
    work = _Work(state, page, clock())
    try:
        outcome = _apply(store, work, Trials(store), row_by_row=False)
    except Exception as error:
        if not blames_the_row(error):
            raise
        outcome = _apply_with_bad_rows(store, work)
    if outcome is None:
        return False
    log_refused(outcome.refused)
    if ends_resync:  # said when it is so, and not while the last page may yet be rolled back
        log.info("catalogue read anew", generation=state.generation, books_gone=outcome.swept)
    return True


def retry_set_aside(store: Store) -> None:
    """Try the rows again that are set aside; those that can be applied now are forgotten as such."""
    with store.reading():
        keys = [row.key for row in SetAside.select(SetAside.key).order_by(SetAside.key)]
    for key in keys:
        trials = Trials(store)
        try:
            reason = _retry(store, key, trials)
        except DAMAGE as error:  # in this store, by hand: the next full reading replaces or forgets it
            report("set_aside", key, error)
            continue
        except Exception as error:
            if not trials.reasons or not blames_the_row(error):
                raise
            reason = _retry(store, key, trials)  # the trial ended the transaction, and is not made again
        if reason:
            log.error("row stays set aside", key=key, reason=reason)


def lost_its_past(error: grpc.RpcError, state: SyncState) -> bool:
    """Return whether the admin refuses the cursor or the receipt of `state`.

    It may have been restored from an older backup. A cursor or receipt that it never made is a damaged one, and is not
    valid either.
    """
    info = error_info(error)
    is_refused = info.reason == CursorExpired.reason or (
        info.reason == FieldInvalid.reason and not POSITIONS.isdisjoint(info.metadata["fields"].split(", "))
    )
    return is_refused and bool(state.cursor or state.receipt)


def begin_resync(store: Store, state: SyncState, pushed_kinds: Sequence[PushedKind] = PUSHED_KINDS) -> None:
    """Begin to read the whole catalogue anew, and to tell the admin of every user and loan again.

    An admin that lost its catalogue's past has lost what it was told, too. The new generation also makes answers to
    pushes of before void: they came from the admin that is no more.
    """
    with store.writing():
        begun = SyncState.update(
            cursor="",
            receipt="",
            generation=SyncState.generation + 1,
            resyncing=True,
            start_revision=NOTHING_IS_SURE,
        ).where(SyncState.generation == state.generation)
        has_begun = bool(begun.execute())
        if has_begun:
            store.lift_time_limit()
            for kind in reversed(pushed_kinds):  # in the order of lending, so that the two do not wait for each other
                kind.model.update(pushed_revision=0, park_reason="").execute()
    if has_begun:
        forget_learnt_words(store)
        log.warning("the admin lost its past; reading the catalogue and telling users and loans anew")


def forget_learnt_words(store: Store) -> None:
    """Forget which words this process has put into the vocabulary: the store may have lost some."""
    _learnt.pop(store.database, None)


class _Work(NamedTuple):
    """A page to be applied, and what was found out when it was tried."""

    state: SyncState
    page: ListCatalogChangesResponse
    now: int

    @property
    def ends_resync(self) -> bool:
        return self.state.resyncing and not self.page.has_more


class _Outcome(NamedTuple):
    refused: list[Refused]
    swept: int


def _apply_with_bad_rows(store: Store, work: _Work) -> _Outcome | None:
    """Apply the page row by row; again and again, as long as a row not known to be bad ends the whole transaction."""
    trials = Trials(store)
    while True:
        known = len(trials.reasons)
        try:
            return _apply(store, work, trials, row_by_row=True)
        except Exception as error:
            if len(trials.reasons) == known or not blames_the_row(error):
                raise


def _apply(store: Store, work: _Work, trials: Trials, *, row_by_row: bool) -> _Outcome | None:
    """Apply the page in one transaction; None, and nothing changed, if another process was quicker."""
    state, page, now = work
    rows, refused = _replica_rows(page.changes, state.generation)
    with store.writing():
        # Within the transaction: when it began, the database may have turned out to be another one.
        learnt = _learnt.setdefault(store.database, Learnt())
        new_words = set() if row_by_row else learnt.new(word for _, row in rows for word in row["words"].split(" "))
        # First, so that whoever comes second waits here and then finds the cursor moved.
        moved = SyncState.update(cursor=page.next_cursor, resyncing=state.resyncing and page.has_more).where(
            SyncState.cursor == state.cursor, SyncState.generation == state.generation
        )
        if not moved.execute():
            return None
        if row_by_row:
            refused += _apply_row_by_row(rows, trials)
        else:
            APPLY.many([row for _, row in rows])
            learn(new_words)
        _hold_back([change for change, _ in refused], trials)
        failed = {change.book.id for change, _ in refused}
        forget_applied([change.book.id for change, _ in rows if change.book.id not in failed])
        set_aside(refused, state.generation, now)
        swept, kept = (
            _end_resync(store, state.generation, trials, row_by_row=row_by_row) if work.ends_resync else (0, [])
        )
        set_aside(kept, state.generation, now)
    learnt.remember(new_words)
    return _Outcome([*refused, *kept], swept)


def _end_resync(store: Store, generation: int, trials: Trials, *, row_by_row: bool) -> tuple[int, list[Refused]]:
    """Remove what the admin no longer has; return the number of books that were, and what could not be removed."""
    if store.is_postgresql:  # which else plans by an empty table until it comes round to look
        store.database.execute_sql("ANALYZE book")
    return _sweep(generation, trials, row_by_row=row_by_row)


def _apply_row_by_row(rows: Sequence[_Row], trials: Trials) -> list[Refused]:
    """Apply each row that can be applied; return the others."""
    refused = []
    for number, (change, row) in enumerate(rows):
        name = f"apply {number}"
        if not trials.run(name, functools.partial(_apply_row, row)):
            refused.append(Refused(change, trials.reasons[name]))
    return refused


def _hold_back(changes: Sequence[BookChange], trials: Trials) -> None:
    """Lend no book by an old version of it that its newest one, which cannot be applied, says is not to be lent.

    Of the newest version the state and the number of copies are applied, or one of them, if the store takes them.
    """
    for change in changes:
        if not UUID.fullmatch(change.book.id):
            continue  # not an id of this store's rows
        state = change.book.state if change.book.state in KNOWN_STATES else BOOK_STATE_UNAVAILABLE
        copies = max(change.book.total_copies, 0) if state == BOOK_STATE_ACTIVE else 0
        name = f"hold back {change.book.id} {change.revision}"
        (
            trials.run(f"{name} by both", functools.partial(_correct, change, state))
            or trials.run(f"{name} by state", functools.partial(_set_lendable, change, state=state))
            or trials.run(f"{name} by copies", functools.partial(_set_lendable, change, total_copies=copies))
        )


def _correct(change: BookChange, state: BookState.ValueType) -> None:
    row = Book.get_or_none(Book.id == change.book.id)
    if row is not None:
        copies = max(change.book.total_copies, 0)
        book = book_pb2.Book.FromString(row.message)
        book.state, book.total_copies = state, copies
        _set_lendable(change, message=book.SerializeToString(), state=state, total_copies=copies)


def _set_lendable(change: BookChange, **columns: object) -> None:
    # The revision stays the old one, so that this version is still newer when it is tried again.
    Book.update(**columns).where(Book.id == change.book.id).execute()


def _retry(store: Store, key: int, trials: Trials) -> str:
    """Try a row again; return the reason why it cannot be applied, where that is another one than before."""
    with store.writing():
        # Held until this transaction ends, so that no page is applied meanwhile, and no resync begins.
        state = lock_sync_state(store)
        row = SetAside.get_or_none(SetAside.key == key)
        # A row of an earlier generation waits for the end of the resync, which sees it again or forgets it.
        if row is None or state is None or row.generation != state.generation:
            return ""
        if trials.run("retry", functools.partial(_apply_again, row)):
            row.delete_instance()
            return ""
        before, row.reason = row.reason, trials.reasons["retry"]
        row.save()
    return "" if row.reason == before else str(row.reason)


def _apply_again(row: SetAside) -> None:
    _apply_row(_replica_row(BookChange.FromString(row.change), row.generation))


def _apply_row(row: dict[str, Any]) -> None:
    APPLY.rows(**row)
    learn(learnable(row["words"].split(" ")))


_Row = tuple[BookChange, dict[str, Any]]


def _replica_rows(changes: Iterable[BookChange], generation: int) -> tuple[list[_Row], list[Refused]]:
    """Return the changes with their rows, and those of which no row can be made."""
    rows: list[_Row] = []
    refused: list[Refused] = []
    for change in changes:
        try:
            rows.append((change, _replica_row(change, generation)))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other rows are applied
            refused.append(Refused(change, reason_of(error)))
    return rows, refused


def _check_fit(change: BookChange) -> None:
    """Raise `Unfit` for what one engine or the other could not keep, or what could not be shown to patrons."""
    book = change.book
    if not UUID.fullmatch(book.id):
        raise Unfit("the id is not a UUID")
    if not is_revision(change.revision):
        raise Unfit(f"the revision {change.revision} is not plausible")
    if book.state not in KNOWN_STATES:
        raise Unfit(f"unknown state {book.state}")
    if not book.title and book.state != BOOK_STATE_REMOVED:
        raise Unfit("the title is missing; the admin service could not read this book, or this frontend its message")
    if book.total_copies < 0:
        raise Unfit("total_copies is negative")
    if change.ByteSize() > MOST_BOOK_BYTES:
        raise Unfit(f"the book is larger than {MOST_BOOK_BYTES} bytes")
    found = [f"{name} contains a NUL character" for name in INDEXED_TEXTS if "\0" in getattr(book, name)]
    found += [f"{path} {problem}" for path, problem in message_problems(book)]
    if found:
        raise Unfit("; ".join(found))


def _replica_row(change: BookChange, generation: int) -> dict[str, Any]:
    """Return the columns of a book. Raises `Unfit`."""
    _check_fit(change)
    book = change.book
    return {
        "id": book.id,
        "message": book.SerializeToString(),
        "title": book.title,
        "publisher": book.publisher,
        "publisher_key": text_key(book.publisher),
        "category": book.category,
        "category_key": text_key(book.category),
        "total_copies": book.total_copies,
        "state": book.state,
        "words": " ".join(book_words(book.title, book.authors, book.isbn)),
        "revision": change.revision,
        "generation": generation,
    }


def _sweep(generation: int, trials: Trials, *, row_by_row: bool) -> tuple[int, list[Refused]]:
    """Remove what the admin no longer has; return how many books that were, and the removals that fail.

    A book whose newest version is set aside was seen: it is kept.
    """
    forget_unseen(generation)
    unseen = (Book.generation < generation) & (Book.state != BOOK_STATE_REMOVED) & Book.id.not_in(seen_in(generation))
    removal = Book.update(state=BOOK_STATE_REMOVED, generation=generation)
    if not row_by_row:
        return removal.where(unseen).execute(), []
    swept, refused = 0, []
    for row in list(Book.select(Book.key, Book.id, Book.message, Book.revision).where(unseen)):
        name = f"sweep {row.key}"
        if trials.run(name, removal.where(Book.key == row.key).execute):
            swept += 1
            continue
        change = BookChange(revision=row.revision, book=book_pb2.Book.FromString(row.message))
        change.book.state = BOOK_STATE_REMOVED
        refused.append(Refused(change, trials.reasons[name]))
    _hold_back([change for change, _ in refused], trials)
    return swept, refused
