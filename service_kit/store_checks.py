"""Checks by its tables that a store belongs to the service and is not newer than the program, on both engines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path

HISTORY = "schema_migration"
"""The table with the names of the migrations that were applied to a store."""


@dataclass(frozen=True)
class Schema:
    """How to recognize a store of a service."""

    service: str
    """The service's name in messages."""
    migrations: Path
    landmark: str
    """A table of its first migration that no other service has."""
    others: Mapping[str, str] = field(default_factory=dict)
    """The landmarks of other services, and their names."""

    def known_migrations(self) -> frozenset[str]:
        """Return the names of the migrations of this program."""
        return frozenset(file.stem for file in self.migrations.glob("[0-9]*.py"))


class UnsuitableStore(Exception):
    """A store cannot be used by this program. The message is a clause that explains why, and what to do."""


def check_schema(schema: Schema, tables: Collection[str], applied: Collection[str]) -> None:
    """Check a store by the names of its tables and of the migrations that were applied to it.

    Raises `UnsuitableStore`.
    """
    if schema.landmark not in tables:
        other = next((schema.others[table] for table in sorted(tables) if table in schema.others), None)
        if other is not None:
            raise UnsuitableStore(
                f"this is the store of the {other} service, and not of the {schema.service} service; "
                "use a store of its own for each service"
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
