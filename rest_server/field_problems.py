"""Find out which fields of a JSON value are to blame, and say of each what it must be."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protobuf import (
    DescEnum,
    DescField,
    DescFieldValueEnum,
    DescFieldValueList,
    DescFieldValueMap,
    DescFieldValueMessage,
    DescMessage,
    Registry,
    ScalarType,
    message_from_json_value,
)

from rest_server.http_rules import field_named

_WORDS = {
    ScalarType.STRING: "a text",
    ScalarType.BYTES: "bytes in base64",
    ScalarType.BOOL: "true or false",
    ScalarType.DOUBLE: "a number",
    ScalarType.FLOAT: "a number that fits into 32 bits",
    ScalarType.UINT32: "a whole number from 0 to 4294967295",
    ScalarType.FIXED32: "a whole number from 0 to 4294967295",
    ScalarType.UINT64: "a whole number of at most 64 bits, not below 0",
    ScalarType.FIXED64: "a whole number of at most 64 bits, not below 0",
}
_SIGNED_32 = "a whole number from -2147483648 to 2147483647"
_SIGNED_64 = "a whole number of at most 64 bits"
_SIGNED_64_TYPES = (ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64)

_MESSAGES_IN_WORDS = {
    "google.protobuf.Timestamp": "a time such as 2026-01-31T12:00:00Z",
    "google.protobuf.Duration": 'seconds such as "1.5s"',
    "google.protobuf.FieldMask": 'field names in one text, with commas between them: "title,totalCopies"',
}


def problems_of(message: DescMessage, value: Any, registry: Registry) -> list[tuple[str, str]]:
    """Give the path of each field that is not acceptable, and what is wrong with it. Never empty."""
    found = list(_problems(message, value, registry, ""))
    # Each field may be acceptable, and all of them together not: two of one oneof, say.
    return found or [("body", "has fields that exclude one another")]


def _problems(message: DescMessage, value: Any, registry: Registry, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield path.rstrip(".") or "body", "must be an object"
        return
    for name, part in value.items():
        field = field_named(message, name)
        if field is None:
            yield path + name, f"is no field of {message.type_name}"
        elif not _fits(message, name, part, registry):
            yield from _problems_within(field, part, registry, path + field.name)


def _problems_within(field: DescField, part: Any, registry: Registry, path: str) -> Iterator[tuple[str, str]]:
    match field.value:
        case DescFieldValueMessage(message=message) if _is_plain(message):
            yield from _problems(message, part, registry, f"{path}.")
        case DescFieldValueList(element=DescMessage() as message) if _is_plain(message) and isinstance(part, list):
            for index, element in enumerate(part):
                yield from _problems(message, element, registry, f"{path}[{index}].")
        case _:
            yield path, f"must be {_wanted(field)}"


def _fits(message: DescMessage, name: str, part: Any, registry: Registry) -> bool:
    try:
        message_from_json_value(message.type, {name: part}, registry=registry)
    except (ValueError, TypeError, OverflowError):
        return False
    return True


def _is_plain(message: DescMessage) -> bool:
    """Whether the message is an object of its fields in JSON, and nothing of its own."""
    return not message.type_name.startswith("google.protobuf.")


def _wanted(field: DescField) -> str:
    match field.value:
        case DescFieldValueList(element=element):
            return f"a list, and each element {_in_words(element)}"
        case DescFieldValueMap(value=value):
            return f"an object, and each value {_in_words(value)}"
        case DescFieldValueMessage(message=message):
            return _in_words(message)
        case DescFieldValueEnum(enum=enum):
            return _in_words(enum)
        case scalar:
            return _in_words(scalar.scalar)


def _in_words(kind: ScalarType | DescEnum | DescMessage) -> str:
    match kind:
        case DescEnum():
            return f"one of {', '.join(value.name for value in kind.values)}"
        case DescMessage(type_name=name):
            return _MESSAGES_IN_WORDS.get(name, f"what protobuf's JSON has for {name}")
        case _ if kind in _SIGNED_64_TYPES:
            return _SIGNED_64
        case _:
            return _WORDS.get(kind, _SIGNED_32)
