"""Checks a backup: each byte of it, and its content against its manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from playhouse.cysqlite_ext import cysqlite

from service_kit.backup.contents import integrity_problem, sqlite_contents, unchanging_file
from service_kit.backup.folder import MANIFEST, BackupError, Manifest, StoreCopy, digest_of, read_manifest

Facts = Mapping[str, Mapping[str, str]]
"""The queries for the facts about each store, by the name of the store and that of the fact."""


def check_backup(folder: Path, facts: Facts) -> Manifest:
    """Return the manifest of a backup without a problem.

    Raises BackupError with all problems.
    """
    if not folder.is_dir():
        raise BackupError(f"{folder} is not a folder")
    manifest = read_manifest(folder)
    problems = list(_stray_files(folder, manifest))
    for name, copy in manifest.stores.items():
        problems += _problems(folder, name, copy, facts)
    if problems:
        raise BackupError("; ".join(problems))
    return manifest


def _stray_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    expected = {MANIFEST, *(copy.file for copy in manifest.stores.values())}
    for file in sorted(folder.iterdir()):
        if file.name not in expected:
            yield f"{file.name} does not belong to the backup"
        elif file.is_symlink() or not file.is_file():
            yield f"{file.name} is not a file"


def _problems(folder: Path, name: str, copy: StoreCopy, facts: Facts) -> Iterator[str]:
    file = folder / copy.file
    try:
        size = file.stat().st_size
        if size != copy.bytes:
            yield f"{copy.file} has {size} bytes instead of {copy.bytes}"
            return
        if digest_of(file) != copy.sha256:
            yield f"{copy.file} was changed: its SHA-256 is not that of the manifest"
            return
        yield from copy_problems(file, copy, facts.get(name, {}))
    except FileNotFoundError:
        yield f"{copy.file} is missing"
    except OSError as error:
        yield f"{copy.file} cannot be read: {error.strerror or error}"


def copy_problems(file: Path, copy: StoreCopy, facts: Mapping[str, str]) -> Iterator[str]:
    """Yield the problems of the content of a copy."""
    try:
        with unchanging_file(file) as connection:
            if problem := integrity_problem(connection):
                yield f"{copy.file} is damaged: {problem}"
                return
            # A backup of an earlier version has fewer facts.
            known = {name: query for name, query in facts.items() if name in copy.facts}
            found = sqlite_contents(connection, known)
    except cysqlite.DatabaseError as error:
        yield f"{copy.file} is damaged: {error}"
        return
    for table in sorted(copy.rows.keys() | found.rows.keys()):
        if copy.rows.get(table) != found.rows.get(table):
            yield f"{copy.file} has {found.rows.get(table)} rows in {table} instead of {copy.rows.get(table)}"
    if found.migrations != copy.migrations:
        yield f"{copy.file} has other migrations than the manifest says"
    if found.facts != copy.facts:
        yield f"{copy.file} differs from the manifest in {', '.join(sorted(facts))}"
