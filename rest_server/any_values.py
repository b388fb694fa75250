"""Messages as JSON values, also where an Any has a type that the target does not describe.

protobuf's JSON mapping has no form for such an Any. It becomes `{"@type": ..., "value": ...}` with its bytes in base64,
so one unknown detail does not make the rest of an answer unreadable.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

from google.protobuf import any_pb2, json_format
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2
from protobuf import (
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    Message,
    Registry,
    message_to_json_value,
    wkt,
)

Json = Any
"""What `json.loads` returns."""

# json_format finds the types of google.rpc only if they are imported; a target need not describe them.
_DETAILS = error_details_pb2.DESCRIPTOR

MOST_NESTING = 8
"""Of an Any in another one. A deeper one is left in bytes, as each level is read twice, and so is all that is in it."""

_ANY = "google.protobuf.Any"
_OWN_FORM = "google.protobuf."
"""Prefix of the types whose JSON is not an object of their fields."""

_Path = tuple[str | int, ...]


def value_in_json(message: Message, registry: Registry, nesting: int = 0) -> Json:
    """Return the JSON of a message, with all fields that have no presence. An Any in the message may be emptied.

    Raises:
        ValueError: The message has a value without a form in JSON, such as a time after the year 9999.
        RecursionError: Its messages are nested too deep.
    """
    try:
        return message_to_json_value(message, registry=registry, always_emit_implicit=True)
    except (ValueError, RecursionError):
        contained = [
            (path, any_in_json(found.type_url, found.value, registry, nesting=nesting, emits_implicit=True), found)
            for path, found in _anys_in(message, ())
        ]
        if not contained:
            raise
    for _, _, found in contained:
        found.type_url, found.value = "", b""
    whole: Json = message_to_json_value(message, registry=registry, always_emit_implicit=True)
    for path, value, _ in contained:
        whole = _with_value_at(whole, path, value)
    return whole


def any_in_json(
    type_url: str, value: bytes, registry: Registry, *, nesting: int = 0, emits_implicit: bool = False
) -> Json:
    """Return the JSON of an Any, whose type is one of the registry, one of google.rpc, or unknown.

    Args:
        type_url: The type, after the last slash.
        value: The serialized message.
        registry: All types that the target described.
        nesting: How many others this one is in.
        emits_implicit: Whether fields without presence are written that are not set.
    """
    with suppress(ValueError, RecursionError):
        written = wkt.Any(type_url=type_url, value=value)
        return json.loads(written.to_json(registry=registry, always_emit_implicit=emits_implicit))
    described = registry.message(type_url.rpartition("/")[2])
    if described is not None and nesting < MOST_NESTING:
        with suppress(ValueError, RecursionError):
            inner = value_in_json(described.type.from_binary(value), registry, nesting + 1)
            is_object = isinstance(inner, dict) and not described.type_name.startswith(_OWN_FORM)
            return {"@type": type_url, **(inner if is_object else {"value": inner})}
    # A type that is not in the target's files can be one of google.rpc.
    with suppress(ValueError, TypeError, RecursionError, DecodeError, json_format.Error):
        return json_format.MessageToDict(
            any_pb2.Any(type_url=type_url, value=value), always_print_fields_with_no_presence=emits_implicit
        )
    # The type is unknown, or the bytes are not of that type.
    return {"@type": type_url, "value": b64encode(value).decode()}


def _anys_in(message: Message, path: _Path) -> Iterator[tuple[_Path, Any]]:
    """Yield each Any in a message, with its path in the JSON of the message; none that is in another Any."""
    described = message.desc()
    if described.type_name == _ANY:
        yield path, message
    if described.type_name.startswith(_OWN_FORM):
        return
    for field in described.fields:
        if field in message:
            for step, inner in _messages_in(field.value, message[field]):
                yield from _anys_in(inner, (*path, field.json_name, *step))


def _messages_in(kind: Any, value: Any) -> Iterator[tuple[_Path, Message]]:
    """Yield the messages in the value of a field, each with its path in the JSON of the field."""
    match kind:
        case DescFieldValueMessage():
            yield (), value
        case DescFieldValueList(element=DescMessage()):
            for place, element in enumerate(value):
                yield (place,), element
        case DescFieldValueMap(value=DescMessage()):
            for key, element in value.items():
                yield (str(key).lower() if isinstance(key, bool) else str(key),), element


def _with_value_at(whole: Json, path: Sequence[str | int], value: Json) -> Json:
    """Set the value at a path, and return the whole, which is the value itself if the path is empty."""
    if not path:
        return value
    *outer, last = path
    here = whole
    for step in outer:
        here = here[step]
    here[last] = value
    return whole
