"""Start an import of a file as an operation, for `library import FILE.mrc`."""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import click
import grpc
from click.core import ParameterSource
from google.longrunning.operations_pb2 import Operation

from library.admin.v1.import_service_pb2 import (
    IMPORT_FORMAT_JSON_LINES,
    IMPORT_FORMAT_MARC,
    IMPORT_FORMAT_MARC_JSON,
    IMPORT_FORMAT_MARC_XML,
    IMPORT_FORMAT_UNSPECIFIED,
    ITEM_FIELD_852,
    ITEM_FIELD_949,
    ITEM_FIELD_952,
    ITEM_FIELD_995,
    ITEM_FIELD_NONE,
    ITEM_FIELD_UNSPECIFIED,
    MARC_MAPPING_MARC21,
    MARC_MAPPING_UNIMARC,
    MARC_MAPPING_UNSPECIFIED,
    ImportConfig,
    ImportFormat,
    ItemField,
    MarcMapping,
    StartImportRequest,
)
from library_cli.channel import connected
from library_cli.grpc_errors import CallFailed, service_refusal
from library_cli.imports.calls import Imports, id_of
from library_cli.imports.following import follow
from library_cli.stopped import INTERRUPTED, CommandStopped
from service_kit.ids import new_id

CHUNK_BYTES = 500_000
TRIES = 3
"""How often a file is uploaded if the server does not answer. Its request id makes one operation of all."""

FORMATS: dict[str, ImportFormat.ValueType] = {
    "marc": IMPORT_FORMAT_MARC,
    "marc-xml": IMPORT_FORMAT_MARC_XML,
    "marc-json": IMPORT_FORMAT_MARC_JSON,
    "json-lines": IMPORT_FORMAT_JSON_LINES,
}
SUFFIXES = {
    ".mrc": IMPORT_FORMAT_UNSPECIFIED,
    ".marc": IMPORT_FORMAT_UNSPECIFIED,
    ".xml": IMPORT_FORMAT_MARC_XML,
    ".marcxml": IMPORT_FORMAT_MARC_XML,
}
"""The suffixes of files with MARC records, and their formats if these need not be recognized."""

ITEM_FIELDS: dict[str, ItemField.ValueType] = {
    "none": ITEM_FIELD_NONE,
    "852": ITEM_FIELD_852,
    "952": ITEM_FIELD_952,
    "949": ITEM_FIELD_949,
    "995": ITEM_FIELD_995,
}
MAPPINGS: dict[str, MarcMapping.ValueType] = {"marc21": MARC_MAPPING_MARC21, "unimarc": MARC_MAPPING_UNIMARC}

TAKEN = {
    "file",
    "dry_run",
    "on_duplicate",
    "match",
    "file_format",
    "items",
    "copies",
    "mapping",
    "admin_target",
    "token",
}
"""The options of `library import` that an import as an operation takes."""

OPTIONS = [
    click.option(
        "--format",
        "file_format",
        type=click.Choice(list(FORMATS)),
        help="Import the file as an operation of the server, in this format.  [default: for files with MARC records]",
    ),
    click.option(
        "--items",
        type=click.Choice(list(ITEM_FIELDS)),
        help="The field of a MARC record that describes its items.  [default: 952, 852 or 949, whichever comes first]",
    ),
    click.option(
        "--copies",
        type=click.IntRange(0, 10_000),
        help="The copies of a new book whose record has no items.  [default: 1]",
    ),
    click.option(
        "--mapping",
        type=click.Choice(list(MAPPINGS)),
        help="The meaning of the fields of a MARC file.  [default: marc21]",
    ),
]


@dataclass(frozen=True)
class OperationOptions:
    """How a file is imported as an operation."""

    format: ImportFormat.ValueType = IMPORT_FORMAT_UNSPECIFIED
    items: ItemField.ValueType = ITEM_FIELD_UNSPECIFIED
    mapping: MarcMapping.ValueType = MARC_MAPPING_UNSPECIFIED
    copies: int | None = None

    def are_for(self, path: Path | None) -> bool:
        """Return whether a file is imported as an operation: if an option says so, or its name or its beginning."""
        if path is None:
            return False
        if self != OperationOptions() or path.suffix.lower() in SUFFIXES:
            return True
        return path.suffix.lower() == ".json" and _has_marc(path)

    def config(self, path: Path, **others: Any) -> ImportConfig:
        """Return the config of an import of a file."""
        found = self.format or SUFFIXES.get(path.suffix.lower(), IMPORT_FORMAT_UNSPECIFIED)
        return ImportConfig(
            format=found,
            items=self.items,
            mapping=self.mapping,
            copies_without_items=self.copies,
            request_id=new_id(),
            **others,
        )


def operation_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options to a command, which gets them as one argument `operation`."""

    @functools.wraps(command)
    def with_operation(
        *arguments: Any,
        file_format: str | None,
        items: str | None,
        copies: int | None,
        mapping: str | None,
        **others: Any,
    ) -> Any:
        options = OperationOptions(
            FORMATS[file_format] if file_format else IMPORT_FORMAT_UNSPECIFIED,
            ITEM_FIELDS[items] if items else ITEM_FIELD_UNSPECIFIED,
            MAPPINGS[mapping] if mapping else MARC_MAPPING_UNSPECIFIED,
            copies,
        )
        return command(*arguments, operation=options, **others)

    wrapped: Callable[..., Any] = with_operation
    for option in reversed(OPTIONS):
        wrapped = option(wrapped)
    return wrapped


def refuse_other_options() -> None:
    """Raise UsageError for each option of `library import` that would have no effect."""
    context = click.get_current_context()
    for option in context.command.params:
        name = option.name or ""
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE and name not in TAKEN:
            raise click.UsageError(f"{option.opts[0]} cannot be used with a file that is imported as an operation.")


def import_file(target: str, path: Path, config: ImportConfig) -> int:
    """Upload a file, follow its import, and print what became of it; return the exit status."""
    refuse_other_options()
    try:
        with connected(target) as channel, click.open_file(str(path), "rb") as source:
            imports = Imports(channel)
            operation = _started(imports, source, config, path)
            click.echo(f"The import has the id {id_of(operation)}.", err=True)
            return follow(imports, id_of(operation))
    except (CallFailed, OSError) as problem:
        raise CommandStopped(str(problem)) from problem
    except KeyboardInterrupt:
        raise CommandStopped("Interrupted. Nothing was imported.", INTERRUPTED) from None


def _started(imports: Imports, source: IO[bytes], config: ImportConfig, path: Path) -> Operation:
    for attempt in range(1, TRIES + 1):
        try:
            return imports.start(_messages(source, config))
        except grpc.RpcError as error:
            refused = service_refusal(error)
            if refused and refused.reason == "FIELD_INVALID" and refused.metadata.get("fields") == "config.format":
                name = "Standard input" if str(path) == "-" else path
                raise CommandStopped(
                    f"{name} does not begin like a file of MARC records, so nothing was imported. If it is one, name "
                    "its format with --format. If it is a CSV file, rename it so that it ends with .csv."
                ) from error
            is_away = error.code() is grpc.StatusCode.UNAVAILABLE
            if not is_away or attempt == TRIES or not source.seekable():
                raise
            source.seek(0, os.SEEK_SET)
            time.sleep(attempt)
    raise AssertionError("the last attempt returns or raises")


def _messages(source: IO[bytes], config: ImportConfig) -> Iterator[StartImportRequest]:
    yield StartImportRequest(config=config, chunk=source.read(CHUNK_BYTES))
    while part := source.read(CHUNK_BYTES):
        yield StartImportRequest(chunk=part)


def _has_marc(path: Path) -> bool:
    from library_formats.formats import RECOGNIZED_BY, recognized  # noqa: PLC0415 - its readers take a while to import

    with path.open("rb") as source:
        return recognized(source.read(RECOGNIZED_BY), "", MARC_MAPPING_UNSPECIFIED) == IMPORT_FORMAT_MARC_JSON
