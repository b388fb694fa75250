"""A backup is a folder with a file for each store, and a manifest that says what is in them.

The folder gets its name when all is in it and on the disk. Until then it has another name, and no manifest.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service_kit.private_files import create_file, make_folder

MANIFEST = "manifest.json"
FORMAT = 1

_CHUNK_BYTES = 2**20


class BackupError(Exception):
    """A backup cannot be made, or cannot be used. The message is a sentence without its full stop."""


@dataclass(frozen=True)
class StoreCopy:
    """The content of the manifest for one store."""

    engine: str
    """The engine that the store was on, `sqlite` or `postgresql`; the copy is always a SQLite file."""
    file: str
    bytes: int
    sha256: str
    migrations: list[str]
    rows: dict[str, int]
    """The number of rows of each table."""
    facts: dict[str, Any]
    """Other facts about the store, such as its newest revision."""


@dataclass(frozen=True)
class Manifest:
    """The content of a backup."""

    program_version: str
    time: str
    """When the backup was begun, RFC 3339, UTC."""
    stores: dict[str, StoreCopy]

    def to_bytes(self) -> bytes:
        """The manifest as it is written: just these bytes are valid for this content."""
        content = {"format": FORMAT, **asdict(self)}
        return _canonical({**content, "sha256": hashlib.sha256(_canonical(content)).hexdigest()})

    @classmethod
    def from_bytes(cls, written: bytes) -> Manifest:
        """Read a manifest. Raises BackupError where a byte of it was changed, or its format is not known."""
        manifest = None
        with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError, RecursionError):
            content = json.loads(written)
            if content["format"] > FORMAT:
                raise BackupError(f"{MANIFEST} has a format of a newer version of this program: {content['format']}")
            stores = {name: StoreCopy(**store) for name, store in content["stores"].items()}
            manifest = cls(content["program_version"], content["time"], stores)
            if manifest.to_bytes() != written or any(Path(copy.file).name != copy.file for copy in stores.values()):
                manifest = None
        if manifest is None:
            raise BackupError(f"{MANIFEST} was changed, or is not the manifest of a backup")
        return manifest


def _canonical(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=2, sort_keys=True, ensure_ascii=True).encode() + b"\n"


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Yield a folder to write into, which becomes `folder` at the end of the block, unless an error is raised in it.

    Raises BackupError where `folder` exists and is not an empty folder, or cannot be made.
    """
    if folder.is_symlink():
        folder = folder.resolve()
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise BackupError(f"{folder} exists already; name a folder that does not")
    unfinished = folder.absolute().with_name(f"{folder.absolute().name}.unfinished-{secrets.token_hex(4)}")
    try:
        make_folder(unfinished.parent)
        make_folder(unfinished)
    except OSError as error:
        raise BackupError(f"cannot write into {unfinished.parent}: {error.strerror}") from error
    try:
        yield unfinished
        sync_to_disk(unfinished)
        unfinished.rename(folder)
        sync_to_disk(folder.absolute().parent)
    except OSError as error:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BackupError(f"cannot write the backup {folder}: {error.strerror or error}") from error
    except BaseException:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest into a folder, after all other files."""
    path = folder / MANIFEST
    create_file(path)
    path.write_bytes(manifest.to_bytes())
    sync_to_disk(path)


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest of a backup. Raises BackupError where there is none, or it was changed."""
    try:
        return Manifest.from_bytes((folder / MANIFEST).read_bytes())
    except FileNotFoundError as error:
        raise BackupError(f"{folder} has no {MANIFEST}, so it is not a backup, or not a finished one") from error
    except OSError as error:
        raise BackupError(f"cannot read {folder / MANIFEST}: {error.strerror}") from error


def sync_to_disk(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(file: Path, copy_to: Path | None = None) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits, and copy the bytes that were read, if wanted."""
    digest = hashlib.sha256()
    with file.open("rb") as source, contextlib.ExitStack() as stack:
        target = None
        if copy_to is not None:
            create_file(copy_to)
            target = stack.enter_context(copy_to.open("wb"))
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            if target is not None:
                target.write(chunk)
    return digest.hexdigest()
