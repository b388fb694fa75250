"""Applies a page of changes and its cursor in one transaction.

A change that cannot be applied does not stop the others: see `frontend_server.sync.set_aside`.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from frontend_server.store.models import SetAside, SyncState
from frontend_server.sync.pulled_kind import AfterCommit, Fit, PulledKind, PulledKinds, Refused
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.set_aside import forget_applied, forget_unseen, log_refused, seen_in, set_aside
from frontend_server.sync.trials import Trials, blames_the_row, reason_of
from service_kit.clock import Clock, system_clock
from service_kit.logs import logger
from service_kit.store import Store

log = logger(__name__)


def apply_page(
    store: Store, state: SyncState, page: Any, clock: Clock = system_clock, kinds: PulledKinds = PULLED_KINDS
) -> bool:
    """Apply a page and its cursor in one transaction; False, and nothing changed, if the cursor is not `state`'s.

    A change that this store cannot apply is set aside. Raises only errors that no change of the page is to blame for.
    """
    ends_resync = state.resyncing and not page.has_more
    if not page.changes and not ends_resync and page.next_cursor == state.cursor:
        return True  # an idle poll writes nothing
    work = _Work(kinds, state, page, *_fit_and_unfit(kinds, page.changes, state.generation), clock())
    try:
        outcome = _apply(store, work, Trials(store), row_by_row=False)
    except Exception as error:
        if not blames_the_row(error):
            raise
        # Not the trials of the first attempt: on PostgreSQL, any part of it can fail with a deferred constraint that
        # another row violates.
        trials = Trials(store)
        outcome = trials.repeat(lambda: _apply(store, work, trials, row_by_row=True))
    if outcome is None:
        return False
    log_refused(kinds, outcome.refused)
    if ends_resync:  # logged after the commit, because the last page may be rolled back
        log.info("catalogue read completely", generation=state.generation, rows_gone=outcome.swept)
    return True


class _Work(NamedTuple):
    """A page to be applied, and what each of its changes comes to here."""

    kinds: PulledKinds
    state: SyncState
    page: Any
    fit: list[Fit]
    unfit: list[Refused]
    now: int

    @property
    def ends_resync(self) -> bool:
        return self.state.resyncing and not self.page.has_more


class _Outcome(NamedTuple):
    refused: list[Refused]
    swept: int


def _fit_and_unfit(kinds: PulledKinds, changes: Iterable[Any], generation: int) -> tuple[list[Fit], list[Refused]]:
    """Return the changes with their rows, and those that this store has no valid row for."""
    fit: list[Fit] = []
    unfit: list[Refused] = []
    for change in changes:
        try:
            fit.append(kinds.fit(change, generation))
        except Exception as error:  # noqa: BLE001 - of any kind: one bad row must not stop the others
            unfit.append(Refused(change, reason_of(error)))
    return fit, unfit


def _apply(store: Store, work: _Work, trials: Trials, *, row_by_row: bool) -> _Outcome | None:
    """Apply the page in one transaction; None, and nothing changed, if another process was quicker."""
    kinds, state, page, fit, unfit, now = work
    after_commit: list[AfterCommit] = []
    with store.writing():
        # First, so that a process that comes second waits here and then finds the cursor moved.
        moved = SyncState.update(cursor=page.next_cursor, resyncing=state.resyncing and page.has_more).where(
            SyncState.cursor == state.cursor, SyncState.generation == state.generation
        )
        if not moved.execute():
            return None
        write = functools.partial(write_row_by_row, trials=trials) if row_by_row else _write_at_once
        written, failed = write(store, kinds, fit, after_commit)
        refused = [*unfit, *failed]
        restrict_older(kinds, [change for change, _ in refused], trials)
        if SetAside.select().exists():
            for kind, group in _by_kind(kinds, written):
                forget_applied(kind.name, [each.row["id"] for each in group])
        set_aside(kinds, refused, state.generation, now)
        swept, kept = _end_resync(store, work, trials, row_by_row=row_by_row) if work.ends_resync else (0, [])
        set_aside(kinds, kept, state.generation, now)
    for each in after_commit:
        each()
    return _Outcome([*refused, *kept], swept)


def _by_kind(kinds: PulledKinds, fit: Iterable[Fit]) -> list[tuple[PulledKind, list[Fit]]]:
    """Group the changes by kind, in the order in which a transaction writes the tables."""
    groups: dict[PulledKind, list[Fit]] = {kind: [] for kind in kinds}
    for each in fit:
        groups[each.kind].append(each)
    return [(kind, group) for kind, group in groups.items() if group]


def _write_at_once(
    store: Store, kinds: PulledKinds, fit: Sequence[Fit], after_commit: list[AfterCommit]
) -> tuple[Sequence[Fit], list[Refused]]:
    derive = prepare(store, kinds, fit)
    for kind, group in _by_kind(kinds, fit):
        kind.upsert.many([each.row for each in group])
    after_commit += [write_derived() for write_derived in derive]
    return fit, []


def prepare(store: Store, kinds: PulledKinds, fit: Iterable[Fit]) -> list[Callable[[], AfterCommit]]:
    """Lock what is to be written besides these rows; return the functions that then write what is derived from them.

    So all locks of a transaction are taken in one order, also if its rows are written one by one.
    """
    return [kind.prepare(store, [each.row for each in group]) for kind, group in _by_kind(kinds, fit)]


def write_row_by_row(
    store: Store, kinds: PulledKinds, fit: Sequence[Fit], after_commit: list[AfterCommit], *, trials: Trials
) -> tuple[list[Fit], list[Refused]]:
    """Write each row that the store takes; return those that were written and the others."""
    written, refused = [], []
    prepare(store, kinds, fit)
    numbered = enumerate(each for _, group in _by_kind(kinds, fit) for each in group)
    for number, each in numbered:
        name = f"write {number}"
        if try_write(functools.partial(write_row, store, each), name, trials, after_commit):
            written.append(each)
        else:
            refused.append(Refused(each.change, trials.reasons[name]))
    return written, refused


def write_row(store: Store, fit: Fit) -> AfterCommit:
    """Write one row, and what is derived from it; return what is to be done after the commit."""
    write_derived = fit.kind.prepare(store, [fit.row])
    fit.kind.upsert.rows(**fit.row)
    return write_derived()


def try_write(write: Callable[[], AfterCommit], name: str, trials: Trials, after_commit: list[AfterCommit]) -> bool:
    """Run `write` as the trial `name`; return whether it succeeded. Only then add to `after_commit`."""
    done: list[AfterCommit] = []
    has_succeeded = trials.run(name, lambda: done.append(write()))
    if has_succeeded:  # on PostgreSQL, a trial can fail after `write`, because of a deferred constraint
        after_commit += done
    return has_succeeded


def restrict_older(kinds: PulledKinds, changes: Iterable[Any], trials: Trials) -> None:
    """Stop the use of older versions of rows whose newest version cannot be applied."""
    for change in changes:
        kind = kinds.kind_of(change)
        if kind is not None:
            message = getattr(change, kind.name)
            kind.restrict_older(message, trials, f"restrict older {kind.name} {kind.id_of(message)} {change.revision}")


def _end_resync(store: Store, work: _Work, trials: Trials, *, row_by_row: bool) -> tuple[int, list[Refused]]:
    """Remove the rows that the admin no longer has; return their number, and the removals that failed."""
    generation = work.state.generation
    forget_unseen(generation)
    swept, refused = 0, []
    for kind in work.kinds:
        if store.is_postgresql:  # it otherwise plans for an empty table until autovacuum has analysed it
            store.database.execute_sql(f"ANALYZE {kind.model._meta.table_name}")
        unseen = _unseen(kind, generation)
        kind.before_sweep(unseen)
        if not row_by_row:
            swept += _removal(kind, generation).where(unseen).execute()
        else:
            removed, failed = _remove_row_by_row(work, kind, trials)
            swept += removed
            refused += failed
        kind.write_all_derived(trials if row_by_row else None)
    restrict_older(work.kinds, [change for change, _ in refused], trials)
    return swept, refused


def _remove_row_by_row(work: _Work, kind: PulledKind, trials: Trials) -> tuple[int, list[Refused]]:
    """Remove each row that the store lets go; return their number, and the removals that failed."""
    model, generation = kind.model, work.state.generation
    swept, refused = 0, []
    # No other columns, which may be damaged: the removal needs only these.
    removed = model.select(model.key, model.id, model.message, model.revision)
    for row in list(removed.where(_unseen(kind, generation))):
        name = f"sweep {kind.name} {row.key}"
        if trials.run(name, _removal(kind, generation).where(model.key == row.key).execute):
            swept += 1
        elif kind.removal:
            refused.append(Refused(_removed(work.kinds, kind, row), trials.reasons[name]))
        else:  # its message has no field for it; the end of the next full reading tries it again
            log.error("row cannot be deleted", kind=kind.name, id=row.id, reason=trials.reasons[name])
    return swept, refused


def _unseen(kind: PulledKind, generation: int) -> Any:
    """Return the condition for rows that this full reading did not see; it saw those that are set aside."""
    model = kind.model
    unseen = (model.generation < generation) & model.id.not_in(seen_in(kind.name, generation))
    if not kind.removal:
        return unseen
    signs = (getattr(model, name) == value for name, value in kind.removal.items())
    return unseen & ~functools.reduce(operator.and_, signs)


def _removal(kind: PulledKind, generation: int) -> Any:
    if not kind.removal:
        return kind.model.delete()
    return kind.model.update(**kind.removal, generation=generation)


def _removed(kinds: PulledKinds, kind: PulledKind, row: Any) -> Any:
    """Return the change that removes a row, as the admin would have sent it."""
    change = kinds.change_type(revision=row.revision)
    message = getattr(change, kind.name)
    message.MergeFromString(row.message)
    for name, value in kind.removal.items():
        setattr(message, name, value)
    return change
