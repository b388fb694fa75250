"""Tries to apply again what was set aside: the store, or this program, may accept it now."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from typing import Any, cast

from frontend_server.store.models import SetAside, lock_sync_state
from frontend_server.sync.apply_page import prepare, restrict_older, try_write, write_row
from frontend_server.sync.pulled_kind import UNKNOWN_KIND, AfterCommit, Fit, PulledKind, PulledKinds
from frontend_server.sync.pulled_kinds import PULLED_KINDS
from frontend_server.sync.set_aside import name_and_row_id
from frontend_server.sync.trials import Trials
from service_kit.logs import logger
from service_kit.statements import tuples
from service_kit.store import Store
from service_kit.unreadable import DAMAGE, report

ROWS_AT_A_TIME = 100
"""Rows of one transaction. After an upgrade all rows of a kind that was unknown before may wait here."""

log = logger(__name__)


def retry_set_aside(store: Store, kinds: PulledKinds = PULLED_KINDS) -> None:
    """Try the rows again that are set aside; those that can be applied now are forgotten as such."""
    is_known = ~SetAside.kind.startswith(UNKNOWN_KIND) | SetAside.kind.in_(kinds.names_of_unknown())
    with store.reading():
        keys = [key for (key,) in tuples(SetAside.select(SetAside.key).where(is_known).order_by(SetAside.key))]
    for place in range(0, len(keys), ROWS_AT_A_TIME):
        some = keys[place : place + ROWS_AT_A_TIME]
        trials = Trials(store)
        for key, reason in trials.repeat(functools.partial(_retry, store, kinds, some, trials)):
            log.error("row stays set aside", key=key, reason=reason)


def _retry(store: Store, kinds: PulledKinds, keys: Sequence[int], trials: Trials) -> list[tuple[int, str]]:
    """Try rows again; return the keys and reasons of those that cannot be applied for another reason than before."""
    after_commit: list[AfterCommit] = []
    changed = []
    with store.writing():
        # Locked until this transaction ends, so that no page is applied meanwhile, and no resync begins.
        state = lock_sync_state(store)
        prepare(store, kinds, _fit(kinds, keys))
        for key in keys:
            row = _read(key)
            # A row of an earlier generation waits for the end of the resync, which sees it again or forgets it.
            if row is None or state is None or row.generation != state.generation:
                continue
            if row.kind.startswith(UNKNOWN_KIND) and not trials.run(
                f"file {key}", functools.partial(_file, kinds, row)
            ):
                continue
            reason = _retry_row(store, kinds, key, trials, after_commit)
            if reason:
                changed.append((key, reason))
    for each in after_commit:
        each()
    return changed


def _fit(kinds: PulledKinds, keys: Sequence[int]) -> Iterator[Fit]:
    for row in map(_read, keys):
        if row is not None:
            with contextlib.suppress(Exception):  # of any kind: `_retry_row` finds it again, and keeps the reason
                yield kinds.fit(_change(kinds, row), row.generation)


def _retry_row(store: Store, kinds: PulledKinds, key: int, trials: Trials, after_commit: list[AfterCommit]) -> str:
    """Try a row again; return the reason why it cannot be applied if that is another one than before."""
    row = _read(key)
    if row is None:
        return ""
    name = f"retry {key}"
    if try_write(functools.partial(_apply, store, kinds, row), name, trials, after_commit):
        row.delete_instance()
        return ""
    reason = trials.reasons[name]
    if row.reason == reason:
        return ""
    SetAside.update(reason=reason).where(SetAside.key == key).execute()
    try:
        change = _change(kinds, row)
    except DAMAGE:
        return reason
    restrict_older(kinds, [change], trials)
    return reason


def _read(key: int) -> SetAside | None:
    try:
        row: SetAside | None = SetAside.get_or_none(SetAside.key == key)
    except DAMAGE as error:  # in this store, by hand: the next full reading replaces or forgets it
        report("set_aside", key, error)
        return None
    return row


def _change(kinds: PulledKinds, row: SetAside) -> Any:
    return kinds.change_type.FromString(row.change)


def _apply(store: Store, kinds: PulledKinds, row: SetAside) -> AfterCommit:
    return write_row(store, kinds.fit(_change(kinds, row), row.generation))


def _file(kinds: PulledKinds, row: SetAside) -> None:
    """Set the kind and id of a row whose kind was unknown before; delete it if there is a newer version of it."""
    change = _change(kinds, row)
    name, row_id = name_and_row_id(kinds, change)
    model: Any = cast("PulledKind", kinds.kind_of(change)).model
    same = (SetAside.kind == name) & (SetAside.id == row_id)
    SetAside.delete().where(same, (SetAside.revision < row.revision) | (SetAside.generation < row.generation)).execute()
    applied = model.select().where(
        model.id == row_id, model.generation == row.generation, model.revision > row.revision
    )
    if applied.exists() or SetAside.select().where(same).exists():
        row.delete_instance()
    else:
        SetAside.update(kind=name, id=row_id).where(SetAside.key == row.key).execute()
