"""The secrets that a test run makes, and the check at its end that none of them was written where people may read it.

Channels to servers in the mode `token`, and library-rest, note the secrets that pass: all fields with `debug_redact`,
and tokens in headers. Tests note other secrets by `note_secret`. Each test process looks for its own secrets in the
files of its tests: in logs, manifests of backups and the errors that clients got; and except for those that a store
has to keep, also in the stores of servers in the mode `token`: on SQLite in their files, with all tables, and on
PostgreSQL in the rows of the tables that clients can read. Pairing secrets and private keys come from these stores.

So a secret of a test has to be a text that nothing else has: "a wrong one" is in a message of the pairing, too.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import psycopg
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message
from psycopg import sql

SHORTEST = 8
"""Characters of a secret that is looked for. A shorter one, such as a PIN, is found by chance."""

TEXTS = ("*.log", "manifest*.json", "*.errors")

READ_TABLES = ("audit_entry", "history", "request")
KEPT = ("SELECT secret FROM sync_state", "SELECT private_key FROM signing_key")
"""Queries for the secrets that a frontend's store keeps."""

_WORD = re.compile(rb"[A-Za-z0-9_.-]{8,}")
_IN_JSON = re.compile(r"(access_?token|refresh_?token|code|token|secret|new_?secret|proof|id_?token)", re.IGNORECASE)

_noted: dict[str, bool] = {}
"""Each secret, and whether a store keeps it as it is."""
_errors: list[str] = []
_stores: set[Path] = set()


def note_secret(secret: str, *, is_stored: bool = False) -> str:
    """Note a secret, and return it. One that is stored is the pairing secret or a private key of a frontend."""
    if len(secret) >= SHORTEST:
        _noted[secret] = is_stored
    return secret


def note_store(url: str) -> None:
    """Note the store of a server in the mode `token`."""
    if url.startswith("sqlite:///"):
        _stores.add(Path(url.removeprefix("sqlite:///")))


def note_rows(url: str, file: Path) -> None:
    """Write rows of a store on PostgreSQL, which ends before the run, to a file; note the secrets that it keeps."""
    if not url.startswith("postgresql:"):
        return
    with psycopg.connect(url, autocommit=True) as connection, file.open("wb") as rows:
        for table in READ_TABLES:
            with suppress(psycopg.Error):
                for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(table))):
                    rows.write(b" ".join(each if isinstance(each, bytes) else str(each).encode() for each in row))
        _note_kept(connection.execute)


def _note_kept(execute: Callable[[Any], Any]) -> None:
    for query in KEPT:
        with suppress(psycopg.Error, sqlite3.Error):
            for (secret,) in execute(query).fetchall():
                note_secret(secret, is_stored=True)


def note_message(message: object) -> None:
    """Note the secrets in a request or an answer."""
    if isinstance(message, Message):
        for secret in _secrets_in(message):
            note_secret(secret)


def note_error(text: str) -> None:
    """Note an error that a client got."""
    _errors.append(text)


def note_headers(headers: Mapping[str, str]) -> None:
    """Note the token in the headers of a request."""
    for name, value in headers.items():
        if name.lower() == "authorization" and value.startswith("Bearer "):
            note_secret(value.removeprefix("Bearer "))


def note_http(path: str, headers: Mapping[str, str], *bodies: object) -> None:
    """Note the secrets in a request of HTTP and in the bodies of it and of its answer."""
    note_headers(headers)
    if path.startswith(("/access/", "/admin/v1/apiTokens")):
        for body in bodies:
            _note_json(_json_of(body))


def _note_json(value: object) -> None:
    if isinstance(value, dict):
        for name, inner in value.items():
            if isinstance(inner, str) and _IN_JSON.fullmatch(name):
                note_secret(inner)
            _note_json(inner)


def leaks(folder: Path) -> list[str]:
    """Return where a noted secret is, in the files of a folder and in the errors: sentences without the secret."""
    if not _noted:
        return []
    (folder / "of-clients.errors").write_text("\n".join(_errors))
    for store in filter(Path.exists, _stores):
        with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
            _note_kept(connection.execute)
    texts = {file for pattern in TEXTS for file in folder.rglob(pattern) if file.is_file()}
    found = [(file, secret) for file in sorted(texts) for secret in _in_text(file.read_bytes())]
    stores = [file for store in _stores for file in store.parent.glob(f"{store.name}*")]
    for file in sorted([*stores, *folder.rglob("*.rows")]):
        found += [(file, secret) for secret in _in_store(file.read_bytes())]
    return [f"{file} has a secret: {secret[:3]}…, {len(secret)} characters" for file, secret in found]


def _in_text(data: bytes) -> list[str]:
    """Return the secrets in a text. There are many texts: those that are words are looked up among its words."""
    words = {word.decode() for word in _WORD.findall(data)}
    return [secret for secret in _noted if secret in words or (not _is_word(secret) and secret.encode() in data)]


def _in_store(data: bytes) -> list[str]:
    """Return the secrets in the file of a store, where nothing may be between two texts."""
    return [secret for secret, is_stored in _noted.items() if not is_stored and secret.encode() in data]


def _is_word(secret: str) -> bool:
    return _WORD.fullmatch(secret.encode()) is not None


class NotingSecrets(grpc.UnaryUnaryClientInterceptor):
    """Notes the secrets that pass a channel, and the errors."""

    def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """Make the call."""
        note_message(request)
        note_headers(dict(client_call_details.metadata or ()))
        call = continuation(client_call_details, request)
        call.add_done_callback(_note_answer)
        return call


def _note_answer(call: Any) -> None:
    if call.code() is grpc.StatusCode.OK:
        note_message(call.result())
    else:
        note_error(f"{call.details()} {call.trailing_metadata()}")


def _secrets_in(message: Message) -> Iterator[str]:
    if not _has_secrets(message.DESCRIPTOR):
        return
    for field, value in message.ListFields():
        if field.GetOptions().debug_redact and field.type == FieldDescriptor.TYPE_STRING:
            yield from [value] if isinstance(value, str) else value
        elif isinstance(value, Message):
            yield from _secrets_in(value)


@cache
def _has_secrets(descriptor: Descriptor) -> bool:
    nested = (field.message_type for field in descriptor.fields if field.message_type is not None)
    is_own = any(field.GetOptions().debug_redact for field in descriptor.fields)
    return is_own or any(_has_secrets(each) for each in nested if each.file.package.startswith("library."))


def _json_of(body: object) -> object:
    """Return the value of a body, if it is JSON."""
    try:
        return json.loads(body) if isinstance(body, (str, bytes)) else body
    except ValueError:
        return None
