"""Whether a store is the service's own, and not newer than the program: by its tables, on both engines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HISTORY = "schema_migration"
"""The table with the names of the migrations that a store has had."""


@dataclass(frozen=True)
class Schema:
    """What a store of a service looks like."""

    service: str
    """The service's name in messages."""
    migrations: Path
    landmark: str
    """A table of its first migration that no other service has."""
    others: Mapping[str, str] = field(default_factory=dict)
    """The landmarks of other services, and their names."""

    def known_migrations(self) -> frozenset[str]:
        """The names of the migrations that this program has."""
        return frozenset(file.stem for file in self.migrations.glob("[0-9]*.py"))


class UnsuitableStore(Exception):
    """A store is not one for this program. The message is a clause that explains why, and what to do."""


def check_schema(schema: Schema, tables: Collection[str], applied: Collection[str]) -> None:
    """Check a store that has tables by their names and by the migrations that it has had.

    Raises `UnsuitableStore`.
    """
    if schema.landmark not in tables:
        other = next((schema.others[table] for table in sorted(tables) if table in schema.others), None)
        if other is not None:
            raise UnsuitableStore(
                f"this is the store of the {other} service, and not of the {schema.service} service; "
                "give each service its own"
            )
        raise UnsuitableStore(
            f"there are tables of another program in it, and none of the {schema.service} service; "
            "name an empty database or a file that does not exist yet to begin with an empty store"
        )
    unknown = sorted(set(applied) - schema.known_migrations())
    if unknown:
        raise UnsuitableStore(
            f"it was made by a newer version of this program (unknown migrations: {', '.join(unknown)}); "
            "install that version, or restore a backup made by this one with `library restore`"
        )


NO_TABLES = (
    "the file has no tables, so it is an incomplete copy or was made by another program; make a copy of a store with "
    "`library backup` and put it in place with `library restore`, or move the file away to begin with an empty store"
)
