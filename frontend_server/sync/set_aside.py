"""Rows of the catalogue that this store cannot apply: kept with the reason, so that they do not stop the others.

A row may be unfit for this store only: its title is outside the database's encoding, a constraint or trigger refuses
it, a newer admin sent a kind of rows or a state that this program does not know.
"""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Collection, Iterator
from typing import Any

import peewee
from peewee import EXCLUDED

from frontend_server.store.models import SetAside
from frontend_server.sync.pulled_kind import UNKNOWN_KIND, PulledKinds, Refused
from frontend_server.sync.trials import plain
from service_kit.logs import logger

ID_LENGTH = 100
IDS_AT_A_TIME = 500

log = logger(__name__)


def row_id(raw: str) -> str:
    """Return the id under which a row is set aside: its own, but in ASCII, and cut when it is long."""
    if len(raw) <= ID_LENGTH and raw.isascii() and raw.isprintable():
        return raw
    digest = hashlib.sha256(raw.encode()).hexdigest()[:16]  # two long ids may begin alike
    return f"{plain(raw)[: ID_LENGTH - len(digest) - 1]}~{digest}"


def name_and_row_id(kinds: PulledKinds, change: Any) -> tuple[str, str]:
    """Return the kind and the id of the row in `set_aside` that a change has or would have."""
    name, raw_id = kinds.name_and_id(change)
    return name, row_id(raw_id)


def set_aside(kinds: PulledKinds, refused: Collection[Refused], generation: int, now: int) -> None:
    """Keep the changes, each in the place of an older one of the same row. Call it in the page's transaction."""
    for change, reason in refused:
        name, aside_id = name_and_row_id(kinds, change)
        SetAside.insert(
            kind=name,
            id=aside_id,
            revision=change.revision,
            generation=generation,
            reason=reason,
            change=change.SerializeToString(),
            time=now,
        ).on_conflict(
            conflict_target=[SetAside.kind, SetAside.id],
            update={
                field: getattr(EXCLUDED, field.name)
                for field in (
                    SetAside.revision,
                    SetAside.generation,
                    SetAside.reason,
                    SetAside.change,
                    SetAside.time,
                )
            },
        ).execute()


def log_refused(kinds: PulledKinds, refused: Collection[Refused]) -> None:
    """Log each change that was set aside, after the commit; of an unknown kind, which may have many, the number."""
    unknown: Counter[str] = Counter()
    for change, reason in refused:
        name, aside_id = name_and_row_id(kinds, change)
        if name.startswith(UNKNOWN_KIND):
            unknown[name] += 1
        else:
            log.error("row set aside", kind=name, id=aside_id, revision=change.revision, reason=reason)
    for name, count in unknown.items():
        log.error("rows set aside: this frontend does not know their kind", kind=name, rows=count)


def forget_applied(kind: str, ids: Collection[str]) -> None:
    """Forget what was set aside of these rows, of which a newer version has been applied."""
    for some in _batches(ids):
        SetAside.delete().where(SetAside.kind == kind, SetAside.id.in_(some)).execute()


def forget_unseen(generation: int) -> None:
    """Forget the rows that a full reading of the catalogue, which ends here, has not seen: they are gone."""
    SetAside.delete().where(SetAside.generation < generation).execute()


def seen_in(kind: str, generation: int) -> peewee.ModelSelect[SetAside]:
    """Select the ids of the rows that this full reading of the catalogue saw and could not apply."""
    return SetAside.select(SetAside.id).where(SetAside.kind == kind, SetAside.generation == generation)


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    rest = iter(ids)
    while some := list(itertools.islice(rest, IDS_AT_A_TIME)):
        yield some
