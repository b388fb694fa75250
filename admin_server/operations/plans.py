"""What an operation with `validate_only` would have added so far, in the store: a file can have millions of records."""

from __future__ import annotations

from collections.abc import Sequence

from admin_server.intake.batches import Planned
from admin_server.intake.given_barcodes import planned_barcodes
from admin_server.intake.rows import Row
from admin_server.store.models import ImportPlan
from service_kit.digests import digest_64
from service_kit.statements import Statement, param, tuples

INSERT = Statement(ImportPlan.insert(operation=param("operation"), digest=param("digest")).on_conflict_ignore())

AT_ONCE = 5_000
"""Digests that are looked up by one query."""

DELETED_AT_ONCE = 20_000
"""Rows that are deleted in one transaction, so that other writers do not wait long."""


def load(key: int, rows: Sequence[Row], planned: Planned) -> None:
    """Set `planned` to what earlier batches of an operation would have added of what these rows have."""
    for each in planned:
        each.clear()
    wanted: dict[int, tuple[set[object], object]] = {}
    for row in rows:
        for kept, kind, values in _values(row, planned):
            for value in values:
                wanted[_digest(kind, value)] = kept, value
    digests = sorted(wanted)
    for first in range(0, len(digests), AT_ONCE):
        query = ImportPlan.select(ImportPlan.digest).where(
            ImportPlan.operation == key, ImportPlan.digest.in_(digests[first : first + AT_ONCE])
        )
        for (digest,) in tuples(query):
            kept, value = wanted[digest]
            kept.add(value)


def save(key: int, planned: Planned) -> None:
    """Store what a batch would have added, within its transaction."""
    digests = {
        _digest(kind, value)
        for kind, values in (("isbn", planned.isbns), ("title", planned.identities), ("barcode", planned.barcodes))
        for value in values
    }
    INSERT.many({"operation": key, "digest": digest} for digest in digests)


def delete_some(key: int) -> bool:
    """Delete what an operation would have added, within a transaction; return whether there can be more."""
    some = ImportPlan.select(ImportPlan.digest).where(ImportPlan.operation == key).limit(DELETED_AT_ONCE)
    query = ImportPlan.delete().where(ImportPlan.operation == key, ImportPlan.digest.in_(some))
    return int(query.execute()) == DELETED_AT_ONCE


def _values(row: Row, planned: Planned) -> list[tuple[set[object], str, list[object]]]:
    if not row.columns:
        return []
    # With the title in any case: a digest that nothing has noted is not found.
    barcodes: list[object] = [*planned_barcodes(row)]
    return [
        (planned.isbns, "isbn", [row.columns["isbn"]]),  # type: ignore[list-item]
        (planned.identities, "title", [row.columns["title_key"]]),  # type: ignore[list-item]
        (planned.barcodes, "barcode", barcodes),  # type: ignore[list-item]
    ]


def _digest(kind: str, value: object) -> int:
    return digest_64(f"{kind}:{value}".encode())
