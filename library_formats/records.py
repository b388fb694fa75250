"""What every reader of a file yields: one record after the other, with its book, its items and its problems."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from library.admin.v1.catalog_service_pb2 import AddBookRequest
from library.admin.v1.import_service_pb2 import ImportFormat, ItemField, MarcMapping

OpenAt = Callable[[int], Iterator[bytes]]
"""Opens a file at a position in bytes, and yields what follows, in parts of any size."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file from which reading can go on."""

    position: int = 0
    """The bytes before it. Of a format that can only be read from its beginning, the bytes that were read."""
    records: int = 0
    """The records before it."""


@dataclass(frozen=True, slots=True)
class ItemDraft:
    """An item that a record describes, as its texts are in the file."""

    barcode: str = ""
    """Empty: one is generated."""
    branch: str = ""
    """A code; empty: the main branch."""
    shelf: str = ""
    call_number: str = ""
    item_type: str = ""
    note: str = ""
    price: str = ""
    """A decimal number, maybe with a currency."""


@dataclass(frozen=True, slots=True)
class RecordProblem:
    """What is wrong with a record or a field of it."""

    field: str
    """The field, as AddBookRequest names it, or the number of a MARC field; empty for the whole record."""
    description: str


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record of a file."""

    number: int
    """From 1, over the whole file; a record that cannot be read is counted too."""
    after: Place
    """Where reading goes on after this record."""
    control_number: str
    """Of MARC, the field 001; otherwise empty."""
    book: AddBookRequest | None
    """None for a record that is left out. It can still break limits of the contract, which the import checks."""
    items: tuple[ItemDraft, ...] = ()
    problems: tuple[RecordProblem, ...] = ()
    """Why it is left out, or with a book what was not taken from it."""


@dataclass(frozen=True, slots=True)
class ReadingOptions:
    """How a file is read."""

    format: ImportFormat.ValueType
    """One that is set: see `formats.recognized`."""
    mapping: MarcMapping.ValueType
    items: ItemField.ValueType


class FileUnreadableError(Exception):
    """The file cannot be read any further. Its text says why; the records before were yielded."""
