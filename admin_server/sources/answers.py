"""What the sources answered, kept for a while: the same search asks a source once."""

from __future__ import annotations

import hashlib
import zlib

import peewee

from admin_server.store.models import ExternalAnswer
from service_kit.cleanups import Deletion, Turns
from service_kit.clock import DAY, SECOND, Clock
from service_kit.statements import Statement, param
from service_kit.store import Store

KEPT = DAY
"""How long an answer is used, in microseconds."""

MISSES_KEPT = 3_600 * SECOND
"""How long it is believed that a source does not have something."""

MOST_ANSWERS = 2_000
MOST_KEPT_BYTES = 64 * 1024
"""Of an answer, compressed. A larger one is not kept. So the table has 128 MB at most, and usually a tenth of that."""

MOST_BYTES = 4_000_000
"""Of an answer, decompressed: more than any that was stored."""

FIND = Statement(
    ExternalAnswer.select(ExternalAnswer.body, ExternalAnswer.fetch_time).where(
        (ExternalAnswer.source == param("source")) & (ExternalAnswer.request == param("request"))
    )
)
DELETE = Statement(
    ExternalAnswer.delete().where(
        (ExternalAnswer.source == param("source")) & (ExternalAnswer.request == param("request"))
    )
)
INSERT = Statement(ExternalAnswer.insert(**{name: param(name) for name in ("source", "request", "body", "fetch_time")}))
OLD = Deletion(ExternalAnswer.key, ExternalAnswer.fetch_time < param("before"), ExternalAnswer.fetch_time)
SURPLUS = Deletion(ExternalAnswer.key, ExternalAnswer.key <= param("last"), ExternalAnswer.key)
"""A row gets a new key each time it is written, so the keys are in the order of time."""


class Answers:
    """The table `external_answer`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        """Take the admin's store."""
        self._store, self._clock = store, clock
        self._turns = Turns(store.times.cleanup_seconds, "cannot delete old answers of other catalogues")

    def find(self, source: str, address: str) -> bytes | None:
        """Return the body of an answer that is new enough, empty if the source has nothing; None if there is none."""
        with self._store.reading():
            row = FIND.row(source=source, request=_digest(address))
        if row is None:
            return None
        body, age = bytes(row[0]), self._clock() - row[1]
        if not 0 <= age < (KEPT if body else MISSES_KEPT):
            return None
        try:
            return zlib.decompressobj().decompress(body, MOST_BYTES) if body else b""
        except zlib.error:
            return None

    def keep(self, source: str, address: str, body: bytes) -> None:
        """Keep the body of an answer; an empty one means that the source has nothing."""
        packed = zlib.compress(body) if body else b""
        if len(packed) > MOST_KEPT_BYTES:
            return
        key, now = {"source": source, "request": _digest(address)}, self._clock()
        try:
            with self._store.writing():
                DELETE.rows(**key)
                INSERT.rows(**key, body=packed, fetch_time=now)
        except peewee.IntegrityError:
            return  # another process has kept it meanwhile
        self._turns.run_if_due(self._store, lambda: self._delete_old(now))

    def _delete_old(self, now: int) -> int:
        with self._store.writing():
            last = ExternalAnswer.select(peewee.fn.MAX(ExternalAnswer.key)).scalar() or 0
            deleted = OLD.run(self._store, before=now - KEPT)
            return deleted + SURPLUS.run(self._store, last=last - MOST_ANSWERS)


def _digest(address: str) -> str:
    return hashlib.sha256(address.encode()).hexdigest()
