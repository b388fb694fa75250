"""The public keys of access tokens as both services keep them: the frontend makes them, the admin has those pushed."""

from __future__ import annotations

from typing import Protocol

from library.v1.audit_pb2 import SigningKey
from library_domain.access.tokens import decode_key
from service_kit.clock import micros, timestamp, timestamp_if_set


class SigningKeyRow(Protocol):
    """A row with the columns that `signing_key_columns` names. Times are microseconds since 1970; 0: not set."""

    id: str
    public_key: str
    create_time: int
    retire_time: int


def signing_key_message(row: SigningKeyRow) -> SigningKey:
    """Convert a row to the message, without the private key. Raises `ValueError` for a damaged row."""
    decode_key(row.public_key)
    return SigningKey(
        id=row.id,
        public_key=row.public_key,
        create_time=timestamp(row.create_time),
        retire_time=timestamp_if_set(row.retire_time),
    )


def signing_key_columns(message: SigningKey) -> dict[str, object]:
    """Convert a message to the columns of its row."""
    return {
        "id": message.id,
        "public_key": message.public_key,
        "create_time": micros(message.create_time),
        "retire_time": micros(message.retire_time) if message.HasField("retire_time") else 0,
    }


def signing_key_problems(message: SigningKey) -> list[str]:
    """Return why a message cannot be recorded: its key cannot be one."""
    try:
        decode_key(message.public_key)
    except ValueError as error:
        return [f"public_key is {error}"]
    return []
